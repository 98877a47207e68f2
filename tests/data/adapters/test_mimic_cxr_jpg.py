import gzip
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sightline.data import Cohort
from sightline.data.adapters import MimicCxrJpg
from sightline.errors import DataError, DataNotFoundError, SettingsError

Save = Callable[[Path, np.ndarray], Path]
CLASSES = (  # as the tables of labels have them
    *("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Enlarged Cardiomediastinum", "Fracture"),
    *("Lung Lesion", "Lung Opacity", "No Finding", "Pleural Effusion", "Pleural Other", "Pneumonia", "Pneumothorax"),
    "Support Devices",
)
GREY = np.zeros((8, 8), np.uint8)
FILMS = (  # dicom_id, subject, study, view, split
    ("02aa804e", "10000032", "50414267", "PA", "train"),
    ("174413ec", "10000032", "50414267", "LATERAL", "train"),
    ("2a2277a9", "10000764", "57375967", "AP", "validate"),
    ("e084de3b", "19999987", "58621812", "AP", "test"),
    ("68b5c4b1", "19999987", "53434798", "", "test"),
    ("fffabebf", "18888888", "59999999", "PA", "test"),
)
LABELS = {
    "50414267": {"No Finding": "1.0"},
    "57375967": {"Pneumonia": "-1.0", "Edema": "0.0"},
    "58621812": {"Edema": "1.0", "Lung Opacity": "1.0"},
    "53434798": {"Fracture": "1.0"},
}


def labels_table(names: tuple[str, ...], with_subject: bool = True) -> str:
    subjects = {study: subject for _, subject, study, _, _ in FILMS}
    head = (["subject_id"] if with_subject else []) + ["study_id", *names]
    rows = [",".join(head)]
    for study, labels in LABELS.items():
        cells = ([subjects[study]] if with_subject else []) + [study, *(labels.get(name, "") for name in names)]
        rows.append(",".join(cells))
    return "\n".join(rows) + "\n"


@pytest.fixture
def download(tmp_path: Path, save: Save) -> Path:
    root = tmp_path / "mimic-cxr-jpg" / "2.0.0"
    metadata = ["dicom_id,subject_id,study_id,PerformedProcedureStepDescription,ViewPosition,Rows,Columns,StudyDate"]
    split = ["dicom_id,study_id,subject_id,split"]
    for image, subject, study, view, where in FILMS:
        save(root / f"files/p{subject[:2]}/p{subject}/s{study}/{image}.jpg", GREY)
        metadata.append(f'{image},{subject},{study},"CHEST (PA, LAT)",{view},8,8,21800506')
        split.insert(1, f"{image},{study},{subject},{where}")  # in another order
    for name, text in (
        ("metadata", "\n".join(metadata)),
        ("split", "\n".join(split)),
        ("chexpert", labels_table(CLASSES)),
        ("negbio", labels_table(CLASSES).replace("1.0", "0.0")),
    ):
        (root / f"mimic-cxr-2.0.0-{name}.csv").write_text(text)
    return root


def test_images_join_studies_and_lie_in_the_folder_of_their_person(
    download: Path, tmp_path: Path, reread: Callable[[Cohort], Cohort]
) -> None:
    cohort = reread(MimicCxrJpg().read(download, tmp_path / "out").cohort)
    assert cohort.classes == CLASSES
    assert [(case.patient, case.split) for case in cohort.cases] == [
        ("10000032", "train"),
        ("10000764", "val"),
        ("19999987", "test"),
    ]
    first, second, third = cohort.cases
    assert first.image == download / "files/p10/p10000032/s50414267/02aa804e.jpg"
    assert first.about == {"view": "PA", "study": "50414267"}
    assert third.label == tuple(float(name in ("Edema", "Lung Opacity")) for name in CLASSES)
    assert math.isnan(second.label[CLASSES.index("Pneumonia")])
    assert second.label[CLASSES.index("Edema")] == 0


def test_views_and_studies_without_labels_are_counted(download: Path, tmp_path: Path) -> None:
    census = MimicCxrJpg(views=()).read(download, tmp_path / "out").census
    assert [(count.rule, count.images) for count in census] == [
        ("mimic-cxr-2.0.0-metadata.csv", 6),
        ("study has labels (chexpert)", 5),
    ]


def test_the_tables_may_be_gzipped_and_the_root_the_folder_above(download: Path, tmp_path: Path) -> None:
    for table in list(download.glob("*.csv")):
        with gzip.open(f"{table}.gz", "wt") as file:
            file.write(table.read_text())
        table.unlink()
    assert len(MimicCxrJpg().read(download.parent, tmp_path / "out").cohort.cases) == 3


def test_the_other_labeller_is_an_option(download: Path, tmp_path: Path) -> None:
    cohort = MimicCxrJpg(labels="negbio", uncertain="negative").read(download, tmp_path / "out").cohort
    assert not np.any([case.label for case in cohort.cases])


def test_labels_by_hand_come_with_their_other_name_and_only_their_studies(download: Path, tmp_path: Path) -> None:
    text = labels_table(CLASSES, with_subject=False).replace("Lung Opacity", "Airspace Opacity")
    rows = text.splitlines()
    table = download / "mimic-cxr-2.1.0-test-set-labeled.csv"
    table.write_text("\n".join([rows[0], rows[3]]))
    adapted = MimicCxrJpg(labels="radiologist").read(download, tmp_path / "out")
    assert [case.id[-12:] for case in adapted.cohort.cases] == ["e084de3b.jpg"]
    assert adapted.cohort.cases[0].label[CLASSES.index("Lung Opacity")] == 1
    table.write_text("\n".join([rows[0].replace("Airspace", "Lungs"), rows[3]]))
    with pytest.raises(DataError, match=r"test-set-labeled.csv has no column 'Airspace Opacity'; did you mean"):
        MimicCxrJpg(labels="radiologist").read(download, tmp_path / "out")


def test_the_isnets_test_set_is_its_rules(download: Path, tmp_path: Path) -> None:
    classes = ("Atelectasis", "Consolidation", "Edema", "No Finding", "Pneumonia", "Pneumothorax")
    rules = MimicCxrJpg(uncertain="negative", splits=("test",), classes=classes, only="positive")
    adapted = rules.read(download, tmp_path / "out")
    assert adapted.cohort.classes == classes
    assert [case.label for case in adapted.cohort.cases] == [(0, 0, 1, 0, 0, 0)]
    assert [count.images for count in adapted.census] == [6, 5, 2, 1, 1]


def test_images_of_one_class_are_a_multi_class_cohort(
    download: Path, tmp_path: Path, reread: Callable[[Cohort], Cohort]
) -> None:
    rules = MimicCxrJpg(classes=("Edema", "No Finding"), only="single", uncertain="negative")
    cohort = reread(rules.read(download, tmp_path / "out").cohort)
    assert cohort.task == "multiclass"
    assert [case.label for case in cohort.cases] == [1, 0]
    both = MimicCxrJpg(classes=("Edema", "Lung Opacity"), only="single", uncertain="negative")
    assert not both.read(download, tmp_path / "out").cohort.cases


def test_an_unknown_class_or_split_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"no class 'edema'; did you mean 'Edema'\?; there are Atelectasis"):
        MimicCxrJpg(classes=("edema",))
    with pytest.raises(SettingsError, match=r"train, val and test, got 'validate'"):
        MimicCxrJpg(splits=("validate",))


def test_a_wrong_folder_or_missing_table_says_what_was_found(download: Path, tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"expected mimic-cxr-\*-metadata.csv or .*, found p10/, p18/, p19/"):
        MimicCxrJpg().read(download / "files", tmp_path / "out")
    with pytest.raises(DataNotFoundError, match=r"expected mimic-cxr-\*-test-set-labeled.csv or .* found files/, mim"):
        MimicCxrJpg(labels="radiologist").read(download, tmp_path / "out")
    for kind in ("chexpert", "split", "metadata"):
        (download / f"mimic-cxr-2.0.0-{kind}.csv").unlink()
        with pytest.raises(DataNotFoundError, match=rf"expected mimic-cxr-\*-{kind}.csv or .* found files/, mimic"):
            MimicCxrJpg().read(download, tmp_path / "out")


@pytest.mark.parametrize(
    ("table", "column", "other"),
    [
        ("metadata", "ViewPosition", "view_position"),
        ("metadata", "subject_id", "SubjectID"),
        ("split", "dicom_id", "DicomID"),
        ("chexpert", "study_id", "StudyID"),
        ("chexpert", "Pleural Other", "Pleural_Other"),
    ],
)
def test_a_renamed_column_is_named(download: Path, tmp_path: Path, table: str, column: str, other: str) -> None:
    file = download / f"mimic-cxr-2.0.0-{table}.csv"
    file.write_text(file.read_text().replace(column, other))
    with pytest.raises(
        DataError, match=rf"{table}.csv has no column '{column}'.*; expected .*{column}.*; found .*{other}"
    ):
        MimicCxrJpg().read(download, tmp_path / "out")


def test_half_unpacked_images_and_a_half_split_table_are_refused(download: Path, tmp_path: Path) -> None:
    (download / "files/p19/p19999987/s58621812/e084de3b.jpg").unlink()
    with pytest.raises(DataNotFoundError, match=r"1 of 3 images are not there, first files/p19/.*e084de3b.jpg"):
        MimicCxrJpg().read(download, tmp_path / "out")
    assert len(MimicCxrJpg(partial=True).read(download, tmp_path / "out").cohort.cases) == 2
    table = download / "mimic-cxr-2.0.0-split.csv"
    table.write_text("\n".join(table.read_text().splitlines()[:-1]))
    with pytest.raises(DataError, match=r"image 02aa804e has no split; is that table complete\?"):
        MimicCxrJpg().read(download, tmp_path / "out")


def test_a_label_or_split_of_another_kind_is_refused(download: Path, tmp_path: Path) -> None:
    table = download / "mimic-cxr-2.0.0-split.csv"
    text = table.read_text()
    table.write_text(text.replace("validate", "dev"))
    with pytest.raises(DataError, match=r"split must be train, validate, test, got 'dev'"):
        MimicCxrJpg().read(download, tmp_path / "out")
    table.write_text(text)
    table = download / "mimic-cxr-2.0.0-chexpert.csv"
    table.write_text(table.read_text().replace("1.0", "2.0"))
    with pytest.raises(DataError, match=r"must hold 1, 0, -1 or nothing, got '2.0'"):
        MimicCxrJpg().read(download, tmp_path / "out")
