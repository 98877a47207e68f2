"""How the score changes while an image is taken apart, or put together, in the order that an explanation gives.

The channels of a map are summed, and all channels of a pixel change at once. Pixels are ordered by signed relevance,
the strongest evidence for the class first; to begin with the least relevant, hand over the map with its sign turned.
Equally relevant pixels come in the order in which they are stored (row by row from the upper left), so a map that is
zero over large parts is scored there by that order and not by what it says.

What a model says of images like these is partly a matter of how unlike its training images they are: compare curves of
one model and one baseline only. See `sightline.metrics.scoring` for what a score is.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from sightline.errors import SettingsError
from sightline.metrics.maps import as_tensor
from sightline.metrics.scoring import Score, background, evidence, score_changed


@dataclass(frozen=True)
class PerturbationCurve:
    """Scores along the way from one image to another.

    Attributes:
        shares: share of the pixels (of the blocks in `pixel_flipping`) that have changed, rising from 0, `(T,)`.
        scores: score at each, `(N, T)`; NaN throughout where the map gives no order: it is the same everywhere, as a
            map of zeros is, or not finite.
    """

    shares: Tensor
    scores: Tensor

    def area(self) -> Tensor:
        """Mean height of the curve, by trapezoids, `(N,)`: low is good for a deletion, high for an insertion."""
        return torch.trapezoid(self.scores, self.shares) / self.shares[-1]

    def mean_drop(self) -> Tensor:
        r"""Area over the perturbation curve, `(N,)`: high is good where the most relevant goes first.

        $$\mathrm{AOPC} = \frac{1}{L+1} \sum_{k=0}^L f(x^{(0)}) - f(x^{(k)})$$

        Reference:
            Samek et al. 2017, doi:10.1109/TNNLS.2016.2599820 (AOPC); there it is averaged over images as well.
        """
        return (self.scores[:, :1] - self.scores).mean(1)


def deletion_curve(
    score: Score,
    images: Tensor,
    attribution: Tensor,
    *,
    baseline: Tensor | None = None,
    steps: int = 100,
    batch_size: int = 64,
) -> PerturbationCurve:
    """Remove the most relevant pixels first; the score of a faithful explanation falls early.

    Args:
        score: one number an image, `(B, C, *S)` to `(B,)`; the paper takes the probability of the class.
        images: `(N, C, *S)`.
        attribution: signed explanations, `(N, any, *S)`.
        baseline: what pixels are replaced by, to broadcast to the images; None gives zeros.
        steps: equal steps from the image to the baseline, at most one a pixel.
        batch_size: images that are scored at once.

    Returns:
        The curve; `area()` is the deletion metric.

    Raises:
        ShapeError: images, maps, baseline and scores do not fit.
        SettingsError: there is no step, or the batch size is not positive.

    Reference:
        Petsiuk et al. 2018, arXiv:1806.07421, section 4 (causal metrics: deletion and insertion).
    """
    order = _order(evidence(attribution, images), 1)
    counts = _equal_steps(order, steps)
    return _curve(score, images, background(images, baseline), order, counts, batch_size=batch_size)


def insertion_curve(
    score: Score,
    images: Tensor,
    attribution: Tensor,
    *,
    baseline: Tensor | None = None,
    steps: int = 100,
    batch_size: int = 64,
) -> PerturbationCurve:
    """Bring the most relevant pixels back first; the score of a faithful explanation rises early.

    Args:
        score: one number an image, `(B, C, *S)` to `(B,)`; the paper takes the probability of the class.
        images: `(N, C, *S)`.
        attribution: signed explanations, `(N, any, *S)`.
        baseline: what to begin with, to broadcast to the images; None gives `blurred(images)`, as the paper does.
        steps: equal steps from the baseline to the image, at most one a pixel.
        batch_size: images that are scored at once.

    Returns:
        The curve; `area()` is the insertion metric.

    Raises:
        ShapeError: images, maps, baseline and scores do not fit.
        SettingsError: there is no step, or the batch size is not positive.

    Reference:
        Petsiuk et al. 2018, arXiv:1806.07421, section 4 (causal metrics: deletion and insertion).
    """
    order = _order(evidence(attribution, images), 1)
    counts = _equal_steps(order, steps)
    start = background(images, blurred(images) if baseline is None else baseline)
    return _curve(score, start, images, order, counts, batch_size=batch_size)


def pixel_flipping(
    score: Score,
    images: Tensor,
    attribution: Tensor,
    *,
    side: int = 9,
    steps: int = 100,
    seed: int = 0,
    batch_size: int = 64,
) -> PerturbationCurve:
    """Fill one block after the other with noise, the one that holds most relevance first.

    Noise is uniform between the lowest and the highest value of each channel of the image (the paper takes the range of
    all images). It is the same draw for every image, so that a score does not depend on the rest of the batch; the
    paper averages ten, which is ten seeds here.

    Args:
        score: one number an image, `(B, C, *S)` to `(B,)`; the paper takes the logit of the class.
        images: `(N, C, *S)`.
        attribution: signed explanations, `(N, any, *S)`.
        side: side of a block in pixels; blocks do not overlap, and those at the far edges may be cut. 1 flips pixels.
        steps: blocks to flip, at most all.
        seed: seed of the noise.
        batch_size: images that are scored at once.

    Returns:
        The curve; `mean_drop()` is the AOPC.

    Raises:
        ShapeError: images, maps and scores do not fit.
        SettingsError: side, steps or batch size are not positive, or one block is the whole image.

    Reference:
        Samek et al. 2017, doi:10.1109/TNNLS.2016.2599820 (region perturbation); Bach et al. 2015,
        doi:10.1371/journal.pone.0130140 (pixel flipping).
    """
    if side < 1 or steps < 1:
        raise SettingsError(f"side and steps must be at least 1, got {side} and {steps}")
    order = _order(evidence(attribution, images), side)
    if order.blocks < 2:
        raise SettingsError(f"side {side} leaves one block of {tuple(images.shape[2:])} pixels; choose a smaller one")
    generator = torch.Generator().manual_seed(seed)
    uniform = torch.rand((1, *images.shape[1:]), generator=generator, dtype=torch.float64).to(images)
    space = tuple(range(2, images.ndim))
    low, high = images.amin(space, keepdim=True), images.amax(space, keepdim=True)
    counts = list(range(min(steps, order.blocks) + 1))
    return _curve(score, images, low + uniform * (high - low), order, counts, batch_size=batch_size)


def blurred(images: Tensor, *, sigma: float = 5.0) -> Tensor:
    """Blur images with a Gaussian along all spatial axes, on the CPU.

    Args:
        images: `(N, C, *S)`.
        sigma: standard deviation in pixels; 5 is the paper's, which cuts the kernel off at 11 pixels, and we do not.

    Returns:
        `(N, C, *S)`, without a graph.

    Reference:
        Petsiuk et al. 2018, arXiv:1806.07421, section 4 (where an insertion begins).
    """
    values = as_tensor(images.detach()).cpu().numpy()
    return torch.from_numpy(gaussian_filter(values, (0, 0, *[sigma] * (images.ndim - 2)))).to(images)


@dataclass(frozen=True)
class _Order:
    """Place of each pixel's block in the order, `(N, *S)` from 0; number of blocks; images without an order, `(N,)`."""

    ranks: Tensor
    blocks: int
    silent: Tensor


def _order(relevance: Tensor, side: int) -> _Order:
    """Order blocks of pixels by the sum of their relevance, highest first; ties as they are stored."""
    cells = relevance
    for axis in range(1, cells.ndim):
        short = -cells.shape[axis] % side
        padding = cells.new_zeros(*cells.shape[:axis], short, *cells.shape[axis + 1 :])
        cells = torch.cat([cells, padding], axis)
        cells = cells.view(*cells.shape[:axis], cells.shape[axis] // side, side, *cells.shape[axis + 1 :]).sum(axis + 1)
    sums = cells.flatten(1)  # (N, blocks)
    silent = (sums == sums[:, :1]).all(1) | ~sums.isfinite().all(1)
    ranks = sums.argsort(descending=True, stable=True).argsort().view(cells.shape)
    for axis in range(1, cells.ndim):
        ranks = ranks.repeat_interleave(side, axis).narrow(axis, 0, relevance.shape[axis])
    return _Order(ranks, sums.shape[1], silent)


def _equal_steps(order: _Order, steps: int) -> list[int]:
    if steps < 1:
        raise SettingsError(f"steps must be at least 1, got {steps}; 100 is usual")
    steps = min(steps, order.blocks)
    return [round(step * order.blocks / steps) for step in range(steps + 1)]


def _curve(
    score: Score, start: Tensor, end: Tensor, order: _Order, counts: list[int], *, batch_size: int
) -> PerturbationCurve:
    """Score what lies between two images when the first blocks of the order come from the second."""

    def rounds() -> Iterator[Tensor]:
        for count in counts:
            yield torch.where((order.ranks < count)[:, None], end, start)

    scores = score_changed(score, rounds(), batch_size=batch_size).T.masked_fill(order.silent[:, None], float("nan"))
    return PerturbationCurve(torch.tensor(counts, dtype=scores.dtype, device=scores.device) / order.blocks, scores)
