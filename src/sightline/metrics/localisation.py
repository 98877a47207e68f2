"""Where the relevance of an explanation lies, measured image by image.

A measure takes arrays or tensors and answers in kind. It is NaN where it says nothing: the region is unknown (NaN in
the map), or the explanation is zero throughout.

Measures of size take the absolute value of every channel (`relevance_share_inside`, `border_share`). Measures of
evidence sum the channels, with their signs, and ask where what speaks for the class lies (the others). Equal evidence
is counted as if it were put in order by chance, or taken together; where it is stored decides nothing.
"""

from typing import Any

import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from sightline.errors import SettingsError, ShapeError
from sightline.metrics.maps import Maps, as_tensor, in_kind, share


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
    return in_kind(share((size * allowed).flatten(1).sum(1), size.flatten(1).sum(1)), attribution)


def region_share(regions: Maps) -> Maps:
    """Share of each image that its region covers: what an even map scores in `relevance_share_inside`.

    Args:
        regions: 1 where the model may look, 0 where not, NaN where unknown, `(N, 1, *S)`.

    Returns:
        `(N,)` in [0, 1]; NaN where unknown.
    """
    return in_kind(as_tensor(regions).flatten(1).mean(1), regions)


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
    maps = as_tensor(attribution)
    if maps.ndim < 3:
        raise ShapeError(f"attribution must be (N, C, *S), got {tuple(maps.shape)}")
    size = maps.abs()
    inner = size
    for axis in range(2, maps.ndim):
        frame = max(1, round(width * maps.shape[axis]))
        inner = inner.narrow(axis, min(frame, maps.shape[axis]), max(0, maps.shape[axis] - 2 * frame))
    total = size.flatten(1).sum(1)
    return in_kind(share(total - inner.flatten(1).sum(1), total).clamp(0, 1), attribution)


def pointing_game(attribution: Maps, regions: Maps, *, tolerance: float = 0.0) -> Maps:
    """Whether the strongest evidence for the class lies where the model may look.

    Channels are summed and the largest value is looked up; where several are equally large, the share of them that hit
    is given.

    Args:
        attribution: signed explanations, `(N, C, *S)`.
        regions: 1 where the model may look, 0 where not, NaN where unknown, `(N, 1, *S)`; over half counts as inside.
        tolerance: distance from the region, in pixels, that still counts as a hit; the paper allows 15.

    Returns:
        1 for a hit, 0 for a miss, `(N,)`; NaN where the region is unknown or the explanation is zero.

    Raises:
        SettingsError: the tolerance is negative.
        ShapeError: maps and regions do not fit.

    Reference:
        Zhang et al. 2018, doi:10.1007/s11263-017-1059-x, section 4.1.
    """
    if not tolerance >= 0:
        raise SettingsError(f"tolerance must be a distance in pixels of at least 0, got {tolerance}")
    maps, allowed = _pair(attribution, regions)
    evidence = maps.sum(1).flatten(1)
    highest = (evidence == evidence.amax(1, keepdim=True)).to(maps.dtype)
    inside = _within(allowed > 0.5, tolerance) if tolerance else allowed > 0.5
    hits = share((highest * inside.flatten(1)).sum(1), highest.sum(1))
    return in_kind(hits.masked_fill(_silent(maps, allowed), float("nan")), attribution)


def relevance_mass_accuracy(attribution: Maps, regions: Maps) -> Maps:
    r"""Share of the evidence for the class that lies where the model may look.

    $$\sum_p m_p E_p \,/\, \sum_p E_p, \qquad E_p = \max(0, \sum_c R_{cp})$$

    It is the energy-based pointing game as well. `relevance_share_inside` counts evidence against the class too.

    Args:
        attribution: signed explanations, `(N, C, *S)`.
        regions: 1 where the model may look, 0 where not, in between by area, NaN where unknown, `(N, 1, *S)`.

    Returns:
        `(N,)` in [0, 1]; NaN where the region is unknown or nothing speaks for the class.

    Raises:
        ShapeError: maps and regions do not fit.

    Reference:
        Arras et al. 2022, doi:10.1016/j.inffus.2021.11.008 (relevance mass accuracy, pooling "sum,pos"); Wang et al.
        2020, doi:10.1109/CVPRW50498.2020.00020 (energy-based pointing game).
    """
    maps, allowed = _pair(attribution, regions)
    evidence = maps.sum(1, keepdim=True).clamp(min=0)
    return in_kind(share((evidence * allowed).flatten(1).sum(1), evidence.flatten(1).sum(1)), attribution)


def relevance_rank_accuracy(attribution: Maps, regions: Maps) -> Maps:
    r"""Share of the region among as many pixels as it has, those with the strongest evidence for the class.

    $$|P_{\mathrm{top}\,K} \cap G| \,/\, K, \qquad K = |G|$$

    Chance is `region_share(regions)`. Where evidence is equal across the limit, the mean over all orders is given; the
    paper sets evidence against the class to zero first and leaves the order among zeros open.

    Args:
        attribution: signed explanations, `(N, C, *S)`.
        regions: 1 where the model may look, 0 where not, NaN where unknown, `(N, 1, *S)`; over half counts as inside.

    Returns:
        `(N,)` in [0, 1]; NaN where the region is unknown or empty, or the explanation is zero.

    Raises:
        ShapeError: maps and regions do not fit.

    Reference:
        Arras et al. 2022, doi:10.1016/j.inffus.2021.11.008 (relevance rank accuracy).
    """
    maps, allowed = _pair(attribution, regions)
    evidence, inside = maps.sum(1).flatten(1), allowed.flatten(1) > 0.5
    size = inside.sum(1, keepdim=True)  # K
    limit = evidence.sort(1, descending=True).values.gather(1, (size - 1).clamp(min=0))
    above, level = evidence > limit, evidence == limit
    places = size[:, 0] - above.sum(1)  # left for those at the limit
    drawn = places * share((level & inside).sum(1).to(maps.dtype), level.sum(1).to(maps.dtype))
    result = share((above & inside).sum(1) + drawn, size[:, 0].to(maps.dtype))
    return in_kind(result.masked_fill(_silent(maps, allowed), float("nan")), attribution)


def iou(attribution: Maps, regions: Maps, *, threshold: float = 0.5) -> Maps:
    """Overlap of the region with the pixels whose evidence is a share of the strongest, over their union.

    Args:
        attribution: signed explanations, `(N, C, *S)`; channels are summed.
        regions: 1 where the model may look, 0 where not, NaN where unknown, `(N, 1, *S)`; over half counts as inside.
        threshold: least evidence as a share of the strongest, over 0 to 1. The value depends on it much: choose it on
            other images than those reported.

    Returns:
        `(N,)` in [0, 1]; NaN where the region is unknown or nothing speaks for the class.

    Raises:
        SettingsError: the threshold lies outside (0, 1].
        ShapeError: maps and regions do not fit.

    Reference:
        Zhou et al. 2016, arXiv:1512.04150, section 3.2, who take 0.2 and boxes; Choe et al. 2020, arXiv:2001.07437, on
        the threshold.
    """
    if not 0 < threshold <= 1:
        raise SettingsError(f"threshold must be a share of the strongest evidence over 0 to 1, got {threshold}")
    maps, allowed = _pair(attribution, regions)
    evidence, inside = maps.sum(1).flatten(1), allowed.flatten(1) > 0.5
    highest = evidence.amax(1, keepdim=True)
    taken = evidence >= threshold * highest
    overlap = share((taken & inside).sum(1).to(maps.dtype), (taken | inside).sum(1).to(maps.dtype))
    silent = _silent(maps, allowed) | ~(highest[:, 0] > 0)
    return in_kind(overlap.masked_fill(silent, float("nan")), attribution)


def dice(attribution: Maps, regions: Maps, *, threshold: float = 0.5) -> Maps:
    """Dice's coefficient of the region and the pixels whose evidence is a share of the strongest: 2 IoU / (1 + IoU).

    Args, errors as `iou`.

    Returns:
        `(N,)` in [0, 1]; NaN where the region is unknown or nothing speaks for the class.
    """
    overlap = as_tensor(iou(attribution, regions, threshold=threshold))
    return in_kind(2 * overlap / (1 + overlap), attribution)


def best_iou(attribution: Maps, regions: Maps) -> tuple[Maps, Maps]:
    """Overlap at the threshold that suits each image best, and that threshold.

    It needs the region to choose, so it says what the map could show at most, not what a reader would see.

    Args:
        attribution: signed explanations, `(N, C, *S)`; channels are summed.
        regions: 1 where the model may look, 0 where not, NaN where unknown, `(N, 1, *S)`; over half counts as inside.

    Returns:
        The highest `iou`, and the highest threshold that reaches it, each `(N,)` in [0, 1]; NaN where the region is
        unknown or nothing speaks for the class.

    Raises:
        ShapeError: maps and regions do not fit.

    Reference:
        Choe et al. 2020, arXiv:2001.07437; there one threshold is chosen for all images.
    """
    maps, allowed = _pair(attribution, regions)
    inside = allowed.flatten(1) > 0.5
    evidence, order = maps.sum(1).flatten(1).sort(1, descending=True)
    hits = inside.gather(1, order).cumsum(1)
    union = torch.arange(1, evidence.shape[1] + 1, device=maps.device) + inside.sum(1, keepdim=True) - hits
    overlaps = hits.to(maps.dtype) / union
    together = torch.zeros_like(overlaps, dtype=torch.bool)
    together[:, :-1] = evidence[:, :-1] == evidence[:, 1:]  # equal evidence is taken together
    best, place = overlaps.masked_fill(together | ~(evidence > 0), -1).max(1)
    silent = _silent(maps, allowed) | ~(evidence[:, 0] > 0)
    threshold = evidence.gather(1, place[:, None])[:, 0] / evidence[:, 0]
    nan = float("nan")
    return in_kind(best.masked_fill(silent, nan), attribution), in_kind(threshold.masked_fill(silent, nan), attribution)


def _silent(maps: Tensor, allowed: Tensor) -> Tensor:
    """Whether an explanation is zero or not finite, or the region unknown, `(N,)`."""
    flat = maps.flatten(1)
    return (flat == 0).all(1) | ~flat.isfinite().all(1) | allowed.flatten(1).isnan().any(1)


def _within(inside: Tensor, distance: float) -> Tensor:
    """Widen regions `(N, 1, *S)` by a distance in pixels; an empty one stays empty."""
    near = torch.zeros_like(inside)
    for wide, region in zip(near, inside, strict=True):
        if region.any():
            away = distance_transform_edt(~region[0].cpu().numpy())
            wide[0] = torch.from_numpy(away <= distance).to(inside.device)
    return near


def _pair(attribution: Any, regions: Any) -> tuple[Tensor, Tensor]:  # noqa: ANN401 - arrays or tensors
    maps, allowed = as_tensor(attribution), as_tensor(regions)
    expected = (maps.shape[0], 1, *maps.shape[2:])
    if maps.ndim < 3 or tuple(allowed.shape) != expected:
        raise ShapeError(
            f"attribution must be (N, C, *S) and regions {expected}, got {tuple(maps.shape)} and "
            f"{tuple(allowed.shape)}; resize the maps to the regions, and pick one region an image"
        )
    return maps, allowed.to(maps)
