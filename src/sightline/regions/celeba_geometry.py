r"""From the aligned square of CelebA-HQ back to the photo it was cut from.

The square follows from five landmarks of the photo. With the eyes $e_0, e_1$, the corners of the mouth $m_0, m_1$ and
$\mathrm{rot}(v) = (-v_y, v_x)$,

$$a = e_1 - e_0, \quad b = \tfrac12(m_0 + m_1) - \tfrac12(e_0 + e_1), \quad
x = \frac{a - \mathrm{rot}(b)}{|a - \mathrm{rot}(b)|} \max(2|a|, 1.8|b|), \quad y = \mathrm{rot}(x)$$

and around $c = \tfrac12(e_0 + e_1) + 0.1 b$ its corners are $c \mp x \mp y$: a square of side $2|x|$, turned with the
face. What is done to the pixels in between (enlarging, mirrored padding, blurring) moves none of them, so the way back
is a similarity.

Places are in pixels from the upper left corner, x to the right and y down, the middle of the first pixel at (0.5, 0.5).

Reference:
    Karras et al. 2018 (progressive growing of GANs), arXiv:1710.10196, appendix C, and the code of the authors.
"""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from sightline.errors import DataError, ShapeError

Floats = NDArray[np.float64]
Label = TypeVar("Label", bound=np.generic)
# whole-pixel landmarks to places, and once more where the authors give their corners to PIL, which counts like us
_SHIFT = 1.0


def aligned_square(landmarks: NDArray[np.number]) -> Floats:
    """Return the square of a photo that CelebA-HQ shows.

    Args:
        landmarks: of the photo as it was taken, whole pixels: left eye, right eye, nose, left and right corner of the
            mouth, `(5, 2)` as x, y; `left` is as seen.

    Returns:
        Its upper left, lower left, lower right and upper right corner, `(4, 2)` as x, y; they may lie outside the
        photo.

    Raises:
        ShapeError: the landmarks are not five points.
        DataError: they span no square.
    """
    if landmarks.shape != (5, 2):
        raise ShapeError(f"landmarks must be (5, 2), got {landmarks.shape}")
    points = np.asarray(landmarks, np.float64)
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    across, down = points[1] - points[0], mouth - eyes
    x = across - _turned(down)
    length = float(np.hypot(*x))
    if not length > 0:  # also NaN
        raise DataError(f"landmarks span no square: {points.tolist()}")
    x = x / length * max(2.0 * float(np.hypot(*across)), 1.8 * float(np.hypot(*down)))
    y = _turned(x)
    centre = eyes + 0.1 * down + _SHIFT
    return np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y])


def to_square(points: NDArray[np.number], square: Floats) -> Floats:
    """Tell where on the square places of the photo are.

    Args:
        points: `(..., 2)`, x, y.
        square: from `aligned_square`.

    Returns:
        Shaped as `points`: shares of its side, to the right and down; from 0 to 1 inside.
    """
    origin, right, down = square[0], square[3] - square[0], square[1] - square[0]
    axes = np.stack([right / (right @ right), down / (down @ down)], axis=1)  # (2, 2)
    shares: Floats = (points - origin) @ axes
    return shares


def onto_photo(mask: NDArray[Label], square: Floats, size: tuple[int, int]) -> NDArray[Label]:
    """Put a mask of the aligned face onto the photo: each pixel takes the one that its middle falls on.

    Args:
        mask: labels on the square, `(S, S)` of any size and type.
        square: from `aligned_square`.
        size: height and width of the photo, pixels.

    Returns:
        `(*size)`, of the type of `mask`; 0 outside the square.
    """
    rows, columns = np.indices(size)
    shares = to_square(np.stack([columns, rows], axis=-1) + 0.5, square)
    places = np.floor(shares * (mask.shape[1], mask.shape[0])).astype(np.int64)  # column, row
    inside = ((places >= 0) & (places < (mask.shape[1], mask.shape[0]))).all(axis=-1)
    photo = np.zeros(size, mask.dtype)
    photo[inside] = mask[places[inside][:, 1], places[inside][:, 0]]
    return photo


def _turned(vector: Floats) -> Floats:
    """Turn a vector by a right angle, from x towards y."""
    return np.asarray([-vector[1], vector[0]])
