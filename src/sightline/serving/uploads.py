"""From the body of a request to files: named by us, after what their first bytes say they are."""

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from sightline.serving.content import KINDS, MEDIA, START, UNNAMED, kind_of
from sightline.serving.limits import Limits

FORM = "multipart/form-data"
_LONGEST = 128  # letters of a name that is given back


@dataclass(frozen=True)
class Upload:
    """A file that a client sent.

    Attributes:
        file: where it lies, under a name of ours.
        shown: what the client calls it, fit to be shown; never a path. Empty if it has no name.
    """

    file: Path
    shown: str


async def receive_files(request: Request, folder: Path, limits: Limits) -> list[Upload]:
    """Write the files of a request to a folder.

    Args:
        request: `multipart/form-data` with files under any names, or a file as the body.
        folder: an empty folder of this request.
        limits: how many there may be.

    Raises:
        HTTPException: 400 the form is malformed; 413 too many files; 415 a file is none that we read, or is called
            something else than it is; 422 there is none.
    """
    media = _media(request.headers.get("content-type", ""))
    if media != FORM:
        if media not in (*UNNAMED, *MEDIA):
            raise HTTPException(415, f"a body must be {FORM} or one of {', '.join(MEDIA)}, got {media[:100]}")
        return [await _body(request, folder, media)]
    try:
        form = await request.form(max_files=limits.max_files + 1, max_fields=8)
    except ValueError:  # of a character set that decodes nothing
        raise HTTPException(400, "the form cannot be read") from None
    try:
        return await _parts(form, folder, limits)
    finally:
        await form.close()


async def _body(request: Request, folder: Path, media: str) -> Upload:
    raw = folder / "raw"
    with raw.open("wb") as out:
        async for chunk in request.stream():
            out.write(chunk)
    return Upload(_named(raw, "image", media), "")


async def _parts(form: FormData, folder: Path, limits: Limits) -> list[Upload]:
    parts = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
    for key, value in form.multi_items():
        if not isinstance(value, UploadFile):
            raise HTTPException(
                422, f"form field {key[:100]!r} is no file; parameters go into the query of the address"
            )
    if not parts:
        raise HTTPException(422, "no file came: send it as a part of the form, with a file name")
    if len(parts) > limits.max_files:
        raise HTTPException(413, f"at most {limits.max_files} files are taken in a request, got {len(parts)}")
    found = []
    for number, part in enumerate(parts, 1):
        name = "image" if len(parts) == 1 else f"image-{number}"
        raw = folder / f"raw-{number}"
        await asyncio.to_thread(_copy, part, raw)
        found.append(Upload(_named(raw, name, _media(part.content_type or "")), shown(part.filename or "")))
    return found


def _copy(part: UploadFile, to: Path) -> None:
    with to.open("wb") as out:
        shutil.copyfileobj(part.file, out)


def _named(raw: Path, name: str, media: str) -> Path:
    """Give a file its suffix."""
    with raw.open("rb") as file:
        start = file.read(START)
    kind = kind_of(start)
    if kind is None:
        what = "is empty" if not start else "is no file that is read here"
        raise HTTPException(415, f"{name} {what}; it must be {', '.join(each.title for each in KINDS)}")
    meant = next((each for each in KINDS if media in each.media), None)
    if meant is not kind and (meant is not None or media.startswith(("text/", "image/"))):
        raise HTTPException(415, f"{name} is {kind.title}, but was sent as {media[:100]}")
    return raw.rename(raw.with_name(name + kind.suffix))


def shown(name: str) -> str:
    """Return what a client calls a file without any folder, without what cannot be printed, and not too long."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(letter for letter in last if letter.isprintable())[:_LONGEST]


def _media(header: str) -> str:
    return header.partition(";")[0].strip().lower()
