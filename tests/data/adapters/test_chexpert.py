import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightline.data import read_cohort, write_cohort
from sightline.data.adapters import CheXpert
from sightline.errors import DataError, DataNotFoundError, SettingsError

CLASSES = (  # as the first line of the tables has them
    *("No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema"),
    *("Consolidation", "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other", "Fracture"),
    "Support Devices",
)
HEADER = ",".join(("Path", "Sex", "Age", "Frontal/Lateral", "AP/PA", *CLASSES))


def row(path: str, sex: str = "Male", age: int = 60, side: str = "Frontal", view: str = "AP", **labels: str) -> str:
    values = [labels.get(name.replace(" ", "_"), "") for name in CLASSES]
    return ",".join([f"CheXpert-v1.0-small/{path}", sex, str(age), side, view, *values])


@pytest.fixture
def download(tmp_path: Path) -> Path:
    root = tmp_path / "CheXpert-v1.0-small"
    train = [
        row("train/patient00001/study1/view1_frontal.jpg", "Female", 68, No_Finding="1.0", Pneumonia="0.0"),
        row("train/patient00001/study2/view1_frontal.jpg", "Female", 69, view="PA", Pneumonia="-1.0", Edema="1.0"),
        row("train/patient00001/study2/view2_lateral.jpg", "Female", 69, "Lateral", "", Pneumonia="-1.0"),
        row("train/patient00002/study1/view1_frontal.jpg", "Male", 17, Pneumonia="1.0"),
        row("train/patient00003/study1/view1_frontal.jpg", "Male", 40, view="LL"),
    ]
    valid = [row("valid/patient64541/study1/view1_frontal.jpg", age=73, Cardiomegaly="1.0")]
    for name, rows in (("train", train), ("valid", valid)):
        for line in rows:
            file = root.parent / line.split(",")[0]
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.zeros((8, 8), np.uint8)).save(file)
        (root / f"{name}.csv").write_text("\n".join([HEADER, *rows]) + "\n")
    return root


def test_labels_patients_and_what_else_is_known_come_from_the_tables(download: Path, tmp_path: Path) -> None:
    adapted = CheXpert().read(download, tmp_path / "out")
    assert [case.patient for case in adapted.cohort.cases] == [
        "patient00001",
        "patient00001",
        "patient00002",
        "patient00003",
        "patient64541",
    ]
    assert adapted.cohort.classes == CLASSES
    assert adapted.cohort.splits == ("train", "val")
    first, second, *_ = adapted.cohort.cases
    assert first.image == download / "train/patient00001/study1/view1_frontal.jpg"
    assert first.label[CLASSES.index("No Finding")] == 1
    assert first.about == {"age": "68", "sex": "F", "view": "AP", "study": "train/patient00001/study1"}
    assert math.isnan(second.label[CLASSES.index("Pneumonia")])
    assert second.label[CLASSES.index("Cardiomegaly")] == 0


def test_the_rules_of_the_isnet_leave_out_and_count(download: Path, tmp_path: Path) -> None:
    rules = CheXpert(uncertain="negative", views=("AP", "PA"), min_age=18)
    adapted = rules.read(download, tmp_path / "out")
    assert [(count.rule, count.images, count.patients) for count in adapted.census] == [
        ("train.csv and valid.csv", 6, 4),
        ("view is AP, PA", 4, 3),
        ("age is at least 18", 3, 2),
    ]
    assert [(left.id[-33:], left.reason) for left in adapted.left_out] == [
        ("ent00001/study2/view2_lateral.jpg", "view is AP, PA"),
        ("ent00003/study1/view1_frontal.jpg", "view is AP, PA"),
        ("ent00002/study1/view1_frontal.jpg", "age is at least 18"),
    ]
    assert len(CheXpert(min_age=40).read(download, tmp_path / "out").cohort.cases) == 4
    assert adapted.census[0].classes["Pneumonia"] == 1
    assert adapted.census[-1].classes["Pneumonia"] == 0
    assert all(value in (0, 1) for case in adapted.cohort.cases for value in case.label)


def test_the_six_classes_of_the_comparison_with_ham(download: Path, tmp_path: Path) -> None:
    six = ("Atelectasis", "Consolidation", "Edema", "No Finding", "Pneumonia", "Pneumothorax")
    adapted = CheXpert(uncertain="negative", classes=six, only="positive").read(download, tmp_path / "out")
    assert adapted.cohort.task == "multilabel"
    assert [case.label for case in adapted.cohort.cases] == [(0, 0, 0, 1, 0, 0), (0, 0, 1, 0, 0, 0), (0, 0, 0, 0, 1, 0)]
    assert adapted.census[-1].rule == f"positive for any of {', '.join(six)}"


def test_films_of_one_class_are_a_multi_class_cohort(download: Path, tmp_path: Path) -> None:
    rules = CheXpert(uncertain="negative", min_age=18, classes=("No Finding", "Cardiomegaly"), only="single")
    cohort = rules.read(download, tmp_path / "out").cohort
    assert (cohort.task, cohort.classes) == ("multiclass", ("No Finding", "Cardiomegaly"))
    assert [(case.patient, case.label) for case in cohort.cases] == [("patient00001", 0), ("patient64541", 1)]


def test_an_unknown_class_or_the_same_twice_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"CheXpert has no class 'pneumonia'; did you mean 'Pneumonia'\?"):
        CheXpert(classes=("pneumonia",))
    with pytest.raises(SettingsError, match=r"classes must be one or more different names, got Edema, Edema"):
        CheXpert(classes=("Edema", "Edema"))


def test_the_cohort_is_written_and_reads_back(download: Path, tmp_path: Path) -> None:
    cohort = CheXpert().read(download, tmp_path / "out").cohort
    again = read_cohort(write_cohort(cohort, tmp_path / "out").parent)
    assert [(case.id, case.image, case.about) for case in again.cases] == [
        (case.id, case.image, case.about) for case in cohort.cases
    ]


def test_the_tables_may_lie_beside_the_images_and_the_root_one_folder_up(download: Path, tmp_path: Path) -> None:
    for name in ("train", "valid"):
        (download / f"{name}.csv").rename(download / name / f"{name}.csv")
    assert len(CheXpert().read(download.parent, tmp_path / "out").cohort.cases) == 5


@pytest.mark.parametrize("first", ["CheXpert-v1.0", "CheXpert-v1.0-small"])
def test_the_folder_may_have_another_name_than_the_paths_begin_with(download: Path, tmp_path: Path, first: str) -> None:
    moved = download.rename(tmp_path / "chest films")
    for name in ("train.csv", "valid.csv"):
        (moved / name).write_text((moved / name).read_text().replace("CheXpert-v1.0-small", first))
    cases = CheXpert().read(moved, tmp_path / "out").cohort.cases
    assert cases[0].image == moved / "train/patient00001/study1/view1_frontal.jpg"


def test_frontal_films_have_four_views_and_side_views_none(download: Path, tmp_path: Path) -> None:
    table = download / "train.csv"
    table.write_text(table.read_text().replace("Frontal,AP", "Frontal,RL", 1))
    views = [case.about["view"] for case in CheXpert().read(download, tmp_path / "out").cohort.cases]
    assert views == ["RL", "PA", "AP", "LL", "AP"]
    (side,) = CheXpert(views=("lateral",)).read(download, tmp_path / "out").cohort.cases
    assert side.id == "train/patient00001/study2/view2_lateral.jpg"


def test_a_wrong_folder_says_what_was_expected_and_found(download: Path, tmp_path: Path) -> None:
    wrong = download / "train/patient00001"
    with pytest.raises(DataNotFoundError, match=r"expected train.csv or .* found study1/, study2/; give the folder"):
        CheXpert().read(wrong, tmp_path / "out")
    with pytest.raises(DataNotFoundError, match=r"CheXpert: no folder"):
        CheXpert().read(tmp_path / "nowhere", tmp_path / "out")


def test_a_missing_table_says_what_was_found(download: Path, tmp_path: Path) -> None:
    (download / "valid.csv").unlink()
    with pytest.raises(DataNotFoundError, match=r"expected valid.csv or .* found train.csv, train/, valid/"):
        CheXpert().read(download, tmp_path / "out")
    (download / "train.csv").unlink()
    with pytest.raises(
        DataNotFoundError, match=r"expected train.csv or .* in CheX.*, found train/, valid/; give the f"
    ):
        CheXpert().read(download, tmp_path / "out")


def test_a_renamed_column_is_named_with_what_is_there(download: Path, tmp_path: Path) -> None:
    table = download / "train.csv"
    table.write_text(table.read_text().replace("Pneumonia", "pneumonia_label"))
    with pytest.raises(DataError, match=r"no column 'Pneumonia'; did you mean 'pneumonia_label'\?; expected Path, .*"):
        CheXpert().read(download, tmp_path / "out")


def test_a_half_unpacked_archive_is_refused_unless_a_part_will_do(download: Path, tmp_path: Path) -> None:
    (download / "train/patient00002/study1/view1_frontal.jpg").unlink()
    with pytest.raises(
        DataNotFoundError, match=r"1 of 5 images are not there, first train/patient00002/.*partial=true"
    ):
        CheXpert().read(download, tmp_path / "out")
    adapted = CheXpert(partial=True).read(download, tmp_path / "out")
    assert [left.reason for left in adapted.left_out] == ["view is AP, PA, LL, RL", "file is there"]


def test_a_half_written_table_is_refused(download: Path, tmp_path: Path) -> None:
    table = download / "train.csv"
    table.write_text(table.read_text()[:-40])
    with pytest.raises(
        DataError, match=r"train.csv line 6: \d+ cells in a table of 19 columns; is the file complete\?"
    ):
        CheXpert().read(download, tmp_path / "out")
