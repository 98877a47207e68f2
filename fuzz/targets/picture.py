"""Pictures: PNG, JPEG, TIFF and BMP, as images and as masks."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

from sightline.data.readers import read_mask, read_unit
from sightline.errors import SightlineError
from targets.files import as_file

WORDS = (
    *(b"\x89PNG\r\n\x1a\n", b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"iCCP", b"zTXt", b"acTL", b"fcTL", b"eXIf"),
    *(b"\xff\xd8\xff", b"\xff\xc0", b"\xff\xc2", b"\xff\xc4", b"\xff\xda", b"\xff\xe1", b"\xff\xe2MPF\0", b"Exif\0\0"),
    *(
        b"II*\0",
        b"MM\0*",
        b"BM",
        b"GIF89a",
        b"RIFF",
        b"WEBP",
        b"%!PS",
        b"8BPS",
        b"\x01\x01\x03\x00",
        b"\x42\x01\x04\x00",
    ),
)
_PNG = b"\x89PNG\r\n\x1a\n"


def one(data: bytes) -> None:
    """Read a picture as an image, in colour and as a mask."""
    with as_file(mended(data), "film.png") as path:
        for read in (lambda: read_unit(path), lambda: read_unit(path, colour=True), lambda: read_mask(path)):
            with suppress(SightlineError):
                read()


def mended(data: bytes) -> bytes:
    """Give each chunk of a PNG the checksum it should have, so that what is in it is looked at."""
    if not data.startswith(_PNG):
        return data
    found, place = [_PNG], len(_PNG)
    while place + 12 <= len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        body = data[place + 4 : place + 8 + length]
        found += [data[place : place + 4], body, struct.pack(">I", zlib.crc32(body))]
        place += 12 + length
    return b"".join(found)


def seeds() -> Iterator[tuple[str, bytes]]:
    """Each kind and depth of picture."""
    grey = (np.arange(9 * 7).reshape(9, 7) * 4).astype(np.uint8)
    rgb = np.stack([grey, grey[::-1], 255 - grey], axis=2)
    pictures = {
        "grey": Image.fromarray(grey),
        "colour": Image.fromarray(rgb),
        "deep": Image.fromarray(grey.astype(np.uint16) * 200),
        "clear": Image.fromarray(np.dstack([rgb, grey])),
        "palette": Image.fromarray(rgb).convert("P"),
        "bits": Image.fromarray(grey).convert("1"),
    }
    for name, picture in pictures.items():
        yield f"{name}.png", _saved(picture, "PNG")
    yield "grey.jpg", _saved(pictures["grey"], "JPEG")
    yield "progressive.jpg", _saved(pictures["colour"], "JPEG", progressive=True, exif=_exif())
    yield "cmyk.jpg", _saved(pictures["colour"].convert("CMYK"), "JPEG")
    yield "deep.tif", _saved(pictures["deep"], "TIFF")
    yield "float.tif", _saved(Image.fromarray(grey.astype(np.float32) / 255), "TIFF")
    yield "packed.tif", _saved(pictures["colour"], "TIFF", compression="tiff_lzw")
    yield "pages.tif", _saved(pictures["grey"], "TIFF", save_all=True, append_images=[pictures["grey"]])
    yield "grey.bmp", _saved(pictures["grey"], "BMP")


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def _saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    out = BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()
