r"""How far a drawn map is from where it should be: one loss for each map, by the kind of what it is compared with.

A map of logits is read in one of two ways. As a density, $p = \mathrm{softmax}$ over its pixels, against the region
divided by its sum, $q$ (`kl`, `cc`, `hs`): such a map says where one looks more than elsewhere, as gaze does. Or as a
chance at each pixel by itself (`bce`, `mse`, `cross_entropy`): such a map says what belongs to the region, as a mask
does.

Every loss is 0 where there is nothing to compare with, and `comparable` tells where that is; so `known_mean` gives
these maps weight 0.
"""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from sightline.errors import SettingsError, ShapeError
from sightline.guidance.sharing import mean_over_processes
from sightline.regions import known, resize_region

SaliencyKind = Literal["kl", "cc", "hs", "bce", "mse", "cross_entropy"]

_EVEN = 1e-8  # variance, in squares of the mean, below which a map says nothing


def saliency_loss(maps: Tensor, regions: Tensor, kind: SaliencyKind) -> Tensor:
    r"""Compare maps with regions, map by map.

    | kind | loss of one map with $P$ pixels |
    |---|---|
    | `kl` | $\sum_i q_i (\ln q_i - \ln p_i)$ |
    | `cc` | $1 - \mathrm{corr}(p, q)$, Pearson's over the pixels |
    | `hs` | $1 - \sum_i \min(p_i, q_i)$ |
    | `bce` | $-\frac1P \sum_i r_i \ln \sigma(z_i) + (1 - r_i) \ln(1 - \sigma(z_i))$ |
    | `mse` | $\frac1P \sum_i (\sigma(z_i) - r_i)^2$ |
    | `cross_entropy` | as `bce`, with the softmax over two maps, outside and inside |

    Args:
        maps: logits $z$, `(N, M, *S')`; for `cross_entropy` $M = 2$, and the second map is that of the region.
        regions: $r$, `(N, 1 or M, *S)` in [0, 1], NaN throughout a map that is unknown; brought to `S'` by
            `resize_region`.
        kind: as above.

    Returns:
        `(N, M)`, for `cross_entropy` `(N, 1)`, in float32 at least; 0 where `comparable` is False.

    Raises:
        SettingsError: there is no such kind.
        ShapeError: the regions are neither one for all maps nor one for each.

    Reference:
        `kl`, `cc`, `hs`: Bylinskii et al. 2019, doi:10.1109/TPAMI.2018.2815601; the softmax after MT-UNet (Zhu et al.
        2022, arXiv:2202.07118). `bce`: Karargyris et al. 2021, doi:10.1038/s41597-021-00863-5. `cross_entropy`: Bassi
        et al. 2024, doi:10.1038/s41467-023-44371-z, 4.11.
    """
    if kind not in _LOSSES:
        raise SettingsError(f"kind must be one of {', '.join(_LOSSES)}, got {kind!r}")
    compared = maps.shape[1] if kind != "cross_entropy" else 1
    if kind == "cross_entropy" and maps.shape[1] != 2:
        raise ShapeError(f"cross_entropy needs maps (N, 2, *S), outside and inside, got {tuple(maps.shape)}")
    if regions.ndim != maps.ndim or len(regions) != len(maps) or regions.shape[1] not in (1, compared):
        wanted = f"({len(maps)}, {'1' if compared == 1 else f'1 or {compared}'}, *S)"
        raise ShapeError(f"regions must be {wanted} with {maps.ndim - 2} spatial axes, got {tuple(regions.shape)}")
    with torch.autocast(maps.device.type, enabled=False):  # sums over many pixels need every digit
        maps = maps.to(torch.promote_types(maps.dtype, torch.float32))
        valid = comparable(regions, kind)
        aims = regions.nan_to_num().to(maps.dtype)
        if aims.shape[2:] != maps.shape[2:]:
            aims = resize_region(aims, maps.shape[2:])
        losses = _LOSSES[kind](maps.flatten(2), aims.flatten(2))
        return torch.where(valid, losses, 0)


def comparable(regions: Tensor, kind: SaliencyKind) -> Tensor:
    """Tell which regions a map can be compared with.

    Unknown ones never; to be a density (`kl`, `cc`, `hs`) a region must not be 0 throughout, and to correlate (`cc`) it
    must not be even.

    Args:
        regions: `(N, 1 or M, *S)` in [0, 1], NaN throughout a map that is unknown.
        kind: as in `saliency_loss`.

    Returns:
        `(N, 1 or M)` bool.
    """
    flat = regions.flatten(2)
    if kind == "cc":
        return known(regions) & (flat.amax(2) > flat.amin(2))
    if kind in ("kl", "hs"):
        return known(regions) & (flat.amax(2) > 0)
    return known(regions)


def known_mean(losses: Tensor, known: Tensor) -> Tensor:
    """Mean of the losses `(N, M)` where `known` `(N, 1 or M)` is True; 0 where it nowhere is.

    Returns:
        Scalar, on the graph.
    """
    known = known.expand_as(losses)
    count = mean_over_processes(known.sum())
    return torch.where(known, losses, 0).sum() / torch.where(count > 0, count, 1)


def _density(aims: Tensor) -> Tensor:
    return aims / aims.sum(2, keepdim=True).clamp(min=torch.finfo(aims.dtype).tiny)


def _divergence(maps: Tensor, aims: Tensor) -> Tensor:
    aims = _density(aims)
    return (torch.xlogy(aims, aims) - aims * maps.log_softmax(2)).sum(2)


def _correlation(maps: Tensor, aims: Tensor) -> Tensor:
    pixels = maps.shape[2]
    first, second = ((m - m.mean(2, keepdim=True)) for m in (maps.softmax(2) * pixels, _density(aims) * pixels))
    spread = ((first**2).mean(2) + _EVEN).sqrt() * ((second**2).mean(2) + _EVEN).sqrt()
    return 1 - (first * second).mean(2) / spread


def _histogram_similarity(maps: Tensor, aims: Tensor) -> Tensor:
    return 1 - torch.minimum(maps.softmax(2), _density(aims)).sum(2)


def _binary_cross_entropy(maps: Tensor, aims: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(maps, aims.expand_as(maps), reduction="none").mean(2)


def _squared_error(maps: Tensor, aims: Tensor) -> Tensor:
    return ((maps.sigmoid() - aims) ** 2).mean(2)


def _cross_entropy(maps: Tensor, aims: Tensor) -> Tensor:
    chances = torch.cat([1 - aims, aims], 1)
    return -(chances * maps.log_softmax(1)).sum(1, keepdim=True).mean(2)


_LOSSES = {
    "kl": _divergence,
    "cc": _correlation,
    "hs": _histogram_similarity,
    "bce": _binary_cross_entropy,
    "mse": _squared_error,
    "cross_entropy": _cross_entropy,
}
