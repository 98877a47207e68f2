"""What is known about prepared volumes: the table of labels, or the cohort that they came from; and the new cohort.

The table is a CSV with the column `id` (names of the volumes, as `volumes.csv` has them) and a column a class: 1, 0, or
empty if unknown. It may have `patient`, `source`, `split`, `age`, `sex`, `study`, `view`, and `mask:<class>`: where a
class may be, as a file relative to the table, which is brought onto the volume's new grid, or as labels of the organs
that are found in the volume, `#1+3` or `volumes/<id>.zarr#1+3`. The latter may also stand in `organs:<class>` as `1+3`,
as `sightline prepare reports` writes it.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sightline.data.cohort import Case, Cohort
from sightline.data.images import NIFTI
from sightline.data.readers.files import image_suffix, located
from sightline.data.volumes.discovering import Source, plain_names
from sightline.data.volumes.prepare import VOLUMES, Outcome, Preparation
from sightline.data.volumes.store import STORE_SUFFIX
from sightline.errors import DataError, DataNotFoundError

_KNOWN = ("id", "patient", "source", "split")
_ABOUT = ("age", "sex", "study", "view")
_MASKS = "masks"


@dataclass(frozen=True)
class Labelled:
    """Cases whose images are to be prepared.

    Attributes:
        cohort: them; the images of a table are not known yet.
        organs: by case and class, the labels of the organs where a finding may be, such as `#1+3`.
    """

    cohort: Cohort
    organs: Mapping[tuple[str, str], str] = field(default_factory=dict)


def read_labels(path: Path) -> Labelled:
    """Read a table of labels.

    Raises:
        DataNotFoundError: there is no such file.
        DataError: a column or a row cannot be used.
    """
    if not path.is_file():
        raise DataNotFoundError(f"no table of labels at {path}")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            header = [name.strip() for name in reader.fieldnames or []]
            reader.fieldnames = header
            rows = [(reader.line_num, row) for row in reader]
    except OSError as error:
        raise DataError(f"{path.name}: cannot be read: {error.strerror}") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path.name} is not a table of comma-separated values in UTF-8: {error}") from None
    classes = tuple(name for name in header if ":" not in name and name not in (*_KNOWN, *_ABOUT))
    places = {f"{kind}:{name}" for kind in ("mask", "organs") for name in classes}
    wrong = [name for name in header if ":" in name and name not in places]
    if "id" not in header or not classes or wrong:
        what = f"column {wrong[0]!r} names no class" if wrong else "needs a column 'id' and one a class"
        raise DataError(f"{path.name}: {what}; it has {', '.join(header)}")
    cases: list[Case] = []
    organs: dict[tuple[str, str], str] = {}
    for line, row in rows:
        if None in row or None in row.values():
            raise DataError(f"{path.name} line {line}: not {len(header)} cells as in its header")
        cells = {name: cell.strip() for name, cell in row.items()}
        case = _case(cells, classes, f"{path.name} line {line}")
        masks: dict[str, Path] = {}
        for name in classes:
            codes = cells.get(f"organs:{name}", "")
            cell = cells.get(f"mask:{name}") or (f"#{codes}" if codes else "")
            where, mark, part = cell.rpartition("#")
            if mark and Path(where).name in ("", f"{case.id}{STORE_SUFFIX}"):
                organs[case.id, name] = f"#{part}"
            elif cell:
                masks[name] = path.parent.absolute() / cell
        cases.append(replace(case, class_masks=masks))
    ids = [case.id for case in cases]
    if len(set(ids)) < len(ids):
        raise DataError(f"{path.name}: id {next(i for i in ids if ids.count(i) > 1)!r} is there twice")
    return Labelled(Cohort(path.parent.absolute(), "multilabel", classes, tuple(cases)), organs)


def _case(cells: Mapping[str, str], classes: Sequence[str], where: str) -> Case:
    labels = []
    for name in classes:
        try:
            value = float(cells[name] or "nan")
        except ValueError:
            value = -1.0
        if value < 0 or value > 1:
            raise DataError(f"{where}: label of {name!r} must be 0, 1, or empty if unknown, got {cells[name]!r}")
        labels.append(value)
    if not cells["id"]:
        raise DataError(f"{where}: no id")
    return Case(
        id=cells["id"],
        image=Path(),
        label=tuple(labels),
        patient=cells.get("patient") or cells["id"],
        source=cells.get("source", ""),
        split=cells.get("split", ""),
        about={name: cells[name] for name in _ABOUT if cells.get(name)},
    )


def sources_of(cohort: Cohort) -> tuple[dict[str, str], list[Source]]:
    """Return by case the name of its volume, and all volumes: after each its variants, `<name>~<variant>`."""
    plain = plain_names([case.id for case in cohort.cases])
    sources = [
        Source(f"{name}~{variant}" if variant else name, cohort.name(path), path)
        for name, case in zip(plain, cohort.cases, strict=True)
        for variant, path in (("", case.image), *case.variants.items())
    ]
    return {case.id: name for name, case in zip(plain, cohort.cases, strict=True)}, sources


def prepared_masks(case: Case, volume: str, out: Path) -> dict[Path, Path]:
    """Name what each mask of a case becomes: `masks/<class>/<volume>.nii.gz`, one for all that are parts of one file.

    Args:
        case: whose masks.
        volume: name of its volume.
        out: folder for them.

    Returns:
        The new name of each mask, with its part if it has one.
    """
    masks = {"all": case.mask, **case.class_masks}
    made: dict[Path, Path] = {}
    files: dict[Path, Path] = {}
    for folder, mask in zip(plain_names(list(masks)), masks.values(), strict=True):
        if mask is not None:
            part = located(mask)[1] if _whole(mask) != mask else ""
            file = files.setdefault(_whole(mask), out / _MASKS / folder / f"{volume}.nii.gz")
            made[mask] = file.with_name(f"{file.name}#{part}") if part else file
    return made


def mask_files(masks: Mapping[Path, Path]) -> dict[Path, Path]:
    """Return the files to be made of the masks of a case, given what `prepared_masks` names; see `Job.masks`."""
    return {_whole(mask): located(made)[0] for mask, made in masks.items()}


def _whole(mask: Path) -> Path:
    """Return the file of a mask if it is a label map, of which others may take other parts, else the mask."""
    file = located(mask)[0]
    return file if image_suffix(file) in NIFTI else mask


def prepared_cohort(
    labelled: Labelled, names: Mapping[str, str], outcomes: Mapping[str, Outcome], way: Preparation, out: Path
) -> Cohort:
    """Return the cohort of the volumes that could be prepared.

    Args:
        labelled: what is known about them.
        names: of each case the name of its volume.
        outcomes: by name of the volume.
        way: how they were prepared.
        out: folder that holds them.

    Returns:
        The cohort; where the organs of a volume cannot be trusted, where its findings may be is unknown.

    Raises:
        DataError: none could be prepared.
    """
    cases = []
    for case in labelled.cohort.cases:
        volume = names.get(case.id, "")
        needed = [volume, *(f"{volume}~{variant}" for variant in case.variants)]
        if all(name in outcomes and not outcomes[name].reason for name in needed):
            cases.append(_prepared_case(case, labelled, volume, out, trusted=_trusted(outcomes[volume])))
    if not cases:
        raise DataError("no volume with labels could be prepared")
    limits = (float(way.clip_hu[0]), float(way.clip_hu[1]))
    return replace(labelled.cohort, root=out.absolute(), cases=tuple(cases), value_range=limits, units="HU")


def _trusted(outcome: Outcome) -> bool:
    """Whether the organs of a volume can be trusted, as far as they were asked for."""
    passed: bool = outcome.about.get("organs_quality", {}).get("passed", True)
    return passed


def _prepared_case(case: Case, labelled: Labelled, volume: str, out: Path, *, trusted: bool) -> Case:
    def store(name: str) -> Path:
        return out.absolute() / VOLUMES / f"{name}{STORE_SUFFIX}"

    masks = prepared_masks(case, volume, out.absolute())
    organs: dict[str, Any] = {
        name: store(volume).with_name(f"{store(volume).name}{labelled.organs[case.id, name]}")
        for name in labelled.cohort.classes
        if trusted and (case.id, name) in labelled.organs
    }
    return replace(
        case,
        image=store(volume),
        mask=masks[case.mask] if case.mask else None,
        class_masks={name: masks[mask] for name, mask in case.class_masks.items()} | organs,
        variants={variant: store(f"{volume}~{variant}") for variant in case.variants},
        sha256="",
    )
