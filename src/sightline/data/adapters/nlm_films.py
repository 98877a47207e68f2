"""What the two tuberculosis sets of the National Library of Medicine have in common: names, labels and readings."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from sightline.data.adapters.adapter import Adapted
from sightline.data.adapters.layout import find, found_in, keep_present
from sightline.data.adapters.people import age_text, filled, sex_of
from sightline.data.adapters.rules import keep_ages
from sightline.data.adapters.selection import Selection
from sightline.data.cohort import Case, Cohort
from sightline.errors import DataError, DataNotFoundError

CLASSES = ("Normal", "Tuberculosis")
Reading = Callable[[str], tuple[str, float]]  # from the text to the sex as it is written, and the age in years
_NAME = re.compile(r"(?P<patient>[A-Z]+_\d+)_(?P<label>[01])")


def films_folder(root: Path, prefix: str, *, title: str) -> Path:
    """Return the folder that holds `CXR_png` and `ClinicalReadings`, found by names that begin with `prefix`.

    Raises:
        DataNotFoundError: it is not there.
    """
    base = find(root, f"CXR_png/{prefix}_*.png", title=title).parents[1]
    find(base, "ClinicalReadings", title=title)
    return base


def nlm_films(base: Path, reading: Reading, *, title: str, partial: bool) -> list[Case]:
    """Return the films of a set, those too of which only the reading is there, in the order of their names.

    The last digit of a name is the label, 0 for normal and 1 for tuberculosis. There is one film a person. The sets
    call their view postero-anterior; Bassi et al. 2024 (ISNet) call it antero-posterior.

    Args:
        base: folder of the set.
        reading: reads the sex and the age.
        title: of the data set.
        partial: a film may lack its reading.

    Raises:
        DataNotFoundError: a reading is not there.
        DataError: a name is not of the expected form.
    """
    reports = {path.stem: path for path in (base / "ClinicalReadings").glob("*.txt")}
    cases = []
    for stem in sorted({path.stem for path in (base / "CXR_png").glob("*.png")} | reports.keys()):
        found = _NAME.fullmatch(stem)
        if found is None:
            raise DataError(f"{title}: {stem} is not a name such as CHNCXR_0001_0, whose last digit is the label")
        report = reports.get(stem)
        if report is None and not partial:
            raise DataNotFoundError(
                f"{title}: no {stem}.txt in ClinicalReadings, {found_in(base / 'ClinicalReadings')}; unpack the whole "
                "download, or say partial=true"
            )
        sex, age = reading(report.read_text(encoding="utf-8", errors="replace")) if report else ("", float("nan"))
        about = filled(age=age_text(age), sex=sex_of(sex), view="PA", study=stem)
        image = base / "CXR_png" / f"{stem}.png"
        cases.append(Case(image.name, image, int(found["label"]), found["patient"], title, report=report, about=about))
    return cases


def select_films(
    cases: list[Case], base: Path, classes: tuple[str, ...], min_age: float, *, title: str, partial: bool
) -> Selection:
    """Keep the films of some classes and ages that are there."""
    chosen = Selection(cases, CLASSES, "films in CXR_png")
    if set(classes) != set(CLASSES):
        chosen.keep(f"class is {', '.join(classes)}", lambda case: _class_of(case) in classes)
    keep_ages(chosen, min_age)
    keep_present(chosen, base, title=title, partial=partial)
    return chosen


def films_cohort(chosen: Selection, cases: list[Case], classes: tuple[str, ...], out: Path) -> Adapted:
    """Return what came: both classes as a binary cohort, one alone as a multi-class one."""
    renumbered = tuple(replace(case, label=classes.index(_class_of(case))) for case in cases)
    cohort = Cohort(out.absolute(), "binary" if len(classes) == 2 else "multiclass", classes, renumbered)
    return Adapted(cohort, chosen.census, chosen.left_out)


def _class_of(case: Case) -> str:
    return CLASSES[case.label] if isinstance(case.label, int) else ""
