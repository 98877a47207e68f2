"""CheXpert: chest radiographs of one hospital with labels mined from reports."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from sightline.data.adapters.adapter import Adapted, Adapter, Progress
from sightline.data.adapters.layout import find, keep_present, number, read_rows
from sightline.data.adapters.selection import Selection
from sightline.data.cohort import Case, Cohort
from sightline.errors import DataError

CLASSES = (
    *("No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema"),
    *("Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other"),
    *("Fracture", "Support Devices"),
)
_ABOUT = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA")
_PATIENT = re.compile(r"patient\d+")
Reading = Literal["negative", "positive", "unknown"]
_VALUES: dict[Reading, float] = {"negative": 0.0, "positive": 1.0, "unknown": float("nan")}


@dataclass(frozen=True)
class CheXpert(Adapter):
    """CheXpert v1.0, also the small version; a multi-label cohort of its 14 classes.

    The ISNet's rules are `uncertain=negative views=[AP,PA] min_age=18`.

    Args:
        uncertain: what a label of -1 is taken for.
        blank: what a label that is left out is taken for.
        views: of these only; frontal films are AP, PA, LL or RL, and `lateral` stands for side views.
        min_age: youngest age, years.

    Reference:
        Irvin et al. 2019, arXiv:1901.07031; the rules: Bassi et al. 2024 (ISNet), 4.1.
    """

    name: ClassVar[str] = "chexpert"
    title: ClassVar[str] = "CheXpert"
    layout: ClassVar[str] = "train.csv, valid.csv\n{train,valid}/patient00001/study1/view1_frontal.jpg"

    uncertain: Reading = "unknown"
    blank: Reading = "negative"
    views: tuple[str, ...] = ("AP", "PA", "LL", "RL")
    min_age: float = 0.0

    def read(self, root: Path, out: Path, *, progress: Progress = iter) -> Adapted:
        """Make the cohort; see `Adapter.read`."""
        train = find(root, "train.csv", "train/train.csv", title=self.title)
        base = train.parent.parent if train.parent.name == "train" else train.parent
        valid = find(base, "valid.csv", "valid/valid.csv", title=self.title)
        cases = [
            case for table, split in ((train, "train"), (valid, "val")) for case in self._cases(table, base, split)
        ]
        chosen = Selection(list(progress(cases)), CLASSES, "train.csv and valid.csv")
        chosen.keep(f"view is {', '.join(self.views)}", lambda case: case.about["view"] in self.views)
        if self.min_age > 0:
            chosen.keep(
                f"age is at least {self.min_age:g}",
                lambda case: number(case.about["age"], "Age", title=self.title) >= self.min_age,
            )
        keep_present(chosen, base, title=self.title, partial=self.partial)
        cohort = Cohort(out.absolute(), "multilabel", CLASSES, chosen.cases)
        return Adapted(cohort, chosen.census, chosen.left_out)

    def _cases(self, table: Path, base: Path, split: str) -> list[Case]:
        cases = []
        for row in read_rows(table, (*_ABOUT, *CLASSES), title=self.title):
            name = row["Path"].split("/", 1)[-1]  # without the folder that the archive was made of
            found = _PATIENT.search(name)
            if found is None:
                raise DataError(f"{self.title}: {table.name}: no patient in the path {row['Path']!r}")
            view = row["AP/PA"] if row["Frontal/Lateral"] == "Frontal" else "lateral"
            about = {"age": row["Age"], "sex": row["Sex"], "view": view, "study": name.rsplit("/", 1)[0]}
            labels = tuple(self._label(row[column], column) for column in CLASSES)
            cases.append(
                Case(name, base / name, labels, found.group(), self.title, split, about=about)  # (14,)
            )
        return cases

    def _label(self, cell: str, column: str) -> float:
        if not cell:
            return _VALUES[self.blank]
        value = number(cell, column, title=self.title)
        return _VALUES[self.uncertain] if value < 0 else value
