"""Shenzhen: chest radiographs of a hospital's routine with and without tuberculosis, with masks."""

import math
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import ClassVar

from sightline.data.adapters.adapter import Adapted, Adapter, Progress
from sightline.data.adapters.labels import check_classes
from sightline.data.adapters.layout import read_rows
from sightline.data.adapters.mask_files import united, write_mask
from sightline.data.adapters.nlm_films import CLASSES, films_cohort, films_folder, nlm_films, select_films
from sightline.data.adapters.people import age_of
from sightline.data.cohort import Case

# "male 45yrs", "female24yrs", "femal 32yrs", "Male , 29yrs", "male 16month", "female 64days"
_PERSON = re.compile(r"\s*(female|femal|male)[\s,]*(\d+\s*(?:y|m|w|d)[a-z]*)?", re.IGNORECASE)
_FINDING = re.compile(r"(CHNCXR_\d+_[01])_(.+)_\d+\.png")
_TABLE = "Statistics_ShenzhenDataset_US.csv"


@dataclass(frozen=True)
class Shenzhen(Adapter):
    """Shenzhen Hospital chest X-ray set: 326 normal films and 336 with tuberculosis.

    Lung masks of Stirenko et al., 566 of them, are a download of their own; unpack it anywhere below the folder. What a
    second reader found, where Annotations-2 is there, is counted in columns such as `Cavity`. The boxes of
    `shenzhen_consensus_roi.csv` are not used: nobody says which pixels they count in.

    The ISNet's rules are `min_age=18`, and `classes=[Normal]` for COVID-19.

    Args:
        classes: Normal, Tuberculosis or both.
        min_age: youngest age, years.
        findings: for tuberculosis, the region is what the reader outlined in Annotations-2 instead of the lungs.

    Reference:
        Jaeger et al. 2014, doi:10.3978/j.issn.2223-4292.2014.11.20; lungs: Stirenko et al. 2018, arXiv:1803.01199; the
        rules: Bassi et al. 2024 (ISNet), 4.8.
    """

    name: ClassVar[str] = "shenzhen"
    title: ClassVar[str] = "Shenzhen"
    home: ClassVar[str] = (
        "data.lhncbc.nlm.nih.gov/public/Tuberculosis-Chest-X-ray-Datasets; masks of the lungs: "
        "kaggle.com/datasets/yoctoman/shcxr-lung-mask"
    )
    layout: ClassVar[str] = (
        "CXR_png/CHNCXR_0001_0.png\nClinicalReadings/CHNCXR_0001_0.txt\n"
        "…/CHNCXR_0001_0_mask.png, if there\n"
        "Annotations-2/Statistics_ShenzhenDataset_US.csv, Annotations-2/masks/CHNCXR_0330_1_Cavity_1.png, if there"
    )

    classes: tuple[str, ...] = CLASSES
    min_age: float = 0.0
    findings: bool = False

    def __post_init__(self) -> None:
        check_classes(self.classes, CLASSES, title=self.title)

    def read(self, root: Path, out: Path, *, progress: Progress = iter) -> Adapted:
        """Make the cohort; see `Adapter.read`."""
        base = films_folder(root, "CHNCXR", title=self.title)
        cases = nlm_films(base, _reading, title=self.title, partial=self.partial)
        chosen = select_films(cases, base, self.classes, self.min_age, title=self.title, partial=self.partial)
        lungs = {path.name.removesuffix("_mask.png"): path for path in sorted(root.rglob("CHNCXR_*_mask.png"))}
        counts, outlines = self._counts(base), self._outlines(base)
        complete = [self._with_more(case, lungs, counts, outlines, out) for case in progress(chosen.cases)]
        return films_cohort(chosen, complete, self.classes, out)

    def _with_more(
        self,
        case: Case,
        lungs: Mapping[str, Path],
        counts: Mapping[str, Mapping[str, str]],
        outlines: Mapping[str, list[Path]],
        out: Path,
    ) -> Case:
        stem = case.id.removesuffix(".png")
        case = replace(case, mask=lungs.get(stem), about={**case.about, **counts.get(stem, {})})
        if not self.findings or stem not in outlines:
            return case
        path = out.absolute() / "masks" / CLASSES[1] / case.id
        mask = write_mask(path, partial(united, outlines[stem], title=self.title))
        return replace(case, class_masks={CLASSES[1]: mask})

    def _counts(self, base: Path) -> dict[str, dict[str, str]]:
        """Return how many regions of each finding there are on a film, without those of which there are none."""
        counts = {}
        for table in base.glob(f"Annotations-2/{_TABLE}"):
            for row in read_rows(table, ("imagename",), title=self.title):
                stem = row.pop("imagename").removesuffix(".png")
                counts[stem] = {name: count for name, count in row.items() if name and count not in ("", "0")}
        return counts

    def _outlines(self, base: Path) -> dict[str, list[Path]]:
        outlines = defaultdict(list)
        for path in sorted(base.glob("Annotations-2/masks/*.png")):
            if found := _FINDING.fullmatch(path.name):
                outlines[found[1]].append(path)
        return outlines


def _reading(text: str) -> tuple[str, float]:
    """Read the first line; an age without its unit is not known, since those of infants are in months and days."""
    found = _PERSON.match(text)
    if found is None:
        return "", math.nan
    return found[1], age_of(found[2] or "", "age", title=Shenzhen.title)
