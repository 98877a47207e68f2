"""Where each class of an image may be looked for: its organs if it is present, nowhere if it is absent."""

import torch
from torch import Tensor

from sightline.errors import DataError, ShapeError


def allowed_regions(labels: Tensor, organs: Tensor, which: Tensor) -> Tensor:
    """Build the allowed region of each class (PARTITION).

    The region of a present class is the union of its organs. An absent class is allowed nowhere: whatever speaks for it
    is wrong. Where nobody knows whether it is present, or where its organs are, the region is unknown.

    Args:
        labels: `(N, K)` in [0, 1], over 0.5 is present; NaN where unknown.
        organs: masks of the organs, `(N, O, *G)` in [0, 1]; NaN throughout one that is unknown.
        which: organs that a class may be in, `(N, K, O)` bool, or `(K, O)` for all images.

    Returns:
        `(N, K, *G)` in [0, 1], as `organs`; NaN throughout a map that is unknown.

    Raises:
        ShapeError: the three do not fit each other.
        DataError: a present class has no organ.

    Reference:
        Draelos and Carin 2020, arXiv:2011.08891, 3.6 and 12.2.
    """
    count, classes = labels.shape if labels.ndim == 2 else (0, 0)
    wanted = (count, classes, organs.shape[1]) if organs.ndim > 2 else ()
    if not wanted or len(organs) != count or tuple(which.shape) not in (wanted, wanted[1:]):
        raise ShapeError(
            f"labels (N, K), organs (N, O, *G) and which (N, K, O) or (K, O) must fit, got {tuple(labels.shape)}, "
            f"{tuple(organs.shape)} and {tuple(which.shape)}"
        )
    chosen, present = which.bool().expand(wanted), labels > 0.5
    homeless = (present & ~chosen.any(2)).nonzero()
    if len(homeless):
        row, label = homeless[0].tolist()
        raise DataError(
            f"class {label} is present in image {row} but has no organ; give each present class at least one"
        )
    places = (1,) * (organs.ndim - 2)
    regions = organs.new_zeros(count, classes, *organs.shape[2:])
    for organ in range(wanted[2]):  # one after the other, for a map of every class and organ would be large
        there = (chosen[:, :, organ] & present).reshape(count, classes, *places)
        regions = torch.where(there, torch.maximum(regions, organs[:, organ].unsqueeze(1)), regions)  # NaN stays
    return regions.masked_fill(labels.isnan().reshape(count, classes, *places), torch.nan)
