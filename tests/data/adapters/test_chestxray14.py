import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightline.data import Cohort, check_cohort
from sightline.data.adapters import ChestXray14
from sightline.errors import DataError, DataNotFoundError, SettingsError

Save = Callable[[Path, np.ndarray], Path]
CLASSES = (
    *("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Effusion", "Emphysema", "Fibrosis", "Hernia"),
    *("Infiltration", "Mass", "Nodule", "Pleural_Thickening", "Pneumonia", "Pneumothorax"),
)
BOXED = ("Atelectasis", "Cardiomegaly", "Effusion", "Infiltrate", "Mass", "Nodule", "Pneumonia", "Pneumothorax")
HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
)
ROWS = (
    "00000001_000.png,Cardiomegaly|Emphysema,0,1,58,M,PA,2682,2749,0.143,0.143",
    "00000001_001.png,No Finding,1,1,58,M,PA,2894,2729,0.143,0.143",
    "00000002_000.png,Pneumonia,0,2,17,F,AP,2500,2048,0.168,0.168",
    "00000003_000.png,Pneumonia|Infiltration,0,3,414,F,AP,2500,2048,0.168,0.168",
    "00000003_001.png,Pneumonia,1,3,81,F,PA,2500,2048,0.168,0.168",
)
BOXES = (
    "Image Index,Finding Label,Bbox [x,y,w,h],,,",
    "00000003_000.png,Infiltrate,256.0,512.0,512.0,256.0,,,",
    "00000003_000.png,Infiltrate,0.0,0.0,64.0,64.0,,,",
    "00000003_000.png,Pneumonia,128.5,128.0,64.0,64.0,,,",
    "00000001_000.png,Cardiomegaly,0,0,1024,1024,,,",
)


@pytest.fixture
def download(tmp_path: Path, save: Save) -> Path:
    root = tmp_path / "CXR14"
    for line in ROWS:
        name = line.split(",")[0]
        folder = "images_001" if name.startswith("00000001") else "images_012"
        save(root / folder / "images" / name, np.zeros((64, 64), np.uint8))
    (root / "Data_Entry_2017_v2020.csv").write_text("\n".join([HEADER, *ROWS]) + "\n")
    (root / "BBox_List_2017.csv").write_text("\n".join(BOXES) + "\n")
    (root / "train_val_list.txt").write_text("00000001_000.png\n00000001_001.png\n")
    (root / "test_list.txt").write_text("00000002_000.png\n00000003_000.png\n00000003_001.png")
    return root


def test_labels_splits_and_people_come_from_table_and_lists(
    download: Path, tmp_path: Path, reread: Callable[[Cohort], Cohort]
) -> None:
    adapted = ChestXray14().read(download, tmp_path / "out")
    cohort = reread(adapted.cohort)
    assert cohort.classes == CLASSES
    assert [case.split for case in cohort.cases] == ["train", "train", "test", "test", "test"]
    assert [case.patient for case in cohort.cases] == ["1", "1", "2", "3", "3"]
    first, second, third, *_ = cohort.cases
    assert first.image == download / "images_001/images/00000001_000.png"
    assert third.image == download / "images_012/images/00000002_000.png"
    assert first.label == tuple(float(name in ("Cardiomegaly", "Emphysema")) for name in CLASSES)
    assert not any(second.label)
    assert first.about == {"age": "58", "sex": "M", "view": "PA", "study": "00000001_000"}


def test_ages_that_nobody_reaches_are_unknown_and_counted(download: Path, tmp_path: Path) -> None:
    adapted = ChestXray14(min_age=18).read(download, tmp_path / "out")
    assert [(count.rule, count.images) for count in adapted.census] == [
        ("Data_Entry_2017_v2020.csv", 5),
        ("age over 120 taken as unknown (1 images)", 5),
        ("age is at least 18", 3),
    ]
    assert "age" not in ChestXray14().read(download, tmp_path / "out").cohort.cases[3].about


def test_the_rules_of_the_isnet_give_adults_with_pneumonia(
    download: Path, tmp_path: Path, reread: Callable[[Cohort], Cohort]
) -> None:
    rules = ChestXray14(classes=("Pneumonia",), only="single", min_age=18)
    cohort = reread(rules.read(download, tmp_path / "out").cohort)
    assert (cohort.task, cohort.classes) == ("multiclass", ("Pneumonia",))
    assert [case.id for case in cohort.cases] == ["00000003_001.png"]


def test_no_finding_can_be_a_class(download: Path, tmp_path: Path) -> None:
    rules = ChestXray14(classes=("No Finding", "Pneumonia"), only="single", views=("PA",))
    assert [case.label for case in rules.read(download, tmp_path / "out").cohort.cases] == [0, 1]


def test_boxes_become_masks_of_the_images_size(download: Path, tmp_path: Path) -> None:
    cohort = ChestXray14().read(download, tmp_path / "out").cohort
    assert [sorted(case.class_masks) for case in cohort.cases] == [
        ["Cardiomegaly"],
        [],
        [],
        ["Infiltration", "Pneumonia"],
        [],
    ]
    masks = cohort.cases[3].class_masks
    assert masks["Infiltration"] == tmp_path / "out/masks/Infiltration/00000003_000.png"
    infiltration = np.asarray(Image.open(masks["Infiltration"]))
    expected = np.zeros((64, 64), np.uint8)  # 16 published pixels to one
    expected[32:48, 16:48] = expected[:4, :4] = 255
    assert np.array_equal(infiltration, expected)
    assert np.asarray(Image.open(masks["Pneumonia"])).sum() == 255 * 16
    assert not [problem for problem in check_cohort(cohort, pixels=True) if problem.case]


def test_boxes_are_of_eight_classes_one_of_them_with_another_name(download: Path, tmp_path: Path) -> None:
    lines = [f"00000003_000.png,{name},0.0,0.0,512.0,512.0,,," for name in BOXED]
    (download / "BBox_List_2017.csv").write_text("\n".join([BOXES[0], *lines]) + "\n")
    case = ChestXray14().read(download, tmp_path / "out").cohort.cases[3]
    assert set(case.class_masks) == {name.replace("Infiltrate", "Infiltration") for name in BOXED}


def test_masks_that_are_there_are_kept_and_a_stopped_run_leaves_none(
    download: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ChestXray14().read(download, tmp_path / "out").cohort.cases[0].class_masks["Cardiomegaly"]
    first.write_bytes(b"kept")
    second = tmp_path / "out/masks/Pneumonia/00000003_000.png"
    second.unlink()
    monkeypatch.setattr("PIL.Image.Image.save", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        ChestXray14().read(download, tmp_path / "out")
    assert not list(second.parent.iterdir())
    monkeypatch.undo()
    ChestXray14().read(download, tmp_path / "out")
    assert second.is_file()
    assert first.read_bytes() == b"kept"


def test_images_may_lie_flat_and_lists_and_boxes_be_left_out(download: Path, tmp_path: Path, save: Save) -> None:
    root = tmp_path / "flat"
    for line in ROWS:
        save(root / "images" / line.split(",")[0], np.zeros((8, 8), np.uint8))
    (root / "Data_Entry_2017.csv").write_text("\n".join([HEADER, *ROWS]) + "\n")
    cohort = ChestXray14().read(root, tmp_path / "out").cohort
    assert cohort.splits == ()
    assert not any(case.class_masks for case in cohort.cases)
    assert cohort.cases[0].image == root / "images/00000001_000.png"


def test_the_first_table_has_ages_with_units_and_a_comma_at_the_end(download: Path, tmp_path: Path) -> None:
    rows = [line.replace(",58,M", ",058Y,M").replace(",17,F", ",017M,F") + "," for line in ROWS]
    (download / "Data_Entry_2017_v2020.csv").rename(download / "Data_Entry_2017.csv")
    (download / "Data_Entry_2017.csv").write_text("\n".join([HEADER + ",", *rows]))
    ages = [case.about.get("age") for case in ChestXray14().read(download, tmp_path / "out").cohort.cases]
    assert ages == ["58", "58", "1.417", None, "81"]
    assert math.isclose(17 / 12, 1.417, rel_tol=1e-3)


def test_a_wrong_folder_and_missing_or_short_lists_are_refused(download: Path, tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"expected Data_Entry_2017\*.csv in images_001, found images/"):
        ChestXray14().read(download / "images_001", tmp_path / "out")
    (download / "test_list.txt").write_text("00000002_000.png\n")
    with pytest.raises(DataError, match=r"2 of 5 images are in neither train_val_list.txt nor test_list.txt, first 0"):
        ChestXray14().read(download, tmp_path / "out")
    for name in ("test_list.txt", "train_val_list.txt"):
        text = (download / name).read_text()
        (download / name).unlink()
        with pytest.raises(
            DataNotFoundError, match=rf"expected {name} in CXR14, found BBox_List_2017.csv, Data_Entry_2"
        ):
            ChestXray14().read(download, tmp_path / "out")
        (download / name).write_text(text)
    (download / "Data_Entry_2017_v2020.csv").unlink()
    with pytest.raises(
        DataNotFoundError, match=r"expected Data_Entry_2017\*.csv in CXR14, found BBox_List_2017.csv, im"
    ):
        ChestXray14().read(download, tmp_path / "out")


def test_a_renamed_column_or_an_unknown_finding_is_named(download: Path, tmp_path: Path) -> None:
    table = download / "Data_Entry_2017_v2020.csv"
    text = table.read_text()
    for column in ("Image Index", "Finding Labels", "Patient ID", "Patient Age", "Patient Gender", "View Position"):
        table.write_text(text.replace(column, "Other"))
        with pytest.raises(DataError, match=rf"no column '{column}'.*; expected Image Index, .*; found .*Other"):
            ChestXray14().read(download, tmp_path / "out")
    table.write_text(text)
    boxes = download / "BBox_List_2017.csv"
    known = boxes.read_text()
    boxes.write_text(known.replace("Bbox [x,y,w,h]", "x,y,w,h"))
    with pytest.raises(
        DataError, match=r"no column 'Bbox \[x'.*; expected .*, Bbox \[x, y, w, h\]; found .*, x, y, w, h"
    ):
        ChestXray14().read(download, tmp_path / "out")
    boxes.write_text(known)
    table.write_text(text.replace("Emphysema", "Emphysemma"))
    with pytest.raises(DataError, match=r"unknown finding 'Emphysemma'; did you mean 'Emphysema'\?"):
        ChestXray14().read(download, tmp_path / "out")
    with pytest.raises(SettingsError, match=r"no class 'Infiltrate'; did you mean 'Infiltration'\?"):
        ChestXray14(classes=("Infiltrate",))


def test_a_half_unpacked_archive_is_refused_unless_a_part_will_do(download: Path, tmp_path: Path) -> None:
    (download / "images_012/images/00000003_000.png").unlink()
    with pytest.raises(DataNotFoundError, match=r"1 of 5 images are not there, first images/00000003_000.png"):
        ChestXray14().read(download, tmp_path / "out")
    adapted = ChestXray14(partial=True).read(download, tmp_path / "out")
    assert [left.id for left in adapted.left_out] == ["00000003_000.png"]
