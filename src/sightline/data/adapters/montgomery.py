"""Montgomery County: chest radiographs of a screening for tuberculosis, with masks of the lungs."""

import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import ClassVar

from sightline.data.adapters.adapter import Adapted, Adapter, Progress
from sightline.data.adapters.labels import check_classes
from sightline.data.adapters.layout import find, found_in
from sightline.data.adapters.mask_files import united, write_mask
from sightline.data.adapters.nlm_films import CLASSES, films_cohort, films_folder, nlm_films, select_films
from sightline.data.adapters.people import age_of
from sightline.data.cohort import Case
from sightline.errors import DataNotFoundError

_SEX, _AGE = re.compile(r"Patient's Sex:\s*(\w*)"), re.compile(r"Patient's Age:\s*(\w*)")


@dataclass(frozen=True)
class Montgomery(Adapter):
    """Montgomery County chest X-ray set: 80 normal films and 58 with tuberculosis, all with the union of both lungs.

    The ISNet's rules are `min_age=18`, and `classes=[Normal]` for COVID-19.

    Args:
        classes: Normal, Tuberculosis or both.
        min_age: youngest age, years.

    Reference:
        Jaeger et al. 2014, doi:10.3978/j.issn.2223-4292.2014.11.20; the rules: Bassi et al. 2024 (ISNet), 4.8.
    """

    name: ClassVar[str] = "montgomery"
    title: ClassVar[str] = "Montgomery County"
    home: ClassVar[str] = "data.lhncbc.nlm.nih.gov/public/Tuberculosis-Chest-X-ray-Datasets"
    layout: ClassVar[str] = (
        "CXR_png/MCUCXR_0001_0.png\nClinicalReadings/MCUCXR_0001_0.txt\n"
        "ManualMask/{leftMask,rightMask}/MCUCXR_0001_0.png"
    )

    classes: tuple[str, ...] = CLASSES
    min_age: float = 0.0

    def __post_init__(self) -> None:
        check_classes(self.classes, CLASSES, title=self.title)

    def read(self, root: Path, out: Path, *, progress: Progress = iter) -> Adapted:
        """Make the cohort; see `Adapter.read`."""
        base = films_folder(root, "MCUCXR", title=self.title)
        sides = [find(base, f"ManualMask/{side}", title=self.title) for side in ("leftMask", "rightMask")]
        cases = nlm_films(base, _reading, title=self.title, partial=self.partial)
        chosen = select_films(cases, base, self.classes, self.min_age, title=self.title, partial=self.partial)
        masked = [self._with_mask(case, sides, out) for case in progress(chosen.cases)]
        return films_cohort(chosen, masked, self.classes, out)

    def _with_mask(self, case: Case, sides: list[Path], out: Path) -> Case:
        masks = [side / case.id for side in sides]
        missing = [mask for mask in masks if not mask.is_file()]
        if missing and not self.partial:
            raise DataNotFoundError(
                f"{self.title}: no {case.id} in ManualMask/{missing[0].parent.name}, {found_in(missing[0].parent)}; "
                "unpack the whole download, or say partial=true to leave the region unknown"
            )
        if missing:
            return case
        return replace(
            case, mask=write_mask(out.absolute() / "masks" / case.id, partial(united, masks, title=self.title))
        )


def _reading(text: str) -> tuple[str, float]:
    sex, age = _SEX.search(text), _AGE.search(text)
    return sex[1] if sex else "", age_of(age[1] if age else "", "Patient's Age", title=Montgomery.title)
