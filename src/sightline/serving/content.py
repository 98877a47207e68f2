"""What a file is by its first bytes, and how large it says it is: nothing that a client calls it is believed."""

import gzip
import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sightline.data.readers.dicom import read_about
from sightline.data.readers.nifti import nifti_shape
from sightline.data.readers.picture import picture_size
from sightline.errors import DataError

START = 352  # bytes that tell the kind: the header of NIfTI-1 is the longest
_CHUNK = 1 << 20
_NIFTI_1, _NIFTI_2 = (344, b"n+1\0"), (4, b"n+2\0")


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        title: what to call it.
        suffix: by which our readers know it.
        starts: places and bytes, one of which a file of this kind has.
        media: media types that mean this kind and no other.
    """

    title: str
    suffix: str
    starts: tuple[tuple[int, bytes], ...]
    media: tuple[str, ...] = ()


KINDS = (
    Kind("PNG", ".png", ((0, b"\x89PNG\r\n\x1a\n"),), ("image/png",)),
    Kind("JPEG", ".jpg", ((0, b"\xff\xd8\xff"),), ("image/jpeg", "image/jpg")),
    Kind("DICOM", ".dcm", ((128, b"DICM"),), ("application/dicom",)),
    Kind("NIfTI", ".nii", (_NIFTI_1, _NIFTI_2)),
    Kind("gzipped NIfTI", ".nii.gz", ((0, b"\x1f\x8b\x08"),), ("application/gzip", "application/x-gzip")),
    Kind("NumPy", ".npy", ((0, b"\x93NUMPY"),)),
    Kind("TIFF", ".tif", ((0, b"II*\0"), (0, b"MM\0*")), ("image/tiff",)),
    Kind("BMP", ".bmp", ((0, b"BM"),), ("image/bmp", "image/x-ms-bmp")),
)
UNNAMED = ("", "application/octet-stream", "binary/octet-stream")
MEDIA = (*UNNAMED[1:2], *(media for kind in KINDS for media in kind.media))


def kind_of(start: bytes) -> Kind | None:
    """Return the kind of a file by its first `START` bytes; None if it is none that we read."""
    return next((kind for kind in KINDS if any(start[at : at + len(b)] == b for at, b in kind.starts)), None)


def unpacked(file: Path, *, most: int, name: str) -> Path:
    """Return a NIfTI file without its gzip, written beside it; any other file as it is.

    Args:
        file: the file.
        most: bytes that it may hold unpacked.
        name: what to call it in messages.

    Raises:
        DataError: it is damaged, holds something else or more than it may.
    """
    if not file.name.endswith(".gz"):
        return file
    plain, size = file.with_suffix(""), 0
    try:
        with gzip.open(file) as packed, plain.open("wb") as out:
            while chunk := packed.read(_CHUNK):
                known = kind_of(chunk) if not size else None
                if not size and (known is None or known.suffix != ".nii"):
                    raise DataError(f"{name}: a gzip that holds no NIfTI file")
                size += len(chunk)
                if size > most:
                    raise DataError(f"{name}: unpacks to more than {most} bytes")
                out.write(chunk)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{name}: unreadable or truncated gzip file ({type(error).__name__})") from None
    if not size:
        raise DataError(f"{name}: an empty gzip file")
    return plain


def check_size(file: Path, *, most: int, name: str) -> None:
    """Check the size that a file declares, before its pixels are decoded.

    Args:
        file: the file, its suffix as `kind_of` tells it.
        most: pixels or voxels, of all frames and channels together for what is not a picture.
        name: what to call it in messages.

    Raises:
        DataError: it is more, or the header cannot be read.
    """
    shape = _declared(file, name)
    if min(shape, default=1) < 1:
        raise DataError(f"{name}: declares {' x '.join(map(str, shape))} pixels, which is no image")
    if math.prod(shape) > most:
        raise DataError(f"{name}: declares {' x '.join(map(str, shape))} pixels; at most {most} are read here")


def _declared(file: Path, name: str) -> tuple[int, ...]:
    match file.suffix:
        case ".dcm":
            about = read_about(file, name=name)
            return tuple(int(about.get(key, 1)) for key in ("frames", "rows", "columns"))
        case ".nii":
            return nifti_shape(file, name=name)
        case ".npy":
            try:
                return tuple(np.load(file, mmap_mode="r", allow_pickle=False).shape)
            except Exception as error:  # of its tokenizer, of memory maps ...
                raise DataError(f"{name}: unreadable or truncated array ({type(error).__name__})") from None
        case _:
            return picture_size(file, name=name)
