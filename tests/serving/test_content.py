import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.errors import DataError
from sightline.serving.content import KINDS, check_size, kind_of, unpacked
from sightline.serving.uploads import shown


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "BMP"])
def test_pictures_are_known_by_their_first_bytes(png: Callable[..., bytes], form: str) -> None:
    kind = kind_of(png(form=form))
    assert kind is not None
    assert kind.title == form


@pytest.mark.parametrize(
    ("start", "title"),
    [
        (bytes(128) + b"DICM", "DICOM"),
        (bytes(344) + b"n+1\0", "NIfTI"),
        (b"\x1c\x02\0\0n+2\0\r\n\x1a\n", "NIfTI"),
        (b"\x1f\x8b\x08\0", "gzipped NIfTI"),
        (b"\x93NUMPY\x01\0", "NumPy"),
        (b"MM\0*", "TIFF"),
    ],
)
def test_other_files_are_too(start: bytes, title: str) -> None:
    kind = kind_of(start)
    assert kind is not None
    assert kind.title == title


@pytest.mark.parametrize(
    "start", [b"", b"PK\x03\x04", b"%PDF-1.7", b"GIF89a", b"\x80\x04\x95", b"<svg", b"%!PS", b"n+1\0"]
)
def test_all_else_is_not(start: bytes) -> None:
    assert kind_of(start) is None


def test_each_media_type_means_one_kind() -> None:
    media = [each for kind in KINDS for each in kind.media]
    assert len(media) == len(set(media))


@given(st.text())
def test_a_shown_name_has_no_folder_and_no_controls(name: str) -> None:
    seen = shown(name)
    assert not set(seen) & set("/\\\0\r\n\t\x1b\u202e")
    assert len(seen) <= 128
    assert seen == shown("../a/" + seen)
    assert set(seen) <= set(name)


def test_a_plain_name_stays() -> None:
    assert shown("C:\\scans\\Röntgen 1.png") == "Röntgen 1.png"


def test_nifti_is_unpacked_beside_itself(tmp_path: Path) -> None:
    plain = bytes(344) + b"n+1\0" + bytes(1000)
    packed = tmp_path / "image.nii.gz"
    packed.write_bytes(gzip.compress(plain))
    file = unpacked(packed, most=len(plain), name="image")
    assert file == tmp_path / "image.nii"
    assert file.read_bytes() == plain
    with pytest.raises(DataError, match="unpacks to more than 1347 bytes"):
        unpacked(packed, most=len(plain) - 1, name="image")
    assert unpacked(file, most=1, name="image") == file


@pytest.mark.parametrize("form", ["png", "npy"])
def test_size_is_checked_to_the_pixel(
    tmp_path: Path, form: str, png: Callable[..., bytes], npy: Callable[..., bytes]
) -> None:
    file = tmp_path / f"image.{form}"
    file.write_bytes(png(20, 30) if form == "png" else npy(np.zeros((20, 30), np.uint8)))
    check_size(file, most=600, name="image")
    with pytest.raises(DataError, match="image: declares 20 x 30 pixels; at most 599 are read here"):
        check_size(file, most=599, name="image")


def test_a_volume_counts_its_voxels(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    nibabel.Nifti1Image(np.zeros((4, 5, 6), np.int16), np.eye(4)).to_filename(tmp_path / "image.nii")
    check_size(tmp_path / "image.nii", most=120, name="image")
    with pytest.raises(DataError, match="declares 4 x 5 x 6 pixels; at most 119"):
        check_size(tmp_path / "image.nii", most=119, name="image")
