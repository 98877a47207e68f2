"""What is malformed, truncated, oversized or meant to harm is refused in one line, and changes nothing."""

import gzip
import io
import os
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient


@pytest.fixture(autouse=True)
def _unchanged(client: TestClient, files: list[Path]) -> Iterator[None]:
    """Before and after, the service answers the same, and nothing of a request is left."""
    body = files[0].read_bytes()
    before = client.post("/predict", content=body).json()
    yield
    assert client.post("/predict", content=body).json() == before
    assert client.get("/metrics").text.count("sightline_in_flight 0")


def refusal(client: TestClient, status: int, **request: Any) -> str:
    reply = client.post("/predict", **request)
    assert reply.status_code == status, reply.text
    assert list(reply.json()) == ["error"]
    words = reply.json()["error"]
    assert "\n" not in words
    assert "Traceback" not in words
    assert "/tmp" not in words
    return words


class Harm:
    """Leaves a mark where it is unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return os.mkdir, ("harm-was-done",)


def _png(width: int, height: int, data: bytes = b"") -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def _npy(header: str, data: bytes = b"") -> bytes:
    text = header.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + data


def _nifti(shape: tuple[int, ...], data: bytes = b"") -> bytes:
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into(f"<{len(shape) + 1}h", header, 40, len(shape), *shape)
    struct.pack_into("<hh", header, 70, 4, 16)
    struct.pack_into("<f", header, 108, 352.0)
    header[344:348] = b"n+1\0"
    return bytes(header) + data


def _dicom(**values: Any) -> bytes:
    pydicom = pytest.importorskip("pydicom")
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    plain = {"Rows": 8, "Columns": 8, "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0}
    plain |= {"SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "PixelData": bytes(range(64))}
    for name, value in (plain | values).items():
        setattr(data, name, value)
    file = io.BytesIO()
    pydicom.dcmwrite(file, data, enforce_file_format=True)
    return file.getvalue()


def test_a_good_dicom_file_is_taken(client: TestClient) -> None:
    assert client.post("/predict", content=_dicom()).status_code == 200


def _bmp_of_text() -> bytes:
    return b"BM" + b"A" * 400


BOMBS = {
    "a PNG of 12000 x 12000": (_png(12000, 12000, zlib.compress(b"\0" * 1000)), "declares 12000 x 12000 pixels"),
    "a PNG beyond Pillow's own limit": (_png(60000, 60000), "unreadable"),
    "a PNG of nothing": (_png(0, 5), "unreadable"),
    "an array of 10^12": (
        _npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000), }"),
        "unreadable or truncated array",
    ),
    "an array of a negative length": (
        _npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 4), }"),
        "unreadable or truncated array",
    ),
    "an array with a program for a header": (_npy("__import__('os').mkdir('harm-was-done')"), "unreadable"),
    "a NIfTI of 32767^3": (_nifti((32767, 32767, 32767)), "declares 32767 x 32767 x 32767 pixels"),
    "a NIfTI of no length": (_nifti((0, 4, 4)), "which is no image"),
    "a gzip of a giant NIfTI": (gzip.compress(_nifti((32767, 32767, 32767))), "declares 32767 x"),
    "a gzip bomb": (gzip.compress(_nifti((64, 64, 1)) + bytes(16 << 20)), "unpacks to more than 9437184 bytes"),
    "a gzip of text": (gzip.compress(b"none" * 100), "a gzip that holds no NIfTI file"),
    "an empty gzip": (gzip.compress(b""), "an empty gzip file"),
    "half a gzip": (gzip.compress(os.urandom(999) + bytes(999))[:500], "gzip"),
    "a BMP of text": (_bmp_of_text(), "unreadable"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_does_not_go_off(client: TestClient, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    body, message = BOMBS[name]
    assert message in refusal(client, 422, content=body)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"Rows": 65535, "Columns": 65535}, "declares 1 x 65535 x 65535 pixels"),
        ({"NumberOfFrames": 2**31 - 1}, "says that it has 2147483647 frames, more than it has bytes"),
        ({"NumberOfFrames": 4}, "has 4 frames, not one"),
        ({"Rows": 0}, "which is no image"),
        ({"Rows": 512}, "cannot decode pixels"),
        ({"BitsAllocated": 7}, "cannot decode pixels"),
    ],
)
def test_dicom_that_lies_about_its_size_is_refused(client: TestClient, values: dict[str, Any], message: str) -> None:
    assert message in refusal(client, 422, content=_dicom(**values))


def test_deflated_dicom_that_grows_is_stopped_by_the_memory_limit(client: TestClient) -> None:
    from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

    plain = _dicom()
    old, new = str(ExplicitVRLittleEndian).encode() + b"\0", str(DeflatedExplicitVRLittleEndian).encode()
    at = plain.index(old)
    body_at = plain.index(b"\x08\x00\x16\x00")  # the first element after the meta header
    meta = plain[: at - 2] + struct.pack("<H", len(new)) + new + plain[at + len(old) :]
    shift = len(new) - len(old)
    length_at = plain.index(b"\x02\x00\x00\x00UL") + 8
    (length,) = struct.unpack_from("<I", plain, length_at)
    meta = meta[:length_at] + struct.pack("<I", length + shift) + meta[length_at + 4 : body_at + shift]
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block, packed = bytes(1 << 20), b""
    for _ in range(700):
        packed += packer.compress(block)
    body = meta + packed + packer.flush()
    assert len(body) < 1 << 20
    assert refusal(client, 422, content=body) == "image.dcm: unreadable or truncated DICOM file (MemoryError)"


def test_pickles_stay_closed(
    client: TestClient, npy: Callable[..., bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    inside = npy(np.array([Harm()], object), pickled=True)
    assert "unreadable or truncated array" in refusal(client, 422, content=inside)
    file = io.BytesIO()
    np.savez(file, a=np.array([Harm()], object))
    assert "is no file that is read here" in refusal(client, 415, content=file.getvalue())
    refusal(client, 415, content=pickle.dumps(Harm()))
    assert not list(tmp_path.iterdir())


def test_a_zip_is_no_image(client: TestClient) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(8 << 20))
    assert "it must be PNG, JPEG, DICOM" in refusal(client, 415, content=file.getvalue())


@pytest.mark.parametrize("form", ["PNG", "JPEG", "TIFF", "BMP"])
def test_pictures_cut_anywhere_are_refused(client: TestClient, png: Callable[..., bytes], form: str) -> None:
    whole = png(64, 64, form)
    assert client.post("/predict", content=whole).status_code == 200
    for length in (20, len(whole) // 2, len(whole) - 100):
        refusal(client, 422, content=whole[:length])


def test_formats_that_pillow_could_open_are_no_way_in(client: TestClient) -> None:
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%touch harm) (w) file\n"
    refusal(client, 415, content=script)
    for form in ("GIF", "WEBP", "PPM", "ICO"):
        file = io.BytesIO()
        Image.new("L", (16, 16)).save(file, form)
        refusal(client, 415, content=file.getvalue())


@pytest.mark.parametrize(
    "name",
    [
        "../../../../etc/passwd",
        "/etc/cron.d/evil.png",
        "..\\..\\windows\\evil.png",
        "a\0b.png",
        "a\r\nSet-Cookie: x=1.png",
        "x" * 3000 + ".png",
        "\u202egnp.exe",
        "file.png#part",
        "",
    ],
)
def test_what_a_client_calls_a_file_is_only_shown(
    client: TestClient, png: Callable[..., bytes], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    reply = client.post("/predict", files={"file": (name or None, png(), "image/png")})
    if reply.status_code == 200:
        shown = reply.json()["predictions"][0]["name"]
        assert not set(shown) & set("/\\\0\r\n")
        assert len(shown) <= 128
    else:
        assert reply.status_code in (400, 422)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("media", "status"),
    [
        ("image/jpeg", 415),
        ("application/dicom", 415),
        ("application/json", 415),
        ("text/html", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data", 400),
        ("multipart/form-data; boundary=" + "x" * 300, 400),
        ("x" * 5000, 415),
    ],
)
def test_a_wrong_content_type_is_refused(
    client: TestClient, png: Callable[..., bytes], media: str, status: int
) -> None:
    refusal(client, status, content=png(), headers={"content-type": media})


def test_parts_sent_as_something_else_are_refused(client: TestClient, png: Callable[..., bytes]) -> None:
    for media in ("image/jpeg", "text/plain", "image/svg+xml"):
        words = refusal(client, 415, files={"file": ("a.png", png(), media)})
        assert words == f"image is PNG, but was sent as {media}"
    assert client.post("/predict", files={"file": ("a.txt", png(), "application/octet-stream")}).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--b\r\n",
        b"--b--\r\n",
        b"--b\r\nContent-Disposition: form-data\r\n\r\nx\r\n--b--\r\n",
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n\x89PNG',
        b"--b\r\n" + b"A" * 9000 + b": x\r\n\r\nx\r\n--b--\r\n",
        b"--b\r\n" + b"a: b\r\n" * 500 + b"\r\nx\r\n--b--\r\n",
        b"not a form at all",
        b'--b\r\nContent-Disposition: form-data; name="a..b"; filename="a..b.png"\r\n\r\nx\r\n--b--\r\n',
    ],
)
@pytest.mark.parametrize("charset", ["utf-8", "undefined", "idna", "rot13", "none such"])
def test_a_malformed_form_is_refused(client: TestClient, body: bytes, charset: str) -> None:
    form = {"content-type": f"multipart/form-data; boundary=b; charset={charset}"}
    reply = client.post("/predict", content=body, headers=form)
    assert 400 <= reply.status_code < 500
    assert list(reply.json()) == ["error"]


def test_too_many_files_and_fields_are_refused(client: TestClient, png: Callable[..., bytes]) -> None:
    many = [("file", (f"{number}.png", png(), "image/png")) for number in range(4)]
    assert refusal(client, 413, files=many) == "at most 3 files are taken in a request, got 4"
    assert 400 <= client.post("/predict", files=many * 5).status_code < 500
    words = refusal(client, 422, files={"file": ("a.png", png(), "image/png")}, data={"method": "lrp"})
    assert "form field 'method' is no file" in words
    reply = client.post("/explain", files=many[:2])
    assert (reply.status_code, "one image is explained" in reply.text) == (422, True)


def test_too_many_bytes_are_refused_with_and_without_their_length(client: TestClient) -> None:
    words = "the body is larger than the 1048576 bytes that are taken here"
    assert refusal(client, 413, content=bytes(2 << 20)) == words

    def endless() -> Iterator[bytes]:
        for _ in range(40):
            yield bytes(1 << 16)

    assert refusal(client, 413, content=endless()) == words
    form = {"content-type": "multipart/form-data; boundary=b"}
    assert refusal(client, 413, content=endless(), headers=form) == words


def test_a_packed_body_is_refused(client: TestClient, png: Callable[..., bytes]) -> None:
    refusal(client, 415, content=gzip.compress(png()), headers={"content-encoding": "gzip"})
