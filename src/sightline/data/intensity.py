"""The plain functions that set the contrast of an image in [0, 1]; `equalise` of the whole histogram is in `images`."""

import numpy as np

from sightline.data.images import Array
from sightline.data.readers.rendering import spread
from sightline.errors import MissingExtraError

Z_LIMIT = 5.0  # standard deviations from the mean that become 0 and 1


def between_percentiles(pixels: Array, percentiles: tuple[float, float]) -> Array:
    r"""Stretch what lies between two percentiles over [0, 1], and clip the rest.

    $$v \mapsto \mathrm{clip}((v - q_a) / (q_b - q_a), 0, 1)$$

    with the percentiles $q_a$ and $q_b$ of all pixels and channels together, interpolated between neighbours. Where
    both are one value, what lies above it becomes 1 and the rest 0.

    Args:
        pixels: `(H, W)` or `(H, W, C)` float.
        percentiles: $a$ and $b$, from 0 to 100.

    Returns:
        float32 in [0, 1], shaped as `pixels`.
    """
    low, high = (float(limit) for limit in np.percentile(pixels.astype(np.float64), percentiles))
    return spread(pixels, (low, high))


def equalise_locally(pixels: Array, *, clip_limit: float = 0.01) -> Array:
    r"""Equalise the histograms of 8 x 8 tiles with limited contrast (CLAHE).

    The image is stretched over [0, 1], the histogram of each tile in 256 bins is cut off at a share of its pixels, with
    what is cut off spread over all bins, and each pixel is mapped by the tables of the four nearest tiles. An image of
    one value stays as it is.

    Args:
        pixels: `(H, W)` or `(D, H, W)` float in [0, 1].
        clip_limit: that share of a tile's pixels. OpenCV's `clipLimit` is 256 times as large: its 2.0 is 0.0078 here.

    Returns:
        float32 in [0, 1], shaped as `pixels`.

    Raises:
        MissingExtraError: scikit-image is not installed.

    Reference:
        Zuiderveld 1994 (Graphics Gems IV), VIII.5; scikit-image, `exposure.equalize_adapthist`.
    """
    try:
        from skimage.exposure import equalize_adapthist
    except ImportError as error:
        raise MissingExtraError("equalise: clahe needs scikit-image: pip install 'sightline[image]'") from error
    pixels = pixels.astype(np.float32)
    if pixels.min() == pixels.max():
        return pixels
    equalised: Array = np.clip(equalize_adapthist(pixels, clip_limit=clip_limit), 0, 1).astype(np.float32)
    return equalised


def standardise(pixels: Array, region: Array | None = None) -> Array:
    r"""Set the mean of an image to 1/2 and ten standard deviations to 1.

    $$v \mapsto \mathrm{clip}\left(\frac12 + \frac{z}{2 \cdot 5}, 0, 1\right), \quad z = \frac{v - \mu}{\sigma}$$

    So $z = 10 v' - 5$ is the z-score of what is returned, as far as it lies within 5 standard deviations, while images
    stay in [0, 1], where black is 0. A $\sigma$ of 0 counts as 1.

    Args:
        pixels: `(H, W)` or `(H, W, C)` float; all channels have one $\mu$ and $\sigma$ (of a population).
        region: take $\mu$ and $\sigma$ where this is not 0, `(H, W)`; by default of the whole image.

    Returns:
        float32 in [0, 1], shaped as `pixels`.
    """
    values = pixels.astype(np.float64)
    told = values if region is None else values[region != 0]
    z = (values - told.mean()) / (told.std() or 1.0)
    unit: Array = np.clip(0.5 + z / (2 * Z_LIMIT), 0, 1).astype(np.float32)
    return unit
