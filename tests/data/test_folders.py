import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sightline.data.folders import read_class_folders
from sightline.errors import DataError

Save = Callable[[Path, np.ndarray], Path]
GREY = np.full((4, 4), 128, np.uint8)


def test_class_folders_give_labels_in_alphabetical_order_and_masks_by_stem(folder: Path) -> None:
    cohort = read_class_folders(folder)
    assert cohort.classes == ("ill", "well")
    assert [(case.id, case.label) for case in cohort.cases][2:4] == [("ill/2.png", 0), ("well/0.png", 1)]
    assert all(case.mask == folder / "masks" / case.id for case in cohort.cases)
    assert len({case.patient for case in cohort.cases}) == 6
    assert cohort.splits == ()


def test_an_image_without_mask_has_an_unknown_region(folder: Path) -> None:
    (folder / "masks" / "ill" / "1.png").unlink()
    assert [case.mask is None for case in read_class_folders(folder).cases] == [False, True, False, False, False, False]


def test_split_folders_give_splits(tmp_path: Path, save: Save) -> None:
    for split in ("train", "test"):
        for name in ("a", "b"):
            save(tmp_path / split / name / "1.jpg", GREY)
            save(tmp_path / "masks" / split / name / "1.png", GREY)
    cohort = read_class_folders(tmp_path)
    assert set(cohort.splits) == {"train", "test"}
    assert cohort.split("train").cases[1].id == "train/b/1.jpg"
    assert cohort.split("train").cases[1].mask == tmp_path / "masks" / "train" / "b" / "1.png"


@pytest.mark.parametrize("given", [".", "images"])
def test_images_and_masks_may_be_siblings(tmp_path: Path, save: Save, given: str) -> None:
    save(tmp_path / "images" / "a" / "1.png", GREY)
    save(tmp_path / "masks" / "a" / "1.png", GREY)
    cohort = read_class_folders(tmp_path / given)
    assert cohort.root == tmp_path
    assert cohort.cases[0].mask == tmp_path / "masks" / "a" / "1.png"


def test_an_empty_class_folder_is_a_class(folder: Path) -> None:
    (folder / "zebra").mkdir()
    assert read_class_folders(folder).classes == ("ill", "well", "zebra")


def test_a_mask_without_image_is_an_error_that_names_the_mask(folder: Path) -> None:
    for name in ("0.png", "2.png"):
        (folder / "well" / name).unlink()
    with pytest.raises(DataError, match=r"^masks/well/0.png: mask without image \(and 1 more\)"):
        read_class_folders(folder)


def test_masks_of_a_class_that_is_not_there_are_an_error(folder: Path) -> None:
    shutil.rmtree(folder / "well")
    with pytest.raises(DataError, match=r"^masks/well/0.png: mask without image \(and 2 more\)"):
        read_class_folders(folder)


def test_a_folder_without_images_is_an_error_that_says_what_is_expected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no images in .*<class>/<image>.png or a cohort.csv"):
        read_class_folders(tmp_path)


def test_a_mix_of_classes_and_splits_is_an_error(folder: Path, save: Save) -> None:
    save(folder / "train" / "ill" / "1.png", GREY)
    with pytest.raises(DataError, match=r"cannot tell classes from splits: train hold folders"):
        read_class_folders(folder)


def test_images_and_masks_of_any_kind_are_found_by_their_stem(tmp_path: Path) -> None:
    names = {"a.nii.gz": "a.png", "b.v2.dcm": "b.v2.nii.gz", "c.npz": "c.json", "IM0004": "IM0004.npy"}
    for image, mask in names.items():
        for file in (tmp_path / "ill" / image, tmp_path / "masks" / "ill" / mask):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(b"\0" * 128 + b"DICM")
    (tmp_path / "ill" / "notes").write_text("no image")
    (tmp_path / "masks" / "ill" / "notes.txt").write_text("no mask")
    cohort = read_class_folders(tmp_path)
    found = {case.image.name: case.mask.name if case.mask else None for case in cohort.cases}
    assert found == names


def test_a_mask_of_outlines_without_image_is_an_error(folder: Path) -> None:
    (folder / "masks" / "ill" / "9.json").write_text("{}")
    with pytest.raises(DataError, match=r"^masks/ill/9.json: mask without image; add the image or remove the mask$"):
        read_class_folders(folder)
