"""Gaze maps as published work draws them, from each image's own pixels, and where we mend them.

All add a Gaussian per fixation or sample; `docs/methods/gaze.md` says what each code does besides.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from sightline.errors import DataError
from sightline.regions.gaze.heatmap import GazeHeatmap

EGD = GazeHeatmap(sigma=150, unit="pixels", weight="count", truncate=600.5 / 150)
"""Of the fixations of EGD-CXR, as its U-Net learns them and Watanabe et al. after it.

SciPy's filter reaches 600 pixels to either side of the middle one.

Reference:
    Karargyris et al. 2021, doi:10.1038/s41597-021-00863-5; Watanabe et al. 2022, doi:10.3389/fradi.2022.991683.
"""

MT_UNET = GazeHeatmap(sigma=75.5, unit="pixels", weight="count", truncate=250.5 / 75.5)
r"""Of every sample of EGD-CXR (`every_sample`), as MT-UNet and, with the same code, Qiu's thesis learn them.

OpenCV takes $\sigma = 0.3 ((501 - 1) / 2 - 1) + 0.8$ for a kernel of 501 pixels.

Reference:
    Zhu et al. 2022, arXiv:2202.07118; Qiu 2024, chapter 4.
"""

REFLACX = GazeHeatmap(sigma=1, unit="degrees", border="cut", scale="sum")
"""Of the fixations of REFLACX, one degree of visual angle wide as each was seen, by duration.

Reference:
    Bigolin Lanfredi et al. 2022, doi:10.1038/s41597-022-01441-z, and the code of the authors.
"""

PRESETS: Mapping[str, GazeHeatmap] = MappingProxyType(
    {"egd": EGD, "mt_unet": MT_UNET, "qiu": MT_UNET, "reflacx": REFLACX}
)


def through_viridis(heatmap: Tensor) -> Tensor:
    """Return what EGD-CXR's code makes of a map by storing it as a picture: viridis, read back as grey.

    The map is stretched from its least to its greatest value, coloured, stored in 8 bits and made grey by its luma, so
    that where nobody looked is about 0.12 and the most looked-at place about 0.85. It is here to repeat published
    numbers; as a region it says that everywhere may be looked at a little.

    Args:
        heatmap: `(1, H, W)`, or any shape of one map; NaN throughout if unknown, and then so is the result.

    Returns:
        Shaped as `heatmap`, float32.

    Raises:
        DataError: the map has one value throughout, which cannot be stretched.
    """
    from matplotlib import colormaps  # slow to load

    if heatmap.isnan().any():
        return torch.full_like(heatmap, torch.nan, dtype=torch.float32)
    least, most = heatmap.min(), heatmap.max()
    if least == most:
        raise DataError(f"a map of {least:g} throughout has no range to colour")
    rgb = colormaps["viridis"](((heatmap - least) / (most - least)).cpu().numpy(), bytes=True)[..., :3]
    luma = np.rint(rgb @ np.asarray((0.299, 0.587, 0.114))) / 255  # ITU-R 601, as PIL
    return torch.from_numpy(luma.astype(np.float32)).to(heatmap.device)
