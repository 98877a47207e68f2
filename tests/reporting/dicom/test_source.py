from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightline.errors import DataError, DataNotFoundError
from sightline.reporting.dicom import Source, is_dicom, open_source

from .made import radiograph, save


def test_slices_are_in_the_order_of_their_places(series: Source) -> None:
    places = [float(header.ImagePositionPatient[2]) for header in series.headers]
    assert places == sorted(places)
    assert series.shape == (12, 28, 30)
    assert series.is_placed
    assert [file.parent for file in series.files] == [series.path] * 12


def test_what_the_standard_wants_is_there_though_empty(tmp_path: Path) -> None:
    film = radiograph()
    for keyword in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "AccessionNumber"):
        delattr(film, keyword)
    header = open_source(save(film, tmp_path / "film.dcm")).first
    assert (header.PatientName, header.PatientID, header.StudyDate) == ("", "", "")
    assert "PixelData" not in header


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID"])
def test_an_image_that_nothing_can_refer_to_is_refused(tmp_path: Path, keyword: str) -> None:
    film = radiograph()
    delattr(film, keyword)
    with pytest.raises(DataError, match=f"film.dcm: no {keyword}, so that no result can refer to it"):
        open_source(save(film, tmp_path / "film.dcm"))


def test_frames_in_one_file_are_refused(tmp_path: Path) -> None:
    film = radiograph(NumberOfFrames=2)
    with pytest.raises(DataError, match="several frames in a file"):
        open_source(save(film, tmp_path / "film.dcm"))


def test_what_is_no_dicom_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "x.png")
    assert not is_dicom(tmp_path / "x.png")
    assert not is_dicom(tmp_path)
    with pytest.raises(DataError, match=r"x\.png: not DICOM"):
        open_source(tmp_path / "x.png")
    with pytest.raises(DataNotFoundError, match=r"gone\.dcm: no such file"):
        open_source(tmp_path / "gone.dcm")
