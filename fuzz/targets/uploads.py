"""What strangers send to `serve` and drop into `view`: looked at, measured, read and prepared."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from sightline.answering import ImageReader
from sightline.data import Cohort, DataSettings
from sightline.data.prepared import Preprocessing
from sightline.errors import SightlineError
from sightline.serving.limits import Limits
from sightline.serving.readers import read_within
from sightline.serving.uploads import receive_files
from sightline.viewer.uploads import Uploads
from targets import dicom, picture, volume
from targets.files import folder

WORDS = (
    *dicom.WORDS,
    *picture.WORDS,
    *volume.WORDS,
    *(
        b"--b\r\n",
        b"--b--\r\n",
        b"Content-Disposition: form-data; name=",
        b"filename=",
        b"Content-Type: ",
        b"\r\n\r\n",
        b"charset=",
    ),
)
_MEDIA = (b"", b"multipart/form-data; boundary=b", b"image/png", b"application/dicom", b"multipart/form-data")
_LIMITS = Limits(max_bytes=1 << 20, max_pixels=1 << 18, max_files=3)


@cache
def _reader() -> ImageReader:
    data = DataSettings(Path(), Preprocessing(size=16), augmentation=None)
    return ImageReader(Cohort(Path(), "multiclass", ("a", "b"), ()), data, 2)


def one(data: bytes) -> None:
    """Send a body as one of several media, and drop it into the viewer; the first byte says as which."""
    kind, body = (data[0] if data else 0), data[1:]
    body = picture.mended(body)
    place = Path(tempfile.mkdtemp(dir=folder()))
    try:
        with suppress(SightlineError, HTTPException):
            for upload in asyncio.run(receive_files(_request(_MEDIA[kind % len(_MEDIA)], body), place, _LIMITS)):
                assert upload.file.parent == place
                with suppress(SightlineError):
                    assert read_within(_reader(), upload.file, _LIMITS).image.shape == (3, 16, 16)
    finally:
        shutil.rmtree(place)
    uploads = _uploads()
    with suppress(SightlineError):
        dropped = asyncio.run(uploads.receive("film.png", _pieces(body)))
        uploads.drop(dropped.key)


@cache
def _uploads() -> Uploads:
    return Uploads()


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _request(media: bytes, body: bytes) -> Request:
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> dict[str, Any]:
        return next(messages)

    headers = [(b"content-type", media), (b"content-length", b"%d" % len(body))]
    return Request({"type": "http", "method": "POST", "headers": headers, "app": None, "query_string": b""}, receive)


def seeds() -> Iterator[tuple[str, bytes]]:
    """A file of each kind as it is, and in a form."""
    films = dict(dicom.seeds())
    yield "dicom", b"\0" + films["grey"]
    yield "dicom-rle", b"\0" + films["rle"]
    for name, data in picture.seeds():
        if name in ("grey.png", "grey.jpg", "grey.bmp", "packed.tif"):
            yield name, b"\0" + data
    for name, data in volume.seeds():
        if name in ("flat.nii", "packed.nii.gz", "bytes.npy"):
            yield name, b"\0" + data[1:]
    part = b'--b\r\nContent-Disposition: form-data; name="files"; filename="../a\\b.png"\r\n'
    part += b"Content-Type: image/png\r\n\r\n%s\r\n"
    png = dict(picture.seeds())["grey.png"]
    yield "form", b"\1" + part % png + b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n--b--\r\n'
    yield "forms", b"\1" + part % png + part % png + b"--b--\r\n"
