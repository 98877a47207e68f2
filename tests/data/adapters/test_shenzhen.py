from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightline.data import Cohort, check_cohort
from sightline.data.adapters import Shenzhen
from sightline.errors import DataError, DataNotFoundError

Save = Callable[[Path, np.ndarray], Path]
READINGS = {
    "CHNCXR_0001_0": ("male 45yrs\nnormal", "M", "45"),
    "CHNCXR_0002_0": ("femal 32yrs\nnormal", "F", "32"),
    "CHNCXR_0003_0": ("female24yrs\nnormal", "F", "24"),
    "CHNCXR_0004_0": ("Male , 29yrs  \t\nnormal", "M", "29"),
    "CHNCXR_0005_0": ("male 16month\nnormal", "M", "1.333"),
    "CHNCXR_0006_0": ("female 64days\nnormal", "F", "0.1752"),
    "CHNCXR_0007_0": ("male 42\nnormal", "M", None),
    "CHNCXR_0327_1": ("female 28yrs\nSTB", "F", "28"),
    "CHNCXR_0330_1": ("??? bilateral PTB", None, None),
}
HEADER = "imagename,Pleural_Effusion,Cavity,Small_Infiltrate_(non-linear),Other,Unknown,Retraction"


def box(rows: slice, columns: slice) -> np.ndarray:
    pixels = np.zeros((8, 10), np.uint8)
    pixels[rows, columns] = 255
    return pixels


@pytest.fixture
def download(tmp_path: Path, save: Save) -> Path:
    root = tmp_path / "ChinaSet_AllFiles"
    (root / "ClinicalReadings").mkdir(parents=True)
    for stem, (text, *_) in READINGS.items():
        save(root / f"CXR_png/{stem}.png", np.full((8, 10), 90, np.uint8))
        (root / f"ClinicalReadings/{stem}.txt").write_text(text, encoding="latin-1")
    for stem in ("CHNCXR_0001_0", "CHNCXR_0327_1"):
        save(root / f"shcxr-lung-mask/mask/{stem}_mask.png", box(slice(1, 7), slice(1, 9)))
    outlined = root / "Annotations-2/masks"
    save(outlined / "CHNCXR_0330_1_Cavity_1.png", box(slice(1, 3), slice(1, 3)))
    save(outlined / "CHNCXR_0330_1_Cavity_2.png", box(slice(2, 4), slice(2, 4)))
    save(outlined / "CHNCXR_0330_1_Small_Infiltrate_(non-linear)_1.png", box(slice(6, 7), slice(8, 9)))
    rows = ("CHNCXR_0330_1.png,0,2,1,0,0,", "CHNCXR_0327_1.png,0,0,0,0,0,0")
    (root / "Annotations-2/Statistics_ShenzhenDataset_US.csv").write_text("\n".join([HEADER, *rows]))
    return root


def test_readings_are_understood_as_they_are_written(
    download: Path, tmp_path: Path, reread: Callable[[Cohort], Cohort]
) -> None:
    cohort = reread(Shenzhen().read(download, tmp_path / "out").cohort)
    assert (cohort.task, cohort.classes) == ("binary", ("Normal", "Tuberculosis"))
    assert [case.label for case in cohort.cases] == [0] * 7 + [1, 1]
    found = {case.id[:-4]: (case.about.get("sex"), case.about.get("age")) for case in cohort.cases}
    assert found == {stem: (sex, age) for stem, (_, sex, age) in READINGS.items()}
    assert cohort.cases[0].patient == "CHNCXR_0001"
    assert {case.about["view"] for case in cohort.cases} == {"PA"}
    assert cohort.cases[0].report == download / "ClinicalReadings/CHNCXR_0001_0.txt"


def test_lung_masks_are_found_wherever_they_were_unpacked(download: Path, tmp_path: Path) -> None:
    cohort = Shenzhen().read(download, tmp_path / "out").cohort
    assert cohort.cases[0].mask == download / "shcxr-lung-mask/mask/CHNCXR_0001_0_mask.png"
    assert [case.id for case in cohort.cases if case.mask] == ["CHNCXR_0001_0.png", "CHNCXR_0327_1.png"]
    assert not any(case.class_masks for case in cohort.cases)
    assert not check_cohort(cohort, pixels=True)


def test_findings_are_counted_and_may_be_the_region(download: Path, tmp_path: Path) -> None:
    cohort = Shenzhen(findings=True).read(download, tmp_path / "out").cohort
    last = cohort.cases[-1]
    assert {name: last.about[name] for name in ("Cavity", "Small_Infiltrate_(non-linear)")} == {
        "Cavity": "2",
        "Small_Infiltrate_(non-linear)": "1",
    }
    assert not {"Other", "Pleural_Effusion", "Retraction"} & last.about.keys()
    assert last.class_masks == {"Tuberculosis": tmp_path / "out/masks/Tuberculosis/CHNCXR_0330_1.png"}
    expected = box(slice(1, 3), slice(1, 3)) | box(slice(2, 4), slice(2, 4)) | box(slice(6, 7), slice(8, 9))
    assert np.array_equal(np.asarray(Image.open(last.class_masks["Tuberculosis"])), expected)
    assert sum(bool(case.class_masks) for case in cohort.cases) == 1


def test_the_isnets_rules_leave_out_children_and_who_has_no_age(download: Path, tmp_path: Path) -> None:
    adapted = Shenzhen(min_age=18, classes=("Normal",)).read(download, tmp_path / "out")
    assert [(count.rule, count.images) for count in adapted.census] == [
        ("films in CXR_png", 9),
        ("class is Normal", 7),
        ("age is at least 18", 4),
    ]


def test_annotations_may_be_left_out(download: Path, tmp_path: Path) -> None:
    (download / "Annotations-2").rename(tmp_path / "elsewhere")
    cohort = Shenzhen(findings=True).read(download.parent, tmp_path / "out").cohort
    assert not any(case.class_masks for case in cohort.cases)


def test_a_wrong_folder_missing_files_and_a_renamed_column_are_refused(download: Path, tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"expected CXR_png/CHNCXR_\*.png in Annotations-2, found Stat.*masks/"):
        Shenzhen().read(download / "Annotations-2", tmp_path / "out")
    table = download / "Annotations-2/Statistics_ShenzhenDataset_US.csv"
    table.write_text(table.read_text().replace("imagename", "image_name"))
    with pytest.raises(DataError, match=r"no column 'imagename'; did you mean 'image_name'\?"):
        Shenzhen().read(download, tmp_path / "out")
    (download / "CXR_png/CHNCXR_0327_1.png").unlink()
    with pytest.raises(DataNotFoundError, match=r"1 of 9 images are not there, first CXR_png/CHNCXR_0327_1.png"):
        Shenzhen().read(download, tmp_path / "out")
    (download / "ClinicalReadings/CHNCXR_0001_0.txt").unlink()
    with pytest.raises(
        DataNotFoundError, match=r"no CHNCXR_0001_0.txt in ClinicalReadings, found CHNCXR_0002_0.txt, C"
    ):
        Shenzhen().read(download, tmp_path / "out")
    (download / "ClinicalReadings").rename(tmp_path / "readings")
    with pytest.raises(
        DataNotFoundError, match=r"expected ClinicalReadings in ChinaSet_AllFiles, found Annotations-2/"
    ):
        Shenzhen().read(download, tmp_path / "out")
