"""The grey pipeline of a DICOM image: stored values, padding, modality LUT, VOI LUT or window, polarity.

The order is that of PS3.4 N.2, without what a presentation state would add. Colour has no such pipeline.
"""

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from sightline.data.images import Array
from sightline.data.readers.rendering import PERCENTILES, Function, Rendering, spread, windowed
from sightline.errors import DataError

if TYPE_CHECKING:
    from pydicom import Dataset


def padding(stored: Array, header: "Dataset") -> Array:
    """Return where an image is padding, which is not part of it.

    PixelPaddingValue alone, or all values between it and PixelPaddingRangeLimit. Where a writer gave a negative value
    as an unsigned one, it is read as negative.

    Args:
        stored: stored values, `(H, W)`.
        header: elements of the frame.

    Reference:
        PS3.3 C.7.5.1.1.2.
    """
    value = header.get("PixelPaddingValue")
    if value is None or stored.dtype.kind == "f":
        return np.zeros(stored.shape, bool)
    limit = header.get("PixelPaddingRangeLimit")
    ends = [int(end) for end in (value, value if limit is None else limit)]
    if stored.dtype.kind == "i":
        whole = 1 << int(header.BitsAllocated)
        ends = [end - whole if end >= whole // 2 else end for end in ends]
    found: Array = (stored >= min(ends)) & (stored <= max(ends))
    return found


def measured(stored: Array, header: "Dataset") -> Array:
    """Return the values that stored ones stand for, such as HU, by the modality LUT or the rescale slope and intercept.

    Args:
        stored: stored values, `(H, W)`.
        header: elements of the frame.

    Returns:
        float64 where rescaled by other than 1 and 0, else whole numbers, `(H, W)`.

    Reference:
        PS3.3 C.11.1.1; the sequence excludes slope and intercept.
    """
    sequence = header.get("ModalityLUTSequence")
    if sequence:
        return look_up(stored, sequence[0])[0]
    slope, intercept = header.get("RescaleSlope"), header.get("RescaleIntercept")
    slope = 1.0 if slope is None else float(slope)
    intercept = 0.0 if intercept is None else float(intercept)
    if slope == 0 or not np.isfinite([slope, intercept]).all():
        raise DataError(f"rescale slope must not be 0, got {slope:g} with the intercept {intercept:g}")
    return stored if (slope, intercept) == (1, 0) else stored.astype(np.float64) * slope + intercept


def look_up(values: Array, lut: "Dataset") -> tuple[Array, int]:
    """Map values by a look-up table: those before its first entry to the first, those beyond to the last.

    The descriptor is the number of entries (0 for 65,536), the value mapped first, and the bits of an entry. Its second
    number is signed where the values are, however it was written.

    Args:
        values: whole numbers, or numbers to be rounded.
        lut: an item with LUTDescriptor and LUTData.

    Returns:
        Entries, shaped as `values`, and the largest number that their bits can hold.

    Reference:
        PS3.3 C.11.1.1.1 and C.11.2.1.1.
    """
    entries, first, bits = (int(number) for number in lut.LUTDescriptor)
    if not 1 <= bits <= 16:
        raise DataError(f"a look-up table must have 1 to 16 bits an entry, got {bits}")
    table = _entries(lut, entries or 1 << 16)
    if values.size and first >= 1 << 15 and values.min() < 0:
        first -= 1 << 16
    index = np.clip(np.rint(values).astype(np.int64) - first, 0, len(table) - 1)
    return table[index], (1 << bits) - 1


def _entries(lut: "Dataset", entries: int) -> Array:
    """Return the entries of a table, of 8 bits where its bytes are as many as its entries."""
    value = lut.LUTData
    if isinstance(value, bytes):
        order = ">" if lut.original_encoding[1] is False else "<"
        kind = "u1" if len(value) in (entries, entries + entries % 2) else f"{order}u2"
        table: Array = np.frombuffer(value[: entries * np.dtype(kind).itemsize], kind)
    else:
        table = np.atleast_1d(np.asarray(value))[:entries]
    if not len(table):
        raise DataError("a look-up table without entries")
    return table.astype(np.int64)


def rendered(stored: Array, header: "Dataset", rendering: Rendering) -> Array:
    """Return the brightness of a grey image, or its measured values.

    Padding becomes the darkest value of the image proper. Without a LUT and a window in the file, an image of up to 8
    bits takes the whole range of its bits, since it was made for the eye, and one of more bits the range of its own
    values. MONOCHROME1 and the PresentationLUTShape INVERSE both say that the smallest value is white, one by the
    other (PS3.3 C.7.6.1), so both together invert once.

    Args:
        stored: stored values, `(H, W)`.
        header: elements of the frame.
        rendering: what to make of it.

    Returns:
        `(H, W)` float32, in [0, 1] unless `rendering.window` is None.

    Raises:
        DataError: the file's window cannot be used, or the chosen one is not there.
    """
    empty = padding(stored, header)
    if empty.all():  # then it is no padding
        empty = np.zeros_like(empty)
    values = measured(stored, header)
    proper = values[~empty] if empty.any() else values
    if rendering.window is None:
        plain: Array = np.where(empty, proper.min(), values).astype(np.float32)
        return plain
    if rendering.window == "percentile":
        low, high = (float(limit) for limit in np.percentile(proper, PERCENTILES))
        brightness = spread(values, (low, high))
    elif rendering.window == "file":
        brightness = _as_the_file_says(values, proper, header, rendering.choice)
    else:
        brightness = windowed(values, *rendering.window)
    if header.get("PhotometricInterpretation") == "MONOCHROME1" or header.get("PresentationLUTShape") == "INVERSE":
        brightness = 1 - brightness
    if empty.any():
        brightness[empty] = brightness[~empty].min()
    return brightness


def _as_the_file_says(values: Array, proper: Array, header: "Dataset", choice: int) -> Array:
    """Apply a VOI LUT, else a window, else the range that holds all values."""
    luts = header.get("VOILUTSequence") or []
    centres, widths = _numbers(header.get("WindowCenter")), _numbers(header.get("WindowWidth"))
    count = len(luts) or min(len(centres), len(widths))
    if count and choice >= count:
        raise DataError(f"window {choice} was asked for, counted from 0, but the file has {count}")
    if luts:
        entries, largest = look_up(values, luts[choice])
        return np.clip(entries / largest, 0, 1).astype(np.float32)
    if count:
        function = str(header.get("VOILUTFunction") or "LINEAR").upper()
        return windowed(values, centres[choice], widths[choice], cast(Function, function))
    if int(header.get("BitsStored") or 16) <= 8:
        bits, signed = int(header.BitsStored), bool(header.get("PixelRepresentation"))
        ends = np.asarray([-(1 << bits - 1), (1 << bits - 1) - 1] if signed else [0, (1 << bits) - 1])
        low, high = sorted(float(end) for end in measured(ends, header))
        return spread(values, (low, high))
    return spread(values, (float(proper.min()), float(proper.max())))


def _numbers(value: Any) -> list[float]:  # noqa: ANN401 - one number, several or none
    if value is None or value == "":
        return []
    return [float(number) for number in (value if hasattr(value, "__iter__") else [value])]
