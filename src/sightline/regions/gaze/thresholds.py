"""From a gaze map to a region with a sharp edge."""

import torch
from torch import Tensor

from sightline.errors import SettingsError


def region_by_mass(maps: Tensor, mass: float = 0.95) -> Tensor:
    """Keep the smallest area that holds a share of the gaze: the most looked-at pixels, as many as it takes.

    Pixels that are equally looked at are kept or left together, so the area may hold more.

    Args:
        maps: gaze of any scale, `(*, H, W)`, none negative; a map that is NaN throughout stays so.
        mass: least share of the sum, over 0 to 1; 1 keeps all that is not 0.

    Returns:
        1 where kept and 0 elsewhere, shaped as `maps`, float32.

    Raises:
        SettingsError: the share lies outside (0, 1].
    """
    if not 0 < mass <= 1:
        raise SettingsError(f"mass must be a share of the gaze over 0 to 1, got {mass}")
    gaze = maps.flatten(-2).double()
    sorted_gaze = gaze.sort(dim=-1, descending=True).values
    held = sorted_gaze.cumsum(-1)
    enough = held >= mass * held[..., -1:] * (1 - 1e-6)  # as exact as float32
    limit = sorted_gaze.gather(-1, enough.int().argmax(-1, keepdim=True))
    return _region((gaze >= limit) & (gaze > 0), gaze, maps)


def region_by_value(maps: Tensor, share: float = 0.5) -> Tensor:
    """Keep the pixels whose value is at least a share of the largest one.

    Args:
        maps: gaze of any scale, `(*, H, W)`, none negative; a map that is NaN throughout stays so.
        share: of the largest value, over 0 to 1.

    Returns:
        1 where kept and 0 elsewhere, shaped as `maps`, float32.

    Raises:
        SettingsError: the share lies outside (0, 1].
    """
    if not 0 < share <= 1:
        raise SettingsError(f"share must be one of the largest value over 0 to 1, got {share}")
    gaze = maps.flatten(-2)
    return _region((gaze >= share * gaze.amax(-1, keepdim=True)) & (gaze > 0), gaze, maps)


def _region(kept: Tensor, gaze: Tensor, maps: Tensor) -> Tensor:
    return kept.float().masked_fill(gaze.isnan(), torch.nan).reshape(maps.shape)
