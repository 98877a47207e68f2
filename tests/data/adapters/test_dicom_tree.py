import logging
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from sightline.data import Cohort, check_cohort
from sightline.data.adapters import DicomTree
from sightline.data.adapters.dicom_tree import pseudonym
from sightline.errors import DataError, DataNotFoundError, SettingsError

SaveDicom = Callable[..., Path]
SALT = "a secret kept elsewhere"
PERSON = {
    "PatientName": "Doe^Jane^Eleanor",
    "PatientID": "MRN-4711",
    "PatientBirthDate": "19550623",
    "PatientSex": "F",
    "StudyDate": "20200131",
    "StudyInstanceUID": "1.2.840.99.1",
    "AccessionNumber": "ACC5501",
    "InstitutionName": "Spital Nord",
    "ReferringPhysicianName": "Roe^Richard",
    "OtherPatientIDs": "OTHER-1234",
    "Modality": "CR",
    "BodyPartExamined": "CHEST",
    "ViewPosition": "PA",
}
PRIVATE = (
    *("Doe", "Jane", "Eleanor", "4711", "1955", "0623", "2020", "0131", "840.99", "5501", "Nord", "Roe", "Richard"),
    "OTHER",
)


@pytest.fixture
def export(tmp_path: Path, save_dicom: SaveDicom) -> Path:
    root = tmp_path / "export"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that OtherPatientIDs is retired
        save_dicom(root / "ill/DOE^JANE_19550623/20200131/IM0001", **PERSON, SOPInstanceUID="1.2.840.99.1.1")
        side = {"ViewPosition": "LL", "PatientAge": "064Y", "SOPInstanceUID": "1.2.840.99.1.2"}
        save_dicom(root / "ill/DOE^JANE_19550623/IM0002.dcm", **(PERSON | side))
        other = {"PatientID": "MRN-4712", "PatientName": "Poe^Edgar", "PatientAge": "097Y", "PatientSex": "O"}
        study = {"StudyInstanceUID": "1.2.840.99.2", "SOPInstanceUID": "1.2.840.99.2.1", "Modality": "DX"}
        save_dicom(root / "well/1.2.3", **(PERSON | other | study))  # no number is drawn: digests may hold any digits
    return root


def everything(folder: Path, adapted: object) -> str:
    """All text that an adapter leaves behind, file names included, but not the files behind links."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*")]
    return "\n".join([repr(adapted).replace(str(folder), ""), *names, *(path.read_text() for path in files)]).casefold()


def test_neither_names_nor_numbers_nor_dates_of_people_come_into_the_cohort(
    export: Path, tmp_path: Path, reread: Callable[[Cohort], Cohort]
) -> None:
    (export / "ill/DOE^JANE_broken.dcm").write_bytes(b"Doe^Jane")
    adapted = DicomTree(salt=SALT).read(export, tmp_path / "out")
    reread(adapted.cohort)
    text = everything(tmp_path / "out", adapted)
    assert "cohort.csv" in text
    assert not [word for word in (*PRIVATE, "Poe", "Edgar", "export") if word.casefold() in text]


def test_people_studies_and_images_keep_their_pseudonyms_as_long_as_the_salt(export: Path, tmp_path: Path) -> None:
    first, second, third = DicomTree(salt=SALT).read(export, tmp_path / "out").cohort.cases
    assert first.patient == second.patient == pseudonym(SALT.encode(), "patient", "\0MRN-4711")
    assert third.patient != first.patient
    assert first.about["study"] == second.about["study"] == pseudonym(SALT.encode(), "study", "1.2.840.99.1")
    assert first.id == pseudonym(SALT.encode(), "image", "1.2.840.99.1.1")
    again = DicomTree(salt=SALT).read(export, tmp_path / "out").cohort
    assert [case.id for case in again.cases] == [first.id, second.id, third.id]
    other = DicomTree(salt=SALT + "!").read(export, tmp_path / "other").cohort
    assert not {first.id, first.patient, first.about["study"]} & {
        word for case in other.cases for word in (case.id, case.patient, case.about["study"])
    }


def test_without_a_salt_each_run_has_other_names_and_leaves_no_key(
    export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [bytes(range(32)), bytes(range(1, 33))]
    monkeypatch.setattr("secrets.token_bytes", lambda _: keys.pop())
    runs = [DicomTree().read(export, tmp_path / f"out{number}") for number in (1, 2)]
    patients = [[case.patient for case in adapted.cohort.cases] for adapted in runs]
    assert patients[0][0] == patients[0][1]
    assert not set(patients[0]) & set(patients[1])
    assert bytes(range(1, 33)).hex() not in everything(tmp_path / "out1", runs[0])
    assert not keys


def test_the_headers_tell_what_is_on_the_image(export: Path, tmp_path: Path) -> None:
    cohort = DicomTree(salt=SALT).read(export, tmp_path / "out").cohort
    assert (cohort.task, cohort.classes) == ("multiclass", ("ill", "well"))
    assert [case.label for case in cohort.cases] == [0, 0, 1]
    first, second, third = cohort.cases
    first_about = {name: value for name, value in first.about.items() if name != "study"}
    assert first_about == {"age": "64", "sex": "F", "view": "PA", "modality": "CR", "body_part": "CHEST"}
    assert (second.about["age"], second.about["view"]) == ("64", "LL")
    assert third.about["age"] == "90"  # of 97
    assert "sex" not in third.about


def test_links_of_their_own_names_lead_to_the_images(export: Path, tmp_path: Path) -> None:
    cohort = DicomTree(salt=SALT).read(export, tmp_path / "out").cohort
    assert all(case.image == tmp_path / f"out/images/{case.id}.dcm" for case in cohort.cases)
    assert cohort.cases[0].image.resolve() == export / "ill/DOE^JANE_19550623/20200131/IM0001"
    assert not check_cohort(cohort, pixels=True)


def test_rules_choose_by_modality_view_and_age(export: Path, tmp_path: Path) -> None:
    rules = DicomTree(salt=SALT, modalities=("CR",), views=("PA",), min_age=18)
    adapted = rules.read(export, tmp_path / "out")
    assert [(count.rule, count.images) for count in adapted.census] == [
        ("DICOM images with a label", 3),
        ("modality is CR", 2),
        ("view is PA", 1),
        ("age is at least 18", 1),
    ]
    assert len(list((tmp_path / "out/images").iterdir())) == 1


@pytest.mark.parametrize(
    "row",
    [
        "study,label\n1.2.840.99.1,oedema",
        "accession;label\nACC5501;oedema",
        f"study,label\n{pseudonym(SALT.encode(), 'study', '1.2.840.99.1')},oedema",
        f"accession,label\n{pseudonym(SALT.encode(), 'accession', 'ACC5501')},oedema",
    ],
)
def test_labels_may_come_by_study_or_accession_in_plain_or_hashed(export: Path, tmp_path: Path, row: str) -> None:
    table = tmp_path / "labels.csv"
    table.write_text(row)
    for name in ("ill", "well"):
        (export / name).rename(export / f"DOE^JANE {name}")
    adapted = DicomTree(salt=SALT, labels=table).read(export, tmp_path / "out")
    images = 3 if "accession" in row else 2  # the other person was given the same accession here
    assert adapted.cohort.classes == ("oedema",)
    assert len(adapted.cohort.cases) == images
    assert [left.reason for left in adapted.left_out] == ["study has a label"] * (3 - images)
    assert not [word for word in PRIVATE if word.casefold() in everything(tmp_path / "out", adapted)]


def test_files_that_are_no_image_are_left_out_and_told_in_the_log(
    export: Path, tmp_path: Path, save_dicom: SaveDicom, caplog: pytest.LogCaptureFixture
) -> None:
    (export / "README.txt").write_text("Doe")
    (export / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    whole = export / "well/1.2.3"
    (export / "well/twice.dcm").write_bytes(whole.read_bytes())
    (export / "well/half").write_bytes(whole.read_bytes()[:150])
    save_dicom(export / "well/report.dcm", Rows=None, PatientID="MRN-1", Modality="SR")
    with caplog.at_level(logging.INFO, "sightline"):
        adapted = DicomTree(salt=SALT).read(export, tmp_path / "out")
    assert len(adapted.cohort.cases) == 3
    assert sorted(left.reason for left in adapted.left_out) == ["can be read", "has an image", "is there once"]
    assert "well/half: " in caplog.text
    with pytest.raises(DataError, match=r"well/half: .*DICOM file"):
        DicomTree(salt=SALT, strict=True).read(export, tmp_path / "out")


@pytest.mark.parametrize("name", ["DOE_JANE", "mrn 4711", "1955-06-23", "Study 20200131"])
def test_folders_named_for_people_are_no_classes(export: Path, tmp_path: Path, name: str) -> None:
    (export / "ill").rename(export / name)
    with pytest.raises(DataError, match=r"a first folder is named for a person in it, so folders are no classes") as e:
        DicomTree(salt=SALT).read(export, tmp_path / "out")
    assert name not in str(e.value)


def test_a_wrong_or_empty_folder_files_without_a_class_and_a_table_without_key_are_refused(
    export: Path, tmp_path: Path, save_dicom: SaveDicom
) -> None:
    with pytest.raises(DataNotFoundError, match=r"DICOM files: no folder"):
        DicomTree().read(tmp_path / "nowhere", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/Doe.txt").touch()
    with pytest.raises(DataError, match=r"no DICOM image below empty, found 1 files of other kinds; give"):
        DicomTree().read(tmp_path / "empty", tmp_path / "out")
    save_dicom(export / "loose.dcm", **{"PatientID": "1"})
    with pytest.raises(DataError, match=r"loose.dcm is in no class folder; put it in one, or give labels"):
        DicomTree().read(export, tmp_path / "out")
    table = tmp_path / "labels.csv"
    table.write_text("patient,label\n1,ill")
    with pytest.raises(DataError, match=r"labels.csv needs a column study or accession; it has patient, label"):
        DicomTree(labels=table).read(export, tmp_path / "out")
    table.write_text("study,class\n1,ill")
    with pytest.raises(DataError, match=r"labels.csv has no column 'label'"):
        DicomTree(labels=table).read(export, tmp_path / "out")
    with pytest.raises(SettingsError, match=r"salt must be 8 characters or more, or empty for a random one"):
        DicomTree(salt="short")
