from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightline.data import Cohort, check_cohort
from sightline.data.adapters import Montgomery
from sightline.errors import DataError, DataNotFoundError, SettingsError

Save = Callable[[Path, np.ndarray], Path]
FILMS = {
    "MCUCXR_0001_0": ("F", "027Y", (8, 10)),
    "MCUCXR_0002_0": ("M", "004Y", (10, 8)),
    "MCUCXR_0104_1": ("M", "060Y", (8, 10)),
}


@pytest.fixture
def download(tmp_path: Path, save: Save) -> Path:
    root = tmp_path / "MontgomerySet"
    (root / "ClinicalReadings").mkdir(parents=True)
    for stem, (sex, age, size) in FILMS.items():
        save(root / f"CXR_png/{stem}.png", np.full(size, 90, np.uint8))
        left, right = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
        left[1:4, 5:7], right[1:5, 1:3] = 255, 255
        save(root / f"ManualMask/leftMask/{stem}.png", left)
        save(root / f"ManualMask/rightMask/{stem}.png", right)
        text = f"Patient's Sex: {sex}\nPatient's Age: {age}\nnormal"
        (root / f"ClinicalReadings/{stem}.txt").write_text(text)
    return root


def test_the_last_digit_is_the_label_and_the_reading_tells_sex_and_age(
    download: Path, tmp_path: Path, reread: Callable[[Cohort], Cohort]
) -> None:
    cohort = reread(Montgomery().read(download, tmp_path / "out").cohort)
    assert (cohort.task, cohort.classes) == ("binary", ("Normal", "Tuberculosis"))
    assert [case.label for case in cohort.cases] == [0, 0, 1]
    assert [case.patient for case in cohort.cases] == ["MCUCXR_0001", "MCUCXR_0002", "MCUCXR_0104"]
    first = cohort.cases[0]
    assert first.about == {"age": "27", "sex": "F", "view": "PA", "study": "MCUCXR_0001_0"}
    assert first.report == download / "ClinicalReadings/MCUCXR_0001_0.txt"


def test_both_lungs_are_united_at_the_size_of_the_film(download: Path, tmp_path: Path) -> None:
    cohort = Montgomery().read(download, tmp_path / "out").cohort
    mask = np.asarray(Image.open(tmp_path / "out/masks/MCUCXR_0002_0.png"))
    expected = np.zeros((10, 8), np.uint8)
    expected[1:4, 5:7] = expected[1:5, 1:3] = 255
    assert np.array_equal(mask, expected)
    assert cohort.cases[1].mask == tmp_path / "out/masks/MCUCXR_0002_0.png"
    assert not check_cohort(cohort, pixels=True)


def test_the_isnets_rules_leave_out_children_and_one_class(
    download: Path, tmp_path: Path, reread: Callable[[Cohort], Cohort]
) -> None:
    adults = Montgomery(min_age=18).read(download.parent, tmp_path / "out")
    assert [case.id for case in adults.cohort.cases] == ["MCUCXR_0001_0.png", "MCUCXR_0104_1.png"]
    ill = reread(Montgomery(classes=("Tuberculosis",)).read(download, tmp_path / "out").cohort)
    assert (ill.task, ill.classes) == ("multiclass", ("Tuberculosis",))
    assert [(case.id, case.label) for case in ill.cases] == [("MCUCXR_0104_1.png", 0)]
    with pytest.raises(SettingsError, match=r"no class 'TB'"):
        Montgomery(classes=("TB",))


def test_a_wrong_folder_says_what_was_found(download: Path, tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"expected CXR_png/MCUCXR_\*.png in ManualMask, found leftMask/, rig"):
        Montgomery().read(download / "ManualMask", tmp_path / "out")


@pytest.mark.parametrize("folder", ["ClinicalReadings", "ManualMask/leftMask", "ManualMask/rightMask"])
def test_a_missing_folder_is_named_with_what_was_found(download: Path, tmp_path: Path, folder: str) -> None:
    (download / folder).rename(tmp_path / "elsewhere")
    with pytest.raises(DataNotFoundError, match=rf"expected {folder} in MontgomerySet, found CXR_png/.*; give the fol"):
        Montgomery().read(download, tmp_path / "out")


def test_half_unpacked_folders_are_refused_unless_a_part_will_do(download: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (download / "ManualMask/rightMask/MCUCXR_0104_1.png").unlink()
    with pytest.raises(DataNotFoundError, match=r"no MCUCXR_0104_1.png in ManualMask/rightMask, found MCUCXR_0001"):
        Montgomery().read(download, out)
    (download / "ClinicalReadings/MCUCXR_0001_0.txt").unlink()
    with pytest.raises(
        DataNotFoundError,
        match=r"no MCUCXR_0001_0.txt in ClinicalReadings, found MCUCXR_0002_0",
    ):
        Montgomery().read(download, out)
    first, _, third = Montgomery(partial=True).read(download, out).cohort.cases
    assert (first.report, third.mask) == (None, None)
    (download / "CXR_png/MCUCXR_0104_1.png").unlink()
    (download / "ClinicalReadings/MCUCXR_0001_0.txt").write_text("Patient's Sex: F\nPatient's Age: 027Y")
    with pytest.raises(DataNotFoundError, match=r"1 of 3 images are not there, first CXR_png/MCUCXR_0104_1.png"):
        Montgomery().read(download, out)


def test_masks_of_two_sizes_and_a_name_without_label_are_refused(download: Path, tmp_path: Path, save: Save) -> None:
    save(download / "ManualMask/leftMask/MCUCXR_0001_0.png", np.zeros((4, 4), np.uint8))
    with pytest.raises(DataError, match=r"mask MCUCXR_0001_0.png of rightMask has 10 x 8 pixels, .* has 4 x 4"):
        Montgomery().read(download, tmp_path / "out")
    save(download / "CXR_png/MCUCXR_0200.png", np.zeros((4, 4), np.uint8))
    with pytest.raises(DataError, match=r"MCUCXR_0200 is not a name such as .*, whose last digit is the label"):
        Montgomery().read(download, tmp_path / "out")


def test_a_reading_of_another_kind_is_refused(download: Path, tmp_path: Path) -> None:
    (download / "ClinicalReadings/MCUCXR_0001_0.txt").write_text("Patient's Sex: F\nPatient's Age: old")
    with pytest.raises(DataError, match=r"must hold ages such as 60 or 060Y, got 'old'"):
        Montgomery().read(download, tmp_path / "out")
