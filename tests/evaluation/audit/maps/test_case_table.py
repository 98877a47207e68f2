from pathlib import Path

import numpy as np
import pytest

from sightline.errors import DataNotFoundError
from sightline.evaluation.audit import Folder
from sightline.evaluation.audit.maps.case_table import read_case_table, write_case_table

from ..made import cohort_of


def test_a_table_reads_back_and_the_unknown_is_empty(tmp_path: Path) -> None:
    cases = cohort_of([0, 1]).cases
    third = np.array([1 / 3, np.nan])
    files = write_case_table(Folder(tmp_path), "looking", cases, {"share": third, "name": ["a,b", "c"]})
    assert files == {"case by case": "tables/looking.csv"}
    found = read_case_table(tmp_path, "looking")
    assert found == {
        "case": ["case-000", "case-001"],
        "patient": ["patient-0", "patient-1"],
        "source": ["east", "east"],
        "share": [repr(1 / 3), ""],
        "name": ["a,b", "c"],
    }


def test_a_table_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"trust\.csv is not there"):
        read_case_table(tmp_path, "trust")
