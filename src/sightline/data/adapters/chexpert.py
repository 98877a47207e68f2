"""CheXpert: chest radiographs of one hospital with labels mined from reports."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sightline.data.adapters.adapter import Adapted, Adapter, Progress
from sightline.data.adapters.labels import Reading, check_classes, label_of
from sightline.data.adapters.layout import find, keep_present, read_rows
from sightline.data.adapters.people import age_of, age_text, filled, sex_of
from sightline.data.adapters.rules import Only, keep_ages, keep_labelled, keep_views, labelled
from sightline.data.adapters.selection import Selection
from sightline.data.cohort import Case
from sightline.errors import DataError

CLASSES = (
    *("No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema"),
    *("Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other"),
    *("Fracture", "Support Devices"),
)
_ABOUT = ("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA")
_PATIENT = re.compile(r"patient\d+")


@dataclass(frozen=True)
class CheXpert(Adapter):
    """CheXpert v1.0, also the small version; a multi-label cohort of its 14 classes, or of some.

    The ISNet's rules are `uncertain=negative views=[AP,PA] min_age=18 classes=[No Finding,Pneumonia] only=single`, from
    which it draws at random; which films these were has not been published. For its comparison with HAM they are
    `uncertain=negative classes=[Atelectasis,Consolidation,Edema,No Finding,Pneumonia,Pneumothorax] only=positive`.

    Args:
        uncertain: what a label of -1 is taken for.
        blank: what a label that is left out is taken for.
        views: of these only; frontal films are AP, PA, LL or RL, and `lateral` stands for side views.
        min_age: youngest age, years.
        classes: the labels to keep.
        only: `positive` keeps films that are positive for any of `classes`, `single` those for exactly one of them, as
            a multi-class cohort.

    Reference:
        Irvin et al. 2019, arXiv:1901.07031; the rules: Bassi et al. 2024 (ISNet), 4.8 and appendix B.
    """

    name: ClassVar[str] = "chexpert"
    title: ClassVar[str] = "CheXpert"
    home: ClassVar[str] = "stanfordmlgroup.github.io/competitions/chexpert, by agreement"
    layout: ClassVar[str] = "train.csv, valid.csv\n{train,valid}/patient00001/study1/view1_frontal.jpg"

    uncertain: Reading = "unknown"
    blank: Reading = "negative"
    views: tuple[str, ...] = ("AP", "PA", "LL", "RL")
    min_age: float = 0.0
    classes: tuple[str, ...] = CLASSES
    only: Only = "all"

    def __post_init__(self) -> None:
        check_classes(self.classes, CLASSES, title=self.title)

    def read(self, root: Path, out: Path, *, progress: Progress = iter) -> Adapted:
        """Make the cohort; see `Adapter.read`."""
        train = find(root, "train.csv", "train/train.csv", title=self.title)
        base = train.parent.parent if train.parent.name == "train" else train.parent
        valid = find(base, "valid.csv", "valid/valid.csv", title=self.title)
        cases = [
            case for table, split in ((train, "train"), (valid, "val")) for case in self._cases(table, base, split)
        ]
        chosen = Selection(list(progress(cases)), self.classes, "train.csv and valid.csv")
        keep_views(chosen, self.views)
        keep_ages(chosen, self.min_age)
        keep_labelled(chosen, self.classes, self.only)
        keep_present(chosen, base, title=self.title, partial=self.partial)
        return labelled(chosen, self.classes, self.only, out)

    def _cases(self, table: Path, base: Path, split: str) -> list[Case]:
        cases = []
        for row in read_rows(table, (*_ABOUT, *CLASSES), title=self.title):
            name = row["Path"].split("/", 1)[-1]  # without the folder that the archive was made of
            found = _PATIENT.search(name)
            if found is None:
                raise DataError(f"{self.title}: {table.name}: no patient in the path {row['Path']!r}")
            about = filled(
                age=age_text(age_of(row["Age"], "Age", title=self.title)),
                sex=sex_of(row["Sex"]),
                view=row["AP/PA"] if row["Frontal/Lateral"] == "Frontal" else "lateral",
                study=name.rsplit("/", 1)[0],
            )
            labels = tuple(self._label(row[column], column) for column in self.classes)
            cases.append(
                Case(name, base / name, labels, found.group(), self.title, split, about=about)  # (K,)
            )
        return cases

    def _label(self, cell: str, column: str) -> float:
        return label_of(cell, column, uncertain=self.uncertain, blank=self.blank, title=self.title)
