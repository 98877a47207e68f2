"""Where the relevance of an explanation lies, measured image by image.

A measure takes arrays or tensors and answers in kind. It is NaN where it says nothing: the region is unknown (NaN in
the map), or the explanation is zero throughout.
"""

from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sightline.errors import SettingsError, ShapeError

Maps = TypeVar("Maps", NDArray[np.float32], NDArray[np.float64], Tensor)


def relevance_share_inside(attribution: Maps, regions: Maps) -> Maps:
    r"""Share of the relevance that lies where the model may look, whatever its sign.

    $$\sum_{c,p} m_p |R_{cp}| \,/\, \sum_{c,p} |R_{cp}|$$

    Chance is not one half but `region_share(regions)`: what an even map would score.

    Args:
        attribution: signed explanations, `(N, C, *S)`.
        regions: 1 where the model may look, 0 where not, in between by area, NaN where unknown, `(N, 1, *S)`.

    Returns:
        `(N,)` in [0, 1]; NaN where the region is unknown or the explanation is zero.

    Raises:
        ShapeError: maps and regions do not fit.

    Reference:
        Arras et al. 2022, doi:10.1016/j.inffus.2021.11.008 (relevance mass accuracy; there channels are pooled first).
    """
    maps, allowed = _pair(attribution, regions)
    size = maps.abs()
    return _like(_share((size * allowed).flatten(1).sum(1), size.flatten(1).sum(1)), attribution)


def region_share(regions: Maps) -> Maps:
    """Share of each image that its region covers: what an even map scores in `relevance_share_inside`.

    Args:
        regions: 1 where the model may look, 0 where not, NaN where unknown, `(N, 1, *S)`.

    Returns:
        `(N,)` in [0, 1]; NaN where unknown.
    """
    return _like(_tensor(regions).flatten(1).mean(1), regions)


def border_share(attribution: Maps, *, width: float = 0.05) -> Maps:
    """Share of the relevance in the frame along the edge of the image, where markers and collimation stand.

    Args:
        attribution: signed explanations, `(N, C, *S)`.
        width: width of the frame as a share of each side, over 0 to 0.5; at least one pixel is taken.

    Returns:
        `(N,)` in [0, 1]; NaN where the explanation is zero.

    Raises:
        SettingsError: the width lies outside (0, 0.5].
        ShapeError: the maps have no spatial axis.
    """
    if not 0 < width <= 0.5:
        raise SettingsError(f"width must be a share of the side over 0 to 0.5, got {width}")
    maps = _tensor(attribution)
    if maps.ndim < 3:
        raise ShapeError(f"attribution must be (N, C, *S), got {tuple(maps.shape)}")
    size = maps.abs()
    inner = size
    for axis in range(2, maps.ndim):
        frame = max(1, round(width * maps.shape[axis]))
        inner = inner.narrow(axis, min(frame, maps.shape[axis]), max(0, maps.shape[axis] - 2 * frame))
    total = size.flatten(1).sum(1)
    return _like(_share(total - inner.flatten(1).sum(1), total).clamp(0, 1), attribution)


def pointing_game(attribution: Maps, regions: Maps) -> Maps:
    """Whether the strongest evidence for the class lies where the model may look.

    Channels are summed and the largest value is looked up; where several are equally large, the share of them that lie
    inside is given. The original's tolerance of 15 pixels is left out: widen the region instead.

    Args:
        attribution: signed explanations, `(N, C, *S)`.
        regions: 1 where the model may look, 0 where not, NaN where unknown, `(N, 1, *S)`; over half counts as inside.

    Returns:
        1 for a hit, 0 for a miss, `(N,)`; NaN where the region is unknown or the explanation is zero.

    Raises:
        ShapeError: maps and regions do not fit.

    Reference:
        Zhang et al. 2018, doi:10.1007/s11263-017-1059-x, section 4.1.
    """
    maps, allowed = _pair(attribution, regions)
    evidence = maps.sum(1).flatten(1)
    highest = (evidence == evidence.amax(1, keepdim=True)).to(maps.dtype)
    hits = _share((highest * (allowed.flatten(1) > 0.5)).sum(1), highest.sum(1))
    silent = (maps.flatten(1) == 0).all(1) | allowed.flatten(1).isnan().any(1)
    return _like(hits.masked_fill(silent, float("nan")), attribution)


def _pair(attribution: Any, regions: Any) -> tuple[Tensor, Tensor]:  # noqa: ANN401 - arrays or tensors
    maps, allowed = _tensor(attribution), _tensor(regions)
    expected = (maps.shape[0], 1, *maps.shape[2:])
    if maps.ndim < 3 or tuple(allowed.shape) != expected:
        raise ShapeError(
            f"attribution must be (N, C, *S) and regions {expected}, got {tuple(maps.shape)} and "
            f"{tuple(allowed.shape)}; resize the maps to the regions, and pick one region an image"
        )
    return maps, allowed.to(maps)


def _tensor(values: Any) -> Tensor:  # noqa: ANN401 - array or tensor
    tensor = values if isinstance(values, Tensor) else torch.from_numpy(np.ascontiguousarray(values))
    return tensor if tensor.dtype == torch.float64 else tensor.float()  # half precision overflows in a sum


def _like(values: Tensor, example: Maps) -> Maps:
    result: Any = values if isinstance(example, Tensor) else values.numpy()
    return result  # type: ignore[no-any-return]  # of the kind of the example


def _share(part: Tensor, whole: Tensor) -> Tensor:
    return torch.where(whole > 0, part / whole, torch.full_like(whole, float("nan")))
