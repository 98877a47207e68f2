"""A signed explanation laid over its image: red speaks for the class, blue against it."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from scipy import ndimage

from sightline.errors import DataError, ShapeError
from sightline.runs import atomic_path
from sightline.showing import AGAINST, FOR

OUTLINE = (250, 204, 21)  # yellow: apart from red, blue and grey for colour-blind readers too

Floats = NDArray[np.float64]


def heatmap_overlay(
    image: ArrayLike,
    attribution: ArrayLike | None = None,
    region: ArrayLike | None = None,
    *,
    size: int | None = None,
    percentile: float = 99.5,
    opacity: float = 0.9,
    smooth: float = 0.0,
) -> NDArray[np.uint8]:
    r"""Colour an image by its explanation.

    Channels are summed, $m = \sum_c R_c$. Zero is transparent; the colour is red where $m > 0$ and blue where $m < 0$,
    with opacity $\propto \min(1, |m| / l)$. The limit $l$ is the percentile of $|m|$, one for both signs, so a few
    extreme pixels do not bleach the rest.

    Args:
        image: `(H, W)` or `(C, H, W)`; float in [0, 1], or unsigned whole numbers over their full range. Shown grey: of
            three channels the mean, of any other number the first, as what comes after it may be no picture.
        attribution: `(H, W)` or `(C, H, W)` of the image's size; None shows the image alone.
        region: outlined at its 0.5 level, `(H, W)` or `(1, H, W)`; None or NaN draws no outline.
        size: longest side of the picture in pixels; None keeps the image's.
        percentile: of the absolute map that is shown at full colour, in (0, 100].
        opacity: of full colour, 0 to 1.
        smooth: adds up relevance in a Gaussian neighbourhood first, its standard deviation as a share of the longest
            side; maps of the input's resolution alternate in sign from pixel to pixel, which the eye mixes to purple.

    Returns:
        `(h, w, 3)` uint8.

    Raises:
        ShapeError: the three do not have the same height and width.
        DataError: image or attribution hold NaN or infinity, or the image leaves its range.
    """
    grey = _grey(np.asarray(image))
    shape = grey.shape
    target = shape if size is None else tuple(max(1, round(side * size / max(shape))) for side in shape)
    picture = np.repeat(np.clip(resized(grey, target), 0, 1)[..., None] * 255, 3, axis=2)
    if attribution is not None:
        signed = signed_map(attribution)
        _check_shape("attribution", signed, shape, "bring it to the image's size with upsample_to")
        if smooth > 0:
            signed = np.asarray(ndimage.gaussian_filter(signed, smooth * max(shape), mode="constant"))
        limit = symmetric_limit(signed, percentile)
        if limit > 0:
            scaled = np.clip(resized(signed / limit, target), -1, 1)
            alpha = (opacity * np.abs(scaled))[..., None]
            picture = (1 - alpha) * picture + alpha * np.where(scaled[..., None] > 0, FOR, AGAINST)
    if region is not None:
        allowed = _plane(np.asarray(region, dtype=float))
        _check_shape("region", allowed, shape, "resize it with the image")
        if np.isfinite(allowed).all():
            steps = max(1.0, 0.6 * max(target) / max(shape))  # rounds the mask's pixels off
            alpha = _outline(resized(allowed, target), width=max(1.0, max(target) / 200), sigma=steps)[..., None]
            picture = (1 - alpha) * picture + alpha * np.asarray(OUTLINE)
    return np.round(picture).astype(np.uint8)


def signed_map(attribution: ArrayLike) -> Floats:
    """Sum the channels of an explanation, `(C, H, W)` or `(H, W)` to `(H, W)`.

    Raises:
        ShapeError: it has another number of axes.
        DataError: it holds NaN or infinity.
    """
    values = np.asarray(attribution, dtype=float)
    if values.ndim not in (2, 3):
        raise ShapeError(f"attribution of one image must be (C, H, W) or (H, W), got {values.shape}")
    if not np.isfinite(values).all():
        raise DataError("attribution holds NaN or infinity; a heatmap of it would say nothing")
    summed: Floats = values.sum(axis=0) if values.ndim == 3 else values
    return summed


def symmetric_limit(signed: Floats, percentile: float = 99.5) -> float:
    """Return the absolute value shown at full colour: the percentile, or the largest where that is 0 (sparse maps)."""
    magnitude = np.abs(signed)
    return float(np.percentile(magnitude, percentile)) or float(magnitude.max(initial=0.0))


def image_png(picture: NDArray[np.uint8]) -> bytes:
    """Encode `(H, W, 3)` or grey `(H, W)` uint8 as PNG."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, format="PNG", optimize=True)
    return stream.getvalue()


def save_image(picture: NDArray[np.uint8], path: Path) -> None:
    """Write `(H, W, 3)` uint8 as PNG, atomically."""
    data = image_png(picture)
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def _grey(image: NDArray[Any]) -> Floats:
    plane = image
    if image.ndim == 3:
        plane = image.mean(axis=0) if len(image) == 3 else image[0]
    if plane.ndim != 2:
        raise ShapeError(f"image must be (C, H, W) or (H, W), got {image.shape}")
    if not np.isfinite(plane).all():
        raise DataError("image holds NaN or infinity; check the file it was read from")
    full = np.iinfo(image.dtype).max if np.issubdtype(image.dtype, np.unsignedinteger) else 1
    grey = np.asarray(plane, dtype=float) / full
    if grey.size and (grey.min() < -1e-3 or grey.max() > 1 + 1e-3):
        raise DataError(f"image must lie in [0, 1], got {grey.min():.3g} to {grey.max():.3g}; undo its normalisation")
    return grey


def _plane(region: Floats) -> Floats:
    return region[0] if region.ndim == 3 and region.shape[0] == 1 else region


def _check_shape(name: str, values: Floats, shape: tuple[int, ...], mend: str) -> None:
    if values.shape != shape:
        raise ShapeError(f"{name} must have the image's height and width {shape}, got {values.shape}; {mend}")


def resized(values: Floats, target: tuple[int, ...]) -> Floats:
    """Bring an array `(H, W)` to another height and width: averages where it shrinks, else smooth in between."""
    if values.shape == target:
        return values
    resample = Image.Resampling.BOX if target[0] < values.shape[0] else Image.Resampling.BICUBIC
    picture = Image.fromarray(values.astype(np.float32)).resize((target[1], target[0]), resample)
    return np.asarray(picture, dtype=float)


def _outline(allowed: Floats, width: float, sigma: float) -> Floats:
    """Opacity of a smooth line along the 0.5 level: distance to it is about |value - 0.5| / slope."""
    smooth = ndimage.gaussian_filter(allowed, sigma, mode="nearest")
    down, across = np.gradient(smooth)
    slope = np.hypot(down, across)
    distance = np.divide(np.abs(smooth - 0.5), slope, out=np.full_like(smooth, np.inf), where=slope > 1e-3)
    return np.asarray(0.9 * np.clip(width / 2 + 0.5 - distance, 0, 1))
