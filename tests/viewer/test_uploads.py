"""Images that are dropped in: measured before they are decoded, and gone in the end."""

import asyncio
import gzip
import io
import pickle
import struct
import zipfile
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import nibabel
import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from sightline.answering import Answerer
from sightline.errors import DataError
from sightline.viewer.desk import Desk
from sightline.viewer.uploads import TooLargeError, Uploads

BYTES = {"content-type": "application/octet-stream"}


def png(side: int = 24) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(1).integers(0, 255, (side, side)).astype(np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def dicom(rows: int = 24, *, deflated: bool = False) -> bytes:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, SecondaryCaptureImageStorage

    image = Dataset()
    image.SOPClassUID, image.SOPInstanceUID = SecondaryCaptureImageStorage, "1.2.3"
    image.Rows, image.Columns, image.SamplesPerPixel = rows, 24, 1
    image.BitsAllocated = image.BitsStored = 8
    image.HighBit, image.PixelRepresentation, image.PhotometricInterpretation = 7, 0, "MONOCHROME2"
    image.PixelData = bytes(range(24)) * 24
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian if deflated else ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = image.SOPClassUID, image.SOPInstanceUID
    image.file_meta = meta
    stream = io.BytesIO()
    image.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def nifti(*shape: int) -> bytes:
    image = nibabel.Nifti1Image(np.zeros((2, 2, 2), np.uint8), np.eye(4))
    data = bytearray(image.to_bytes())
    struct.pack_into("<8h", data, 40, len(shape), *shape, *[1] * (7 - len(shape)))
    return bytes(data)


def bomb() -> bytes:
    """A PNG of a few bytes that says it has many pixels."""
    header = struct.pack(">IIBBBBB", 40_000, 40_000, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + header
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk)) + png()[33:]


def archive() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        packed.writestr("../../evil.npy", b"x")
    return stream.getvalue()


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (Path("/tmp/never"),))


def numpy_pickle() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array([{}], dtype=object), allow_pickle=True)
    return stream.getvalue()


def slice_nifti() -> bytes:
    pixels = np.random.default_rng(2).integers(0, 255, (24, 24, 1)).astype(np.uint8)
    return gzip.compress(nibabel.Nifti1Image(pixels, np.eye(4)).to_bytes())


@pytest.mark.parametrize(
    ("name", "suffix", "content"),
    [("scan.PNG", ".png", png()), ("IM0001", ".dcm", dicom()), ("a b.nii.gz", ".nii.gz", slice_nifti())],
    ids=["png", "dicom", "nifti"],
)
def test_an_image_is_answered_as_by_its_file(
    client: TestClient, images: Path, tmp_path: Path, name: str, suffix: str, content: bytes
) -> None:
    told = client.post("/api/uploads", params={"name": name}, content=content, headers=BYTES).json()
    assert told["name"] == name
    file = tmp_path / f"a{suffix}"
    file.write_bytes(content)
    (expected,) = Answerer.open(images / "plain").predict([file])
    path, query = f"/api/subjects/{told['key']}", {"run": "plain"}
    answer = client.get(f"{path}/answer", params=query).json()
    assert answer["probabilities"] == pytest.approx(expected.probabilities.tolist(), abs=1e-6)
    assert client.get(path, params=query).json()["upload"] is True
    drawn = client.get(f"{path}/map", params={**query, "method": "lrp", "of": 0}).json()
    assert drawn["peak"] > 0
    assert drawn["inside"] is None
    assert client.delete(f"/api/uploads/{told['key']}").status_code == 204
    assert client.get(f"{path}/answer", params=query).json()["problem"]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 422),
        (b"<svg onload=alert(1)>", 422),
        (png()[:60], 422),
        (pickle.dumps(Evil()), 422),
        (numpy_pickle(), 422),
        (archive(), 422),
        (gzip.compress(bytes(100_000)), 422),
        (dicom(deflated=True), 422),
        (bomb(), 413),
        (dicom(rows=60_000), 413),
        (nifti(2000, 2000, 2000), 413),
        (gzip.compress(nifti(30_000, 30_000)), 413),
        (png() + bytes(300_000), 413),
    ],
    ids=[
        *("empty", "markup", "truncated", "pickle", "numpy pickle", "zip", "gzip", "deflated"),
        *("png bomb", "dicom bomb", "nifti bomb", "packed nifti bomb", "too long"),
    ],
)
def test_what_is_no_image_or_too_large_is_refused_and_leaves_nothing(
    client: TestClient, desk: Desk, content: bytes, status: int
) -> None:
    answered = client.post("/api/uploads", params={"name": "../../x.png"}, content=content, headers=BYTES)
    told = answered.json()
    if answered.status_code == 200:  # its header is whole, so that only its reader finds out
        told = client.get(f"/api/subjects/{told['key']}/answer", params={"run": "plain"}).json()
        assert status == 422
        assert "problem" in told
        return
    assert answered.status_code == status
    assert told["error"]
    assert list(Path(desk.uploads._folder.name).iterdir()) == []


def test_a_form_is_not_taken(client: TestClient) -> None:
    assert client.post("/api/uploads", files={"file": png()}).status_code == 415


def test_names_are_for_the_eye_and_files_are_ours(client: TestClient, desk: Desk) -> None:
    told = client.post("/api/uploads", params={"name": "../..\\etc/pass\x00wd\n.png"}, content=png(), headers=BYTES)
    assert told.json()["name"] == "passwd.png"
    (kept,) = Path(desk.uploads._folder.name).iterdir()
    assert kept.name == f"{told.json()['key']}.png"
    desk.close()
    assert not kept.parent.exists()


def test_a_stream_that_grows_is_cut_off_and_the_oldest_go() -> None:
    uploads = Uploads(most_bytes=1000)

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(400)

    async def whole(content: bytes) -> AsyncIterator[bytes]:
        yield content

    with pytest.raises(TooLargeError):
        asyncio.run(uploads.receive("x", endless()))
    keys = [asyncio.run(uploads.receive("x", whole(png(8)))).key for _ in range(25)]
    with pytest.raises(DataError, match="drop it in again"):
        uploads.find(keys[0])
    assert uploads.find(keys[-1]).file.is_file()
    assert len(list(Path(uploads._folder.name).iterdir())) == 24
    uploads.close()
