from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightline.data import Cohort
from sightline.data.adapters import SiimPneumothorax
from sightline.errors import DataError, DataNotFoundError

SaveDicom = Callable[..., Path]
ROWS = (  # images are 6 wide and 4 high, counted column by column
    "ImageId, EncodedPixels",
    "1.2.11, -1",
    "1.2.12, 1 2 3 1",
    "1.2.12, 0 1 12 2",
    "1.2.13,-1",
    "1.2.14, 4 4",
    "1.2.14, -1",
    "1.2.15, -1",
)


@pytest.fixture
def download(tmp_path: Path, save_dicom: SaveDicom) -> Path:
    root = tmp_path / "siim"
    for number in range(11, 16):
        path = root / f"dicom-images-train/1.2.{number}.1/1.2.{number}.2/1.2.{number}.dcm"
        who = {"PatientID": "person-2" if number in (12, 13) else f"person-{number}"}
        save_dicom(
            path, **who, PatientAge="045Y", PatientSex="F", ViewPosition="PA", StudyInstanceUID=f"1.2.{number}.1"
        )
    save_dicom(root / "dicom-images-test/1.9/1.9.2/1.2.99.dcm")
    (root / "train-rle.csv").write_text("\n".join(ROWS))
    return root


def test_films_are_labelled_by_their_rows_and_known_by_their_headers(
    download: Path, tmp_path: Path, reread: Callable[[Cohort], Cohort]
) -> None:
    adapted = SiimPneumothorax().read(download, tmp_path / "out")
    cohort = reread(adapted.cohort)
    assert (cohort.task, cohort.classes) == ("binary", ("No Pneumothorax", "Pneumothorax"))
    assert [(case.id, case.label) for case in cohort.cases] == [
        ("1.2.11", 0),
        ("1.2.12", 1),
        ("1.2.13", 0),
        ("1.2.14", 1),
        ("1.2.15", 0),
    ]
    assert [case.patient for case in cohort.cases] == ["person-11", "person-2", "person-2", "person-14", "person-15"]
    assert cohort.cases[0].about == {"age": "45", "sex": "F", "view": "PA", "study": "1.2.11.1"}
    assert [(left.id, left.reason) for left in adapted.left_out] == [("1.2.99", "not in train-rle.csv")]


def test_gaps_and_lengths_run_down_the_columns_and_outlines_of_a_film_are_united(
    download: Path, tmp_path: Path
) -> None:
    cohort = SiimPneumothorax().read(download, tmp_path / "out").cohort
    path = cohort.cases[1].class_masks["Pneumothorax"]
    assert path == tmp_path / "out/masks/Pneumothorax/1.2.12.png"
    expected = np.zeros(24, np.uint8)
    expected[[1, 2, 6]] = 255  # gap 1, length 2, gap 3, length 1
    expected[[0, 13, 14]] = 255  # gap 0, length 1, gap 12, length 2
    assert np.array_equal(np.asarray(Image.open(path)), expected.reshape(6, 4).T)
    assert not cohort.cases[0].class_masks


def test_classes_can_be_balanced_at_random(download: Path, tmp_path: Path) -> None:
    adapted = SiimPneumothorax(balanced=True).read(download, tmp_path / "out")
    assert [case.label for case in adapted.cohort.cases].count(0) == 2
    assert adapted.census[-1].rule == "drawn at random, 2 of each class"
    drawn = {
        tuple(case.id for case in SiimPneumothorax(balanced=True, seed=n).read(download, tmp_path).cohort.cases)
        for n in range(6)
    }
    assert len(drawn) > 1


def test_the_table_of_the_second_stage_and_films_in_one_folder_will_do(
    download: Path, tmp_path: Path, save_dicom: SaveDicom
) -> None:
    root = tmp_path / "second"
    save_dicom(root / "stage_2_images/1.2.12.dcm", PatientID="")
    (root / "stage_2_train.csv").write_text("ImageId,EncodedPixels\n1.2.12,4 4\n")
    (case,) = SiimPneumothorax().read(root, tmp_path / "out").cohort.cases
    assert (case.patient, case.label, dict(case.about)) == ("1.2.12", 1, {})


def test_a_wrong_folder_and_a_renamed_column_are_refused(download: Path, tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"expected train-rle.csv or stage_2_train.csv in dicom-images-test"):
        SiimPneumothorax().read(download / "dicom-images-test", tmp_path / "out")
    table = download / "train-rle.csv"
    table.write_text(table.read_text().replace("EncodedPixels", "rle"))
    with pytest.raises(DataError, match=r"no column 'EncodedPixels'; expected ImageId, .*; found ImageId, rle"):
        SiimPneumothorax().read(download, tmp_path / "out")
    table.write_text(ROWS[0].replace("ImageId", "image"))
    with pytest.raises(
        DataError, match=r"no column 'ImageId'.*; expected ImageId, EncodedPixels; found image, Encoded"
    ):
        SiimPneumothorax().read(download, tmp_path / "out")
    table.unlink()
    with pytest.raises(
        DataNotFoundError, match=r"expected train-rle.csv or .* in siim, found dicom-images-test/, dico"
    ):
        SiimPneumothorax().read(download, tmp_path / "out")


def test_half_unpacked_films_and_outlines_beyond_the_film_are_refused(download: Path, tmp_path: Path) -> None:
    table = download / "train-rle.csv"
    table.write_text(table.read_text().replace("4 4", "4 40"))
    with pytest.raises(DataError, match=r"1.2.14: run lengths leave the image of 4 x 6"):
        SiimPneumothorax().read(download, tmp_path / "out")
    film = download / "dicom-images-train/1.2.11.1/1.2.11.2/1.2.11.dcm"
    film.write_bytes(film.read_bytes()[:100])
    with pytest.raises(DataError, match=r"1.2.11.dcm: .*DICOM file"):
        SiimPneumothorax().read(download, tmp_path / "out")
    film.unlink()
    with pytest.raises(DataNotFoundError, match=r"1 of 5 images are not there, first dicom-images-train/1.2.11.dcm"):
        SiimPneumothorax().read(download, tmp_path / "out")
    table.write_text("\n".join(ROWS))
    assert len(SiimPneumothorax(partial=True).read(download, tmp_path / "out").cohort.cases) == 4
