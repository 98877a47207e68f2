import math

import pytest

from sightline.errors import SettingsError
from sightline.regions.allowed import STUDY_LABELS
from sightline.regions.reports import ReportLabeller, study_values


@pytest.fixture(scope="module")
def labeller() -> ReportLabeller:
    return ReportLabeller()


@pytest.mark.parametrize(
    ("report", "present"),
    [
        ("Nodule in the right upper lobe.", {"lung_nodule": "1"}),
        ("Nodule in the left lung.", {"lung_nodule": "3"}),
        ("Bilateral pulmonary nodules.", {"lung_nodule": "1+3"}),
        ("Pulmonary nodule.", {"lung_nodule": "1+3"}),
        ("Nodule.", {"lung_nodule": "1+3"}),
        ("Thyroid nodule.", {}),
        ("Mediastinal nodule.", {"h_mediastinum_nodule": "2"}),
        ("Adenopathy.", {"h_mediastinum_lymphadenopathy": "2"}),
        ("Small effusion.", {"lung_pleural_effusion": "1+3"}),
        ("Aortic calcification.", {"h_great_vessel_calcification": "2"}),
        ("Mitral valve calcification.", {"heart_calcification": "2"}),
        ("Calcification in the aorta and left lung.", {"h_great_vessel_calcification": "2", "lung_calcification": "3"}),
        ("Clear lungs.", {}),
    ],
)
def test_labels_and_their_organs(labeller: ReportLabeller, report: str, present: dict[str, str]) -> None:
    values = study_values(labeller(report))
    assert list(values) == list(STUDY_LABELS)
    assert {name: organs for name, (value, organs) in values.items() if value == 1} == present
    assert all(organs == "" for value, organs in values.values() if value != 1)


def test_an_empty_report_is_unknown(labeller: ReportLabeller) -> None:
    assert all(math.isnan(value) and not organs for value, organs in study_values(labeller("")).values())


def test_radiographs_have_other_labels() -> None:
    with pytest.raises(SettingsError, match="the 80 labels need the vocabulary ct"):
        study_values(ReportLabeller("cxr")("Clear."))
