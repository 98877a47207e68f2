from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sightline.data import Cohort
from sightline.data.adapters import ClassFolders
from sightline.errors import DataError, DataNotFoundError, SettingsError

Save = Callable[[Path, np.ndarray], Path]
GREY = np.full((4, 6), 128, np.uint8)


@pytest.fixture
def films(tmp_path: Path, save: Save, save_dicom: Callable[..., Path]) -> Path:
    root = tmp_path / "films"
    save(root / "well/P01_1.png", GREY)
    save(root / "well/P01_2.jpg", GREY)
    save(root / "ill/P02_1.tif", GREY)
    save_dicom(root / "ill/P03_1.dcm")
    save(root / "masks/ill/P02_1.png", GREY)
    return root


def test_folders_are_classes_and_names_tell_who_it_is(
    films: Path, tmp_path: Path, reread: Callable[[Cohort], Cohort]
) -> None:
    adapted = ClassFolders(patient=r"^(\w+?)_", source="A").read(films, tmp_path / "out")
    cohort = reread(adapted.cohort)
    assert (cohort.task, cohort.classes) == ("multiclass", ("ill", "well"))
    assert [(case.id, case.patient, case.source) for case in cohort.cases] == [
        ("ill/P02_1.tif", "P02", "A"),
        ("ill/P03_1.dcm", "P03", "A"),
        ("well/P01_1.png", "P01", "A"),
        ("well/P01_2.jpg", "P01", "A"),
    ]
    assert cohort.cases[0].mask == films / "masks/ill/P02_1.png"
    assert adapted.census[0].patients == 3
    assert adapted.census[0].classes == {"ill": 2, "well": 2}


def test_without_groups_the_whole_match_is_the_person_and_without_a_pattern_each_image(
    films: Path, tmp_path: Path
) -> None:
    cases = ClassFolders(patient=r"P\d+").read(films, tmp_path / "out").cohort.cases
    assert [case.patient for case in cases] == ["P02", "P03", "P01", "P01"]
    assert len({case.patient for case in ClassFolders().read(films, tmp_path / "out").cohort.cases}) == 4


def test_folders_of_splits_keep_their_splits(tmp_path: Path, save: Save) -> None:
    for name in ("train", "test"):
        save(tmp_path / "split" / name / "ill/P1_1.png", GREY)
    assert ClassFolders().read(tmp_path / "split", tmp_path / "out").cohort.splits == ("test", "train")


def test_names_that_do_not_fit_are_counted(films: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"finds nobody in 2 of 4 names, first P02_1.tif; mend the expression"):
        ClassFolders(patient=r"P01").read(films, tmp_path / "out")
    with pytest.raises(SettingsError, match=r"patient must be a regular expression, got '\(P'"):
        ClassFolders(patient="(P")


def test_a_missing_or_empty_folder_is_refused(films: Path, tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"class folders: no folder"):
        ClassFolders().read(tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(
        DataError, match=r"no images in .*ill: expected ill/<class>/<image>.png .*; found P02_1.tif, P0"
    ):
        ClassFolders().read(films / "ill", tmp_path / "out")
