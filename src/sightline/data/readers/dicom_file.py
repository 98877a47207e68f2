"""DICOM files opened and decoded, with nothing of the header kept but what pixels need.

Only the elements in `TAGS` are read from a file: who is on the image, when and where it was taken never come into
memory, so they cannot come out of it. The words of pydicom's errors are not passed on either, since they may quote a
value. A UID is compared and never shown.

Decoders: pydicom itself reads what is not compressed, deflated or RLE; Pillow reads JPEG of 8 bits and JPEG 2000; all
else needs the extra `dicom`. One decoder is chosen and no other tried after it, because on a broken file GDCM may end
the whole process and pylibjpeg's RLE raises what no `except Exception` holds; see `jpeg_lossless`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sightline.data.images import Array
from sightline.data.readers.jpeg_lossless import LOSSLESS, decode_lossless
from sightline.errors import DataError, DataNotFoundError, MissingExtraError, SightlineError
from sightline.stores import fetched

if TYPE_CHECKING:
    from pydicom import Dataset

_PALETTE = tuple(
    f"{segmented}{colour}PaletteColorLookupTable{what}"
    for colour in ("Red", "Green", "Blue")
    for segmented, what in (("", "Descriptor"), ("", "Data"), ("Segmented", "Data"))
)
# PS3.3 C.7.6.3 and C.7.6.6, then how values become brightness, then where the plane lies in the patient
_IMAGE = (
    *("SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "Rows", "Columns", "NumberOfFrames"),
    *("BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue", "PixelPaddingRangeLimit"),
    *("ModalityLUTSequence", "RescaleSlope", "RescaleIntercept", "RescaleType", "VOILUTSequence", "WindowCenter"),
    *("WindowWidth", "VOILUTFunction", "PresentationLUTShape", "PixelPresentation", *_PALETTE),
)
_PLANE = (
    *("PatientOrientation", "ImageOrientationPatient", "ImagePositionPatient", "PixelSpacing", "SliceThickness"),
    *("SpacingBetweenSlices", "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
)
_WHICH = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID", "Modality")
_SEGMENTS = ("SegmentationType", "MaximumFractionalValue", "SegmentSequence", "ReferencedSeriesSequence")
_ABOUT = ("ViewPosition", "BodyPartExamined", "ImagerPixelSpacing", "Manufacturer")
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData", "ExtendedOffsetTable", "ExtendedOffsetTableLengths")
_PLUGINS = ("pydicom", "pyjpegls", "pylibjpeg", "pillow")  # of pydicom, in the order of our trust
_INTERPRETATIONS = (
    *("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "HSV", "ARGB", "CMYK", "YBR_FULL", "YBR_FULL_422"),
    *("YBR_PARTIAL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT", "XYB"),
)
_JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
TAGS = (*_IMAGE, *_PLANE, *_WHICH, *_SEGMENTS, *_ABOUT)


@contextmanager
def broken_is_data_error(name: str) -> Iterator[None]:
    """Turn whatever pydicom and the codecs raise on a broken file into a `DataError` without their words.

    Values are decoded when they are looked at, so all that handles a header stands inside.

    Raises:
        DataError: with the name of the file and the kind of the error.
    """
    try:
        yield
    except SightlineError:
        raise
    except Exception as error:
        raise DataError(f"{name}: unreadable or truncated DICOM file ({type(error).__name__})") from None


def open_dicom(path: Path, *, pixels: bool, name: str) -> "Dataset":
    """Read the elements `TAGS` of a DICOM file.

    Args:
        path: the file.
        pixels: also read the pixel data, still encoded.
        name: what to call the file in messages.

    Raises:
        DataNotFoundError: there is no such file.
        DataError: it is no DICOM file, or says that it has more frames than bytes.
    """
    import pydicom  # takes half a second

    if not fetched(path).is_file():
        raise DataNotFoundError(f"{name}: no such image file")
    try:
        tags = [*TAGS, *(_PIXELS if pixels else ())]
        header = pydicom.dcmread(path, specific_tags=tags, stop_before_pixels=not pixels)
    except pydicom.errors.InvalidDicomError:
        raise DataError(f"{name}: no DICOM file, the prefix 'DICM' is missing at byte 128") from None
    with broken_is_data_error(name):
        if "NumberOfFrames" in header and frame_count(header) > path.stat().st_size:
            raise DataError(f"{name}: says that it has {frame_count(header)} frames, more than it has bytes")
    return header


def frame_count(header: "Dataset") -> int:
    """Return the number of frames."""
    return max(int(header.get("NumberOfFrames") or 1), 1)


def of_frame(header: "Dataset", frame: int) -> "Dataset":
    """Return the elements that hold for one frame: those of the file, its shared groups and the frame's own.

    Reference:
        PS3.3 C.7.6.16, Multi-frame Functional Groups: each macro is a sequence of one item.
    """
    from pydicom import Dataset

    groups = [
        *(header.get("SharedFunctionalGroupsSequence") or [])[:1],
        *(header.get("PerFrameFunctionalGroupsSequence") or [])[frame : frame + 1],
    ]
    if not groups:
        return header
    own = Dataset()
    own.update({e.tag: e for e in header if e.keyword not in ("PixelData", "PerFrameFunctionalGroupsSequence")})
    for group in groups:
        for macro in group:
            if macro.VR == "SQ" and macro.value:
                own.update({element.tag: element for element in macro.value[0]})
    return own


def stored_pixels(header: "Dataset", *, frame: int = 0, name: str) -> tuple[Array, str]:
    """Decode one frame.

    Bits beyond BitsStored, where old files keep overlays, are cut off, and the sign is extended (PS3.5, 8.1.1).
    Luminance and chrominance become RGB (PS3.3 C.7.6.3.1.2).

    Args:
        header: from `open_dicom` with pixels.
        frame: which, from 0.
        name: what to call the file in messages.

    Returns:
        Stored values, `(H, W)` or `(H, W, 3)`, and the photometric interpretation they have now.

    Raises:
        DataError: there are no pixels, or they cannot be decoded.
        MissingExtraError: they can, by a package that is not installed.
    """
    from pydicom.pixels.decoders.base import get_decoder

    if not any(keyword in header for keyword in _PIXELS[:3]):
        raise DataError(f"{name}: DICOM file without pixel data, or cut off before their end")
    syntax = header.file_meta.TransferSyntaxUID
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        raise DataError(f"{name}: transfer syntax {_plain(syntax)} is not one we can read") from None
    plugin = next((plugin for plugin in _PLUGINS if plugin in decoder.available_plugins), "")
    lossless = syntax in LOSSLESS and not plugin and "gdcm" in decoder.available_plugins
    if syntax.is_encapsulated and not plugin and not lossless:
        raise MissingExtraError(
            f"{name}: reading {_plain(syntax)} needs the extra 'dicom': pip install 'sightline[dicom]'"
        )
    try:
        if _is_packed(header):
            return _unpacked(header, frame), photometric(header)
        if lossless:
            return decode_lossless(header, frame, decoder)
        pixels, how = decoder.as_array(header, index=frame, decoding_plugin=plugin)
    except Exception as error:
        what = f"{_plain(syntax)}, {photometric(header)}, {header.get('Columns')} x {header.get('Rows')} pixels"
        raise DataError(
            f"{name}: cannot decode pixels of {what} ({type(error).__name__}); {_advice(syntax, header)}"
        ) from None
    return pixels, str(how["photometric_interpretation"])


def _is_packed(header: "Dataset") -> bool:
    """Tell whether frames of single bits may begin within a byte, at which pydicom 3.0 stumbles (PS3.5, 8.1.1)."""
    syntax = header.file_meta.TransferSyntaxUID
    single = int(header.get("BitsAllocated") or 0) == 1 and frame_count(header) > 1
    return single and not syntax.is_encapsulated and bool(syntax.is_little_endian)


def _unpacked(header: "Dataset", frame: int) -> Array:
    rows, columns = int(header.Rows), int(header.Columns)
    first, end = frame * rows * columns, (frame + 1) * rows * columns
    some = np.frombuffer(header.PixelData, np.uint8)[first // 8 : (end + 7) // 8]
    bits = np.unpackbits(some, bitorder="little")
    return bits[first % 8 : first % 8 + rows * columns].reshape(rows, columns)


def _advice(syntax: str, header: "Dataset") -> str:
    """Return what to do about pixels that no decoder could read."""
    if syntax == _JPEG_EXTENDED and int(header.get("BitsStored") or 0) > 8:
        return "more than 8 bits of it take pylibjpeg-libjpeg (GPL), or another transfer syntax"
    return "truncated?"


def photometric(header: "Dataset") -> str:
    """Return the photometric interpretation if it is one of the standard (PS3.3 C.7.6.3.1.2)."""
    word = code(header.get("PhotometricInterpretation"))
    return word if word in _INTERPRETATIONS else "unknown photometric interpretation"


def code(value: Any) -> str:  # noqa: ANN401 - any value of an element
    """Return a value if it is a coded string (PS3.5, 6.2, CS), else nothing."""
    text = str(value or "").strip()
    return (
        text if len(text) <= 16 and all(c.isascii() and (c.isupper() or c.isdigit() or c in " _") for c in text) else ""
    )


def _plain(syntax: Any) -> str:  # noqa: ANN401 - pydicom's UID
    """Return the name of a transfer syntax of the standard; others are only called unknown."""
    return str(syntax.name) if not syntax.is_private and str(syntax.name) != str(syntax) else "unknown"
