from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sightline.data.readers.files import image_stem, image_suffix, is_image_file, located

WriteDicom = Callable[..., Path]


@pytest.mark.parametrize(
    ("name", "stem", "suffix"),
    [
        ("a.png", "a", ".png"),
        ("a.b.PNG", "a.b", ".png"),
        ("ct.nii.gz", "ct", ".nii.gz"),
        ("ct.v2.NII.GZ", "ct.v2", ".nii.gz"),
        ("ct.nii", "ct", ".nii"),
        ("x.dcm", "x", ".dcm"),
        ("x.npz", "x", ".npz"),
        ("table.csv.gz", "table.csv", ""),
        (".nii.gz", ".nii", ""),
    ],
)
def test_a_suffix_may_be_double(name: str, stem: str, suffix: str) -> None:
    assert image_suffix(Path(name)) == suffix
    assert image_stem(Path(name)) == stem


def test_dicom_without_a_suffix_is_told_by_its_content(tmp_path: Path, write_dicom: WriteDicom) -> None:
    pixels = np.zeros((2, 2), np.uint8)
    assert is_image_file(write_dicom(tmp_path / "IM0001", pixels))
    assert is_image_file(write_dicom(tmp_path / "CT.1.2.840.113", pixels))
    assert not is_image_file(write_dicom(tmp_path / ".IM0001", pixels))
    (tmp_path / "README").write_text("no image")
    (tmp_path / "a.png").mkdir()
    assert not any(is_image_file(tmp_path / name) for name in ("README", "a.png", "none"))


def test_a_part_follows_a_hash_unless_the_file_itself_has_one(tmp_path: Path) -> None:
    assert located(tmp_path / "a.npz#ct") == (tmp_path / "a.npz", "ct")
    assert located(tmp_path / "a.npz") == (tmp_path / "a.npz", "")
    assert located(tmp_path / "#ct") == (tmp_path / "#ct", "")
    (tmp_path / "a#1.png").touch()
    assert located(tmp_path / "a#1.png") == (tmp_path / "a#1.png", "")
