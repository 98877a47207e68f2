from pathlib import Path

import numpy as np
import pytest

from sightline.data import Cohort
from sightline.evaluation.given_images import given_images
from sightline.evaluation.given_volumes import as_series

from ..data.readers.conftest import write

COHORT = Cohort(Path(), "binary", ("a", "b"), ())


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    pixels = np.zeros((3, 4), np.int16)
    for number in range(3):
        write(tmp_path / "scans" / "ct" / f"{number}.dcm", pixels)
    for number in range(2):
        write(tmp_path / "scans" / "many" / f"{number}.dcm", np.zeros((3, 4), np.int16), NumberOfFrames=2)
    write(tmp_path / "scans" / "alone" / "x.dcm", pixels)
    np.save(tmp_path / "scans" / "v.npy", np.zeros((3, 3, 3)))
    return tmp_path / "scans"


def test_slices_of_a_folder_become_one_case(scans: Path) -> None:
    images = as_series(given_images([scans], COHORT))
    assert [case.id for case in images.cases] == ["alone/x.dcm", "ct", "many/0.dcm", "many/1.dcm", "v.npy"]
    by_id = {case.id: case for case in images.cases}
    assert by_id["ct"].image == scans / "ct"
    assert by_id["ct"].patient == "ct"
    assert images.name(scans / "ct") == "ct"


def test_a_folder_that_is_given_itself_is_called_by_its_name(scans: Path) -> None:
    images = as_series(given_images([scans / "ct"], COHORT))
    assert [(case.id, case.image) for case in images.cases] == [("ct", scans / "ct")]
    assert images.name(scans / "ct") == "ct"


def test_one_slice_stays_a_file(scans: Path) -> None:
    images = as_series(given_images([scans / "ct" / "1.dcm"], COHORT))
    assert [case.image.name for case in images.cases] == ["1.dcm"]
