r"""How stored values of a grey DICOM image become brightness: the windows of PS3.3 C.11.2."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from sightline.data.images import Array
from sightline.errors import DataError, SettingsError

Function = Literal["LINEAR", "LINEAR_EXACT", "SIGMOID"]
PERCENTILES = (1.0, 99.0)


@dataclass(frozen=True)
class Rendering:
    """What to make of a DICOM image.

    Attributes:
        window: `file` for the VOI LUT or the window that the file names, `percentile` for the values between the 1st
            and 99th percentile, or a centre and width in the unit of the values. None leaves values as they were
            measured, such as HU, not scaled to [0, 1] and not inverted.
        choice: which of several LUTs or windows of the file, from 0; equals in rank (PS3.3 C.11.2.1.2).
        frame: which frame of several, from 0; None refuses more than one.
        upright: turn the image as `upright` explains.
    """

    window: Literal["file", "percentile"] | tuple[float, float] | None = "file"
    choice: int = 0
    frame: int | None = None
    upright: bool = True

    def __post_init__(self) -> None:
        if isinstance(self.window, str) and self.window not in ("file", "percentile"):
            raise SettingsError(f"window must be 'file', 'percentile', (centre, width) or None, got {self.window!r}")
        if isinstance(self.window, tuple) and not (np.isfinite(self.window).all() and self.window[1] > 0):
            raise SettingsError(f"window must be a centre and a width above 0, got {self.window}")
        if self.choice < 0 or (self.frame or 0) < 0:
            raise SettingsError(f"choice and frame must be at least 0, got {self.choice} and {self.frame}")


def windowed(values: Array, centre: float, width: float, function: Function = "LINEAR_EXACT") -> Array:
    r"""Map values to [0, 1] by a window.

    $$\mathrm{LINEAR:}\quad \frac{x - (c - 0.5)}{w - 1} + 0.5 \qquad
      \mathrm{LINEAR\_EXACT:}\quad \frac{x - c}{w} + 0.5 \qquad
      \mathrm{SIGMOID:}\quad \frac{1}{1 + e^{-4 (x - c) / w}}$$

    clipped to [0, 1]. LINEAR with a width of 1 is a step: 0 up to $c - 0.5$, and 1 above.

    Args:
        values: after the modality LUT.
        centre: $c$, in the unit of the values.
        width: $w$, likewise.
        function: which.

    Returns:
        float32, shaped as `values`.

    Raises:
        DataError: the function is none of these, or the width is below 1 for LINEAR, or not above 0 for the others.

    Reference:
        PS3.3 C.11.2.1.2.1, C.11.2.1.3.1 and C.11.2.1.3.2.
    """
    if function not in get_args(Function):
        raise DataError(f"the function of a window must be one of {', '.join(get_args(Function))}")
    if not np.isfinite([centre, width]).all() or width <= 0 or (function == "LINEAR" and width < 1):
        least = "at least 1" if function == "LINEAR" else "above 0"
        raise DataError(f"a window of the function {function} needs a width {least}, got {width:g}")
    x = values.astype(np.float64)
    if function == "SIGMOID":
        with np.errstate(over="ignore"):
            return (1 / (1 + np.exp(-4 * (x - centre) / width))).astype(np.float32)
    if function == "LINEAR":
        centre, width = centre - 0.5, width - 1
    if width == 0:
        return (x > centre).astype(np.float32)
    return np.clip((x - centre) / width + 0.5, 0, 1).astype(np.float32)


def spread(values: Array, limits: tuple[float, float]) -> Array:
    """Map values to [0, 1] from the lower to the upper limit; where both are one value, 0 up to it and 1 above."""
    low, high = limits
    if high <= low:
        return (values > low).astype(np.float32)
    return windowed(values, (low + high) / 2, high - low)
