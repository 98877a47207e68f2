"""DICOM: one image as it is to be seen or was measured, what its header says, and the planes of a volume."""

from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from sightline.data.readers import Rendering, read_about, read_pixels, read_volume
from sightline.errors import SightlineError
from targets.files import as_file

WORDS = (
    *(b"DICM", b"OB", b"OW", b"SQ", b"US", b"DS", b"IS", b"CS", b"UN", b"\xff\xff\xff\xff", b"\xfe\xff\x00\xe0"),
    *(b"\xfe\xff\xdd\xe0", b"\xe0\x7f\x10\x00", b"\x28\x00\x10\x00", b"\x28\x00\x11\x00", b"\x28\x00\x00\x30"),
    *(b"\x28\x00\x50\x10", b"\x28\x00\x51\x10", b"\x28\x00\x02\x00", b"\x28\x00\x00\x01", b"\x28\x00\x01\x01"),
    *(b"MONOCHROME1", b"MONOCHROME2", b"RGB ", b"YBR_FULL", b"PALETTE COLOR ", b"1.2.840.10008.1.2"),
    *(b"1.2.840.10008.1.2.1.99", b"1.2.840.10008.1.2.2", b"1.2.840.10008.1.2.5", b"1.2.840.10008.1.2.4.50"),
    *(b"1.2.840.10008.1.2.4.70", b"1.2.840.10008.1.2.4.80", b"1.2.840.10008.1.2.4.90", b"1.2.840.10008.1.2.4.201"),
    *(b"\xff\xd8\xff", b"\xff\xc3", b"\xff\xf7", b"\xff\x4f\xff\x51", b"nan", b"inf", b"1e999", b"-1", b"LINEAR_EXACT"),
)
AS_MEASURED = Rendering(window=None)


def one(data: bytes) -> None:
    """Read a file in every way in which a cohort does."""
    with as_file(data, "film.dcm") as path:
        for read in (
            lambda: read_pixels(path),
            lambda: read_pixels(path, colour=True, rendering=AS_MEASURED),
            lambda: read_about(path),
            lambda: read_volume(path),
        ):
            with suppress(SightlineError):
                read()


def seeds() -> Iterator[tuple[str, bytes]]:
    """Films and slices in each transfer syntax, with tables of values, palettes, frames and single bits."""
    grey = (np.arange(12 * 10).reshape(12, 10) * 30).astype(np.uint16)
    eight = (grey >> 4).astype(np.uint8)
    colour = np.stack([eight, eight.T[:10, :12].reshape(12, 10), 255 - eight], axis=2)
    yield "grey", film(grey, WindowCenter="1800", WindowWidth="3000", PhotometricInterpretation="MONOCHROME1")
    yield "implicit", film(grey.astype(np.int16), ImplicitVRLittleEndian, RescaleSlope="1", RescaleIntercept="-1024")
    yield "big", film(grey, ExplicitVRBigEndian, PixelPaddingValue=0)
    yield "deflated", film(eight, DeflatedExplicitVRLittleEndian, PatientOrientation=["R", "F"])
    yield "colour", film(colour, PhotometricInterpretation="RGB", PlanarConfiguration=0)
    yield "rle", film(colour, RLELossless, compress=True, PhotometricInterpretation="RGB", PlanarConfiguration=0)
    yield "jpegls", film(grey, JPEGLSLossless, compress=True)
    yield "jpeg", film(eight, JPEGBaseline8Bit, [_saved(eight, "JPEG")])
    yield (
        "jpeg-colour",
        film(
            colour,
            JPEGBaseline8Bit,
            [_saved(colour, "JPEG")],
            PhotometricInterpretation="YBR_FULL_422",
            PlanarConfiguration=0,
        ),
    )
    yield "jpeg2000", film(eight, JPEG2000Lossless, [_saved(eight, "JPEG2000", no_jp2=True)])
    yield "lossless", film(eight, JPEGLosslessSV1, [_lossless(eight)])
    palette = {f"{name}PaletteColorLookupTableDescriptor": [256, 0, 16] for name in ("Red", "Green", "Blue")}
    palette |= {
        f"{name}PaletteColorLookupTableData": np.arange(256, dtype=np.uint16).tobytes()
        for name in ("Red", "Green", "Blue")
    }
    yield "palette", film(eight, PhotometricInterpretation="PALETTE COLOR", **palette)
    table = Dataset()
    table.LUTDescriptor, table.LUTData = [16, 0, 12], np.arange(0, 4096, 256, dtype=np.uint16).tobytes()
    yield "table", film(eight, VOILUTSequence=[table], ModalityLUTSequence=[table])
    place = {"ImageOrientationPatient": [1, 0, 0, 0, 1, 0], "ImagePositionPatient": [0, 0, 0], "PixelSpacing": [1, 1]}
    yield "slice", film(grey.astype(np.int16), SliceThickness="2.5", **place)
    yield "frames", film(np.stack([eight, eight]), **_frames(place))
    yield (
        "bits",
        film(
            eight,
            None,
            [np.packbits(np.ones(240, np.uint8)).tobytes()],
            NumberOfFrames="2",
            BitsAllocated=1,
            BitsStored=1,
            HighBit=0,
        ),
    )


def film(
    pixels: np.ndarray,
    syntax: str | None = ExplicitVRLittleEndian,
    frames: list[bytes] | None = None,
    *,
    compress: bool = False,
    **elements: Any,
) -> bytes:
    """Make a DICOM file of pixels `(H, W)`, `(H, W, 3)` or `(N, H, W)`, or of frames that are encoded already."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.7", "1.2.3"
    meta.TransferSyntaxUID = syntax or ExplicitVRLittleEndian
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    several = pixels.ndim == 3 and pixels.shape[2] != 3
    data.Rows, data.Columns = pixels.shape[several : several + 2]
    if several:
        data.NumberOfFrames = str(len(pixels))
    data.SamplesPerPixel = 3 if pixels.ndim == 3 and not several else 1
    data.BitsAllocated = data.BitsStored = pixels.dtype.itemsize * 8
    data.HighBit, data.PixelRepresentation = data.BitsStored - 1, int(pixels.dtype.kind == "i")
    data.PhotometricInterpretation = "MONOCHROME2"
    for keyword, value in elements.items():
        setattr(data, keyword, value)
    big = syntax == ExplicitVRBigEndian
    raw = pixels.astype(pixels.dtype.newbyteorder(">")).tobytes() if big else pixels.tobytes()
    if frames is None:
        data.PixelData = raw
    else:
        data.PixelData = encapsulate(frames) if syntax else b"".join(frames)
    data["PixelData"].VR = "OW" if data.BitsAllocated > 8 and frames is None else "OB"
    if compress:
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.compress(syntax, generate_instance_uid=False)
    elif frames is not None and syntax:
        data["PixelData"].is_undefined_length = True
    out = BytesIO()
    how = {"implicit_vr": False, "little_endian": False} if big else {}  # FileDataset was not read as such
    dcmwrite(out, data, enforce_file_format=True, **how)
    return out.getvalue()


def _frames(place: dict[str, list[float]]) -> dict[str, Any]:
    def item(**elements: Any) -> Dataset:
        made = Dataset()
        for keyword, value in elements.items():
            setattr(made, keyword, value)
        return made

    shared = item(
        PlaneOrientationSequence=[item(ImageOrientationPatient=place["ImageOrientationPatient"])],
        PixelMeasuresSequence=[item(PixelSpacing=place["PixelSpacing"], SliceThickness="2")],
    )
    own = [item(PlanePositionSequence=[item(ImagePositionPatient=[0, 0, 2.0 * z])]) for z in range(2)]
    return {"SharedFunctionalGroupsSequence": [shared], "PerFrameFunctionalGroupsSequence": own}


def _saved(pixels: np.ndarray, kind: str, **options: Any) -> bytes:
    out = BytesIO()
    Image.fromarray(pixels).save(out, kind, **options)
    return out.getvalue()


def _lossless(pixels: np.ndarray) -> bytes:
    """Write 8-bit pixels as lossless JPEG of the first predictor, with a table that has each length of difference."""
    codes = {0: "0", **{size: "1" * size + "0" for size in range(1, 9)}}
    bits = ""
    before = np.zeros_like(pixels, int)
    before[:, 1:], before[1:, 0], before[0, 0] = pixels[:, :-1], pixels[:-1, 0], 128
    for step in (pixels.astype(int) - before).ravel():
        size = int(abs(step)).bit_length()
        bits += codes[size] + (format(step if step > 0 else step + (1 << size) - 1, f"0{size}b") if size else "")
    bits += "1" * (-len(bits) % 8)
    coded = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    lengths = [1] * 9 + [0] * 7
    table = bytes([0, *lengths, *range(9)])
    height, width = pixels.shape
    segments = (
        (0xC4, table),
        (0xC3, bytes([8, height >> 8, height & 255, width >> 8, width & 255, 1, 1, 0x11, 0])),
        (0xDA, bytes([1, 1, 0, 1, 0, 0])),
    )
    head = b"".join(bytes([0xFF, kind]) + (len(body) + 2).to_bytes(2, "big") + body for kind, body in segments)
    return b"\xff\xd8" + head + coded + b"\xff\xd9"
