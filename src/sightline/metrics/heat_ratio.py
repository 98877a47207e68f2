"""How much of the heat of a map lies in a lesion: DiffGradCAM and the effective heat ratio.

A heatmap is read as the papers draw it: its channels are added up, and it is scaled to [0, 1] from its least to its
greatest value. A measure takes arrays or tensors and answers in kind. It is NaN where it says nothing: the region is
unknown (NaN in the map) or empty, or the map is the same at all pixels.
"""

from typing import Any, Literal, get_args

import torch
from torch import Tensor

from sightline.errors import SettingsError, ShapeError
from sightline.metrics.maps import Maps, as_tensor, in_kind

Variant = Literal["area", "quantile"]

_LAST = 0.99  # of the greatest heat: the highest threshold
_BASE = 0.1  # heat below it is none, in the variant of quantiles


def diff_grad_cam(maps: Maps, regions: Maps) -> Maps:
    r"""Mean heat inside less mean heat outside.

    $$\frac{\sum_p m_p h_p}{\sum_p m_p} - \frac{\sum_p (1 - m_p) h_p}{\sum_p (1 - m_p)}$$

    Args:
        maps: of any scale, `(N, C, *S)`, at the resolution of the images.
        regions: 1 in the lesion, 0 outside, in between by area, NaN where unknown, `(N, 1, *S)`.

    Returns:
        `(N,)` in [-1, 1]; NaN where the region is unknown, empty or everything, or the map is even.

    Raises:
        ShapeError: maps and regions do not fit.

    Reference:
        Qiu et al. 2023, doi:10.1007/978-3-031-45676-3_23, section 2.4.
    """
    heat, inside, silent = _heat(maps, regions)
    within = (heat * inside).sum(1) / inside.sum(1)
    without = (heat * (1 - inside)).sum(1) / (1 - inside).sum(1)
    return in_kind(torch.where(silent, torch.nan, within - without), maps)


def effective_heat_ratio(maps: Maps, regions: Maps, *, variant: Variant = "area", steps: int = 101) -> Maps:
    r"""Share of the hot pixels that lie in the lesion, at several thresholds of heat.

    $$\mathrm{EHR}(t) = \frac{\sum_p m_p [h_p \ge t]}{\sum_p [h_p \ge t]}$$

    At t = 0 it is the share of the image that the lesion covers: what heat that knows nothing of it would score.

    Args:
        maps: of any scale, `(N, C, *S)`, at the resolution of the images.
        regions: 1 in the lesion, 0 outside, in between by area, NaN where unknown, `(N, 1, *S)`.
        variant: `area` has thresholds at equal distances from 0 to 1; `quantile` has them at the quantiles of the heat
            that is 0.1 at least, as another implementation. None is higher than 0.99, so that some pixels are hot.
        steps: number of thresholds, at least 2; the papers do not say how many.

    Returns:
        `(N, steps)` in [0, 1]; NaN where the region is unknown or empty, or the map is even.

    Raises:
        ShapeError: maps and regions do not fit.
        SettingsError: there is no such variant, or steps are less than 2.

    Reference:
        Wollek et al. 2023, doi:10.1148/ryai.220187; Qiu et al. 2023, doi:10.1007/978-3-031-45676-3_23, section 2.4.
        `quantile`: as in the code of Zhang et al. 2021, arXiv:2110.01471.
    """
    if variant not in get_args(Variant):
        raise SettingsError(f"variant must be one of {', '.join(get_args(Variant))}, got {variant!r}")
    if steps < 2:
        raise SettingsError(f"steps must be at least 2, got {steps}")
    heat, inside, silent = _heat(maps, regions)
    levels = torch.linspace(0, 1, steps, dtype=heat.dtype, device=heat.device)
    thresholds = levels.expand(len(heat), -1)
    if variant == "quantile":
        hot = torch.where(heat >= _BASE, heat, torch.nan)
        hot[silent] = 0
        thresholds = torch.stack([row.nanquantile(levels) for row in hot]) if len(hot) else thresholds
    ratios = []
    for threshold in thresholds.clamp(max=_LAST).T:  # one at a time: all at once would take steps times the memory
        over = (heat >= threshold[:, None]).to(heat.dtype)
        ratios.append((over * inside).sum(1) / over.sum(1).clamp(min=1))
    return in_kind(torch.where(silent[:, None], torch.nan, torch.stack(ratios, 1)), maps)


def effective_heat_ratio_area(maps: Maps, regions: Maps, *, variant: Variant = "area", steps: int = 101) -> Maps:
    """Area under the effective heat ratio, by the trapezoidal rule over thresholds, or quantiles, from 0 to 1.

    Args, errors and reference as `effective_heat_ratio`.

    Returns:
        `(N,)` in [0, 1]; NaN where the region is unknown or empty, or the map is even.
    """
    ratios = as_tensor(effective_heat_ratio(maps, regions, variant=variant, steps=steps))
    return in_kind(torch.trapezoid(ratios, dx=1 / (steps - 1), dim=1), maps)


def _heat(maps: Any, regions: Any) -> tuple[Tensor, Tensor, Tensor]:  # noqa: ANN401 - arrays or tensors
    """Heat in [0, 1] and region, `(N, P)` each, and where they say nothing, `(N,)`."""
    given, allowed = as_tensor(maps), as_tensor(regions)
    expected = (given.shape[0], 1, *given.shape[2:])
    if given.ndim < 3 or tuple(allowed.shape) != expected:
        raise ShapeError(
            f"maps must be (N, C, *S) and regions {expected}, got {tuple(given.shape)} and {tuple(allowed.shape)}; "
            "bring maps to the size of the images"
        )
    heat = given.sum(1).flatten(1)
    inside = allowed.flatten(1).to(heat)
    low = heat.amin(1, keepdim=True)
    spread = heat.amax(1, keepdim=True) - low
    rounding = 16 * torch.finfo(heat.dtype).eps * heat.abs().amax(1, keepdim=True)  # of a single place, upsampled
    varied = spread > rounding
    silent = ~varied[:, 0] | ~(inside.sum(1) > 0) | ~heat.isfinite().all(1)
    return (heat - low) / torch.where(varied, spread, 1), inside.nan_to_num(), silent
