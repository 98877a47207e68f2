"""Images that are dropped into the page: measured before they are decoded, kept under names of our own, and removed.

A file is an image by its first bytes and by nothing else; what its sender calls it is shown and never used as a path.
Nothing in it is run, and nothing is unpickled: NumPy files, which can hold pickles, are not taken.
"""

import re
import secrets
import threading
import warnings
from collections import OrderedDict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sightline.errors import DataError

MOST_BYTES = 256 * 2**20
MOST_PIXELS = 64 * 2**20
_KEPT = 24
_HEAD = 512  # first bytes, which say what a file is
_DEFLATED = "1.2.840.10008.1.2.1.99"  # a DICOM file that is inflated as a whole
_NIFTI = ((344, b"n+1\0"), (4, b"n+2\0"))


class TooLargeError(DataError):
    """An image is larger than what is taken."""


@dataclass(frozen=True)
class Upload:
    """An image that was dropped into the page.

    Attributes:
        key: that the page asks for it by.
        name: what its sender calls it, made harmless.
        file: where it is kept.
    """

    key: str
    name: str
    file: Path


class Uploads:
    """The images of one session, in a temporary folder; of more than two dozen the oldest goes.

    Args:
        most_bytes: of a file.
        most_pixels: of an image or volume.
    """

    def __init__(self, *, most_bytes: int = MOST_BYTES, most_pixels: int = MOST_PIXELS) -> None:
        self.most_bytes, self.most_pixels = most_bytes, most_pixels
        self._folder = TemporaryDirectory(prefix="sightline-view-")
        self._kept: OrderedDict[str, Upload] = OrderedDict()
        self._lock = threading.Lock()

    async def receive(self, name: str, body: AsyncIterator[bytes]) -> Upload:
        """Write a body to a file as it comes, and look at what it is.

        Raises:
            TooLargeError: it has more bytes or pixels than are taken.
            DataError: it is no PNG, JPEG, DICOM or NIfTI file.
        """
        key = f"u{secrets.token_hex(8)}"
        file, size = Path(self._folder.name) / f"{key}.part", 0
        try:
            with file.open("wb") as stream:
                async for piece in body:
                    size += len(piece)
                    if size > self.most_bytes:
                        raise TooLargeError(f"the file is larger than {self.most_bytes / 2**20:g} MiB")  # noqa: TRY301
                    stream.write(piece)
            suffix = _kind(file)
            file = file.rename(file.with_suffix(suffix))
            _check_pixels(file, suffix, self.most_pixels)
        except BaseException:
            file.unlink(missing_ok=True)
            raise
        upload = Upload(key, _harmless(name), file)
        with self._lock:
            self._kept[key] = upload
            while len(self._kept) > _KEPT:
                _, oldest = self._kept.popitem(last=False)
                oldest.file.unlink(missing_ok=True)
        return upload

    def find(self, key: str) -> Upload:
        """Return an upload by its key.

        Raises:
            DataError: it is not there any more.
        """
        with self._lock:
            if key not in self._kept:
                raise DataError("this image is not kept any more; drop it in again")
            return self._kept[key]

    def drop(self, key: str) -> None:
        """Remove one image."""
        with self._lock:
            upload = self._kept.pop(key, None)
        if upload is not None:
            upload.file.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove all of them."""
        self._folder.cleanup()


def _harmless(name: str) -> str:
    """What a file is called, for the eye: its last part, without what cannot be seen."""
    last = re.split(r"[/\\]", name)[-1]
    return "".join(letter for letter in last if letter.isprintable())[:120].strip() or "image"


def _kind(file: Path) -> str:
    """Return the suffix of a file by its first bytes.

    Raises:
        DataError: it is none of what is taken.
    """
    with file.open("rb") as stream:
        head = stream.read(_HEAD)
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return ".png"
    if head.startswith(b"\xff\xd8\xff"):
        return ".jpg"
    if head[128:132] == b"DICM":
        return ".dcm"
    if any(head[at : at + len(magic)] == magic for at, magic in _NIFTI):
        return ".nii"
    if head.startswith(b"\x1f\x8b") and any(_inflated(file)[at : at + len(magic)] == magic for at, magic in _NIFTI):
        return ".nii.gz"
    if head.startswith(b"PK\x03\x04"):
        raise DataError("the file is an archive; unpack it and drop in one image")
    raise DataError("the file is no PNG, JPEG, DICOM or NIfTI image, by its first bytes")


def _inflated(file: Path) -> bytes:
    """The first bytes of what a gzip file holds, and no more of it."""
    import gzip
    import zlib

    try:
        with gzip.open(file) as stream:
            return stream.read(_HEAD)
    except (OSError, EOFError, zlib.error):
        return b""


def _check_pixels(file: Path, suffix: str, most: int) -> None:
    """Refuse an image by what its header says, before anything of it is decoded."""
    try:
        count = _PIXELS[suffix](file)
    except DataError:
        raise
    except Exception as error:  # parsers of three formats raise a dozen kinds on a broken header
        raise DataError("the image cannot be read: its header is broken") from error
    if count > most:
        raise TooLargeError(f"the image has {count / 1e6:,.0f} million pixels; at most {most / 1e6:,.0f} are taken")
    if count < 1:
        raise DataError("the image has no pixels")


def _pixels_of_picture(file: Path) -> int:
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # we count ourselves
            with Image.open(file, formats=["PNG", "JPEG"]) as picture:
                wide, high = picture.size
    except Image.DecompressionBombError as error:
        raise TooLargeError("the image has far more pixels than are taken") from error
    return int(wide * high)


def _pixels_of_dicom(file: Path) -> int:
    import pydicom

    meta = pydicom.filereader.read_file_meta_info(file)
    if meta.get("TransferSyntaxUID") == _DEFLATED:
        raise DataError("a deflated DICOM file is not taken, as its size cannot be told beforehand; save it otherwise")
    header: Any = pydicom.dcmread(
        file, stop_before_pixels=True, specific_tags=["Rows", "Columns", "NumberOfFrames", "SamplesPerPixel"]
    )
    sides = (header.get(name) or 1 for name in ("NumberOfFrames", "SamplesPerPixel"))
    count = int(header.Rows) * int(header.Columns)
    for side in sides:
        count *= int(side)
    return count


def _pixels_of_nifti(file: Path) -> int:
    import nibabel

    count = 1
    for side in nibabel.load(file).shape:  # type: ignore[attr-defined]  # a header knows its shape
        count *= int(side)
    return count


_PIXELS = {
    ".png": _pixels_of_picture,
    ".jpg": _pixels_of_picture,
    ".dcm": _pixels_of_dicom,
    ".nii": _pixels_of_nifti,
    ".nii.gz": _pixels_of_nifti,
}
