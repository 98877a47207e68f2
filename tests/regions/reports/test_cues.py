from pathlib import Path

import pytest

from sightline.errors import DataError
from sightline.regions.reports import ReportLabeller
from sightline.regions.reports.cues import read_cues


@pytest.fixture(scope="module")
def labeller() -> ReportLabeller:
    return ReportLabeller()


@pytest.mark.parametrize(
    ("sentence", "statuses"),
    [
        ("No mass or nodule.", {"mass": "absent", "nodule": "absent"}),
        ("No mass but a nodule.", {"mass": "absent", "nodule": "present"}),
        ("No mass, small nodule.", {"mass": "absent", "nodule": "present"}),
        ("No mass, small nodule or consolidation.", {"mass": "absent", "nodule": "absent", "consolidation": "absent"}),
        ("There is no mass, and nodules are seen.", {"mass": "absent", "nodule": "present"}),
        ("No mass, nodule or cyst is seen.", {"mass": "absent", "nodule": "absent", "cyst": "absent"}),
        ("Mass and nodule have resolved.", {"mass": "absent", "nodule": "absent"}),
        ("Mass is stable and the nodule has resolved.", {"mass": "present", "nodule": "absent"}),
        ("Mass without nodule.", {"mass": "present", "nodule": "absent"}),
        ("The mass is not seen.", {"mass": "absent"}),
        ("The mass was not seen on the prior study.", {"mass": "present"}),
        ("Mass: none. ", {"mass": "absent"}),
        ("Mass: no", {"mass": "absent"}),
        ("No change in the mass.", {"mass": "present"}),
        ("No significant interval change in size of the mass.", {"mass": "present"}),
        ("Near complete resolution of consolidation.", {"consolidation": "present"}),
        ("Resolution of consolidation.", {"consolidation": "absent"}),
        ("The consolidation has not resolved.", {"consolidation": "present"}),
        ("Infection is not entirely excluded.", {"infection": "possible"}),
        ("Infection versus cancer.", {"infection": "possible", "cancer": "possible"}),
        ("Infection is unlikely.", {"infection": "absent"}),
        ("History of cancer with a new nodule.", {"cancer": "past", "nodule": "present"}),
        ("Evaluate for cancer.", {"cancer": "asked"}),
        ("Nodule, recommend CT to exclude cancer.", {"nodule": "present", "cancer": "asked"}),
        ("No pneumothorax after chest tube placement.", {"pneumothorax": "absent", "chest_tube": "present"}),
        ("A non-calcified nodule.", {"calcification": "absent", "nodule": "present"}),
        ("Soft tissues are normal.", {"soft_tissue": "absent"}),
        ("Nodule, lungs otherwise normal.", {"nodule": "present"}),
        ("Nodule next to normal lung.", {"nodule": "present"}),
    ],
)
def test_what_is_said_of_findings(labeller: ReportLabeller, sentence: str, statuses: dict[str, str]) -> None:
    assert {each.finding: each.status for each in labeller(sentence).explanations} == statuses


def test_a_heading_of_no_kind_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "cues.txt"
    file.write_text("[absent_sometimes]\nno\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"\[absent_sometimes\] is none of"):
        read_cues(file)
