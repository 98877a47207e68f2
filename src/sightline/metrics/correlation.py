"""How far two rows of numbers go together, many rows at once.

A correlation is NaN where it says nothing: a row holds NaN, or does not vary.
"""

import torch
from torch import Tensor

from sightline.errors import ShapeError

_ROUNDING = 16  # variation of fewer units in the last place than this is none


def pearson(first: Tensor, second: Tensor) -> Tensor:
    r"""Correlate row by row.

    $$r = \frac{\sum_i (a_i - \bar a)(b_i - \bar b)}{\|a - \bar a\| \, \|b - \bar b\|}$$

    Args:
        first: `(..., P)`.
        second: of the same shape.

    Returns:
        `(...)` in [-1, 1]; NaN where a row holds NaN or infinity, or varies by no more than its rounding error.

    Raises:
        ShapeError: the rows do not fit.
    """
    if first.shape != second.shape or not first.ndim:
        raise ShapeError(f"both must have one shape (..., P), got {tuple(first.shape)} and {tuple(second.shape)}")
    return (_direction(first) * _direction(second)).sum(-1).clamp(-1, 1)


def spearman(first: Tensor, second: Tensor) -> Tensor:
    """Correlate the ranks, row by row; equal numbers share the mean of their ranks.

    Args:
        first: `(..., P)`.
        second: of the same shape.

    Returns:
        `(...)` in [-1, 1]; NaN where a row holds NaN, or one number only.

    Raises:
        ShapeError: the rows do not fit.

    Reference:
        Spearman 1904, doi:10.2307/1412159.
    """
    return pearson(_ranks(first), _ranks(second))


def _direction(rows: Tensor) -> Tensor:
    """Centre each row and bring it to length 1; NaN where it does not vary."""
    centred = rows - rows.mean(-1, keepdim=True)
    extent = centred.abs().amax(-1, keepdim=True)
    noise = _ROUNDING * torch.finfo(rows.dtype).eps * rows.abs().amax(-1, keepdim=True)
    centred = centred / torch.where(extent > noise, extent, torch.full_like(extent, float("nan")))
    length: Tensor = centred.norm(dim=-1, keepdim=True)
    return centred / length


def _ranks(rows: Tensor) -> Tensor:
    """Rank each number within its row, as a share of the row, from 0 to 1."""
    rows = rows.contiguous()
    ordered = rows.sort(-1).values
    below = torch.searchsorted(ordered, rows, right=False)
    up_to = torch.searchsorted(ordered, rows, right=True)
    ranks = (below + up_to).to(rows.dtype) / (2 * rows.shape[-1])
    return ranks.masked_fill(rows.isnan().any(-1, keepdim=True), float("nan"))
