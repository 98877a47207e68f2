"""The 80 labels of Draelos and Carin, what they have in common, and which places of a report each is pooled from."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

RIGHT_LUNG = frozenset({"right_upper", "right_mid", "right_lower", "right_lung"})
LEFT_LUNG = frozenset({"left_upper", "left_mid", "left_lower", "left_lung"})
PLACES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "h_great_vessel": frozenset({"aorta", "svc", "ivc", "pulmonary_artery", "pulmonary_vein"}),
        "h_mediastinum": frozenset({"mediastinum", "hilum"}),
        "heart": frozenset({"heart", "mitral_valve", "aortic_valve", "tricuspid_valve", "pulmonary_valve"}),
        "lung": RIGHT_LUNG | LEFT_LUNG,
    }
)
"""Places that the labels of a region are pooled from, by the prefix of their names."""

LUNG_ONLY = frozenset(
    (
        *("bandlike_or_linear", "groundglass", "honeycombing", "reticulation", "tree_in_bud", "airspace_disease"),
        *("air_trapping", "aspiration", "atelectasis", "bronchial_wall_thickening", "bronchiectasis"),
        *("bronchiolectasis", "bronchiolitis", "bronchitis", "emphysema", "hemothorax", "interstitial_lung_disease"),
        *("lung_resection", "mucous_plugging", "pleural_effusion", "pleural_thickening", "pneumonia", "pneumonitis"),
        *("pneumothorax", "pulmonary_edema", "septal_thickening", "tuberculosis"),
    )
)
"""What is in the lungs by definition, wherever the report says it is."""


@dataclass(frozen=True)
class StudyLabel:
    """One label of the study.

    Attributes:
        region: prefix of its name, a key of `PLACES`.
        finding: what is found there.
        extent: `focal` or `diffuse`.
        origin: `biological` or `intervention`.
    """

    region: str
    finding: str
    extent: str
    origin: str

    @property
    def name(self) -> str:
        """Of the label, as `heart_stent`."""
        return f"{self.region}_{self.finding}"


def _read() -> dict[str, StudyLabel]:
    with Path(__file__).with_name("study_labels.csv").open(encoding="utf-8", newline="") as file:
        labels = [StudyLabel(**row) for row in csv.DictReader(file)]
    return {label.name: label for label in labels}


STUDY_LABELS: Mapping[str, StudyLabel] = MappingProxyType(_read())
"""The 80 labels by name, in the order of the study.

Reference:
    Draelos and Carin 2020, arXiv:2011.08891, table 5; the groups: the code of the authors.
"""


def label_groups() -> dict[str, tuple[str, ...]]:
    """Return the names of the labels of each group that the study reports on.

    Returns:
        `focal` and `diffuse`; `biological` and `intervention`; `great_vessel`, `mediastinum`, `heart` and `lung`: three
        ways to divide the 80.
    """
    groups: dict[str, list[str]] = {
        name: []
        for name in ("focal", "diffuse", "biological", "intervention", "great_vessel", "mediastinum", "heart", "lung")
    }
    for name, label in STUDY_LABELS.items():
        for group in (label.extent, label.origin, label.region.removeprefix("h_")):
            groups[group].append(name)
    return {group: tuple(names) for group, names in groups.items()}
