"""Whether an explanation foretells how the score changes, and whether it stays the same when the image hardly changes.

Draws are the same for every image, so that a value does not depend on the rest of the batch. See
`sightline.metrics.scoring` for what a score and an explain are.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sightline.errors import SettingsError, ShapeError
from sightline.metrics.correlation import pearson
from sightline.metrics.maps import as_tensor
from sightline.metrics.scoring import Explain, Score, background, evidence, explained, score_changed

Perturb = Callable[[Tensor, torch.Generator], tuple[Tensor, Tensor]]


@dataclass(frozen=True)
class Sampling:
    """How often and from which seed an image is changed, and how many are scored at once.

    Attributes:
        draws: changes drawn.
        seed: seed of the draw.
        batch_size: changed images that are scored at once.
    """

    draws: int = 100
    seed: int = 0
    batch_size: int = 64

    def __post_init__(self) -> None:
        if self.draws < 1:
            raise SettingsError(f"draws must be at least 1, got {self.draws}; 100 is usual")


def sensitivity_n(
    score: Score,
    images: Tensor,
    attribution: Tensor,
    n: int,
    *,
    baseline: Tensor | None = None,
    sampling: Sampling | None = None,
) -> Tensor:
    r"""Correlate the relevance of n random pixels with what their removal costs the score.

    $$\mathrm{corr}_S \Big( \sum_{i \in S} R_i, \; f(x) - f(x_{[x_S = x_0]}) \Big), \qquad |S| = n$$

    A pixel is removed with all its channels, and its relevance is their sum.

    Args:
        score: one number an image, `(B, C, *S)` to `(B,)`.
        images: `(N, C, *S)`.
        attribution: contributions to the score, `(N, any, *S)`; a gradient is to be multiplied by the image first.
        n: pixels to remove, from 1 to all but one.
        baseline: what they are replaced by, to broadcast to the images; None gives zeros, as in the paper.
        sampling: how many subsets, from which seed; the paper takes 100.

    Returns:
        Pearson correlation, `(N,)` in [-1, 1]; 1 where the score is linear and explained by gradient x input. NaN where
        the relevance of the subsets does not vary (as that of an even map or one of zeros), the score does not, or
        either is not finite.

    Raises:
        ShapeError: images, maps, baseline and scores do not fit.
        SettingsError: n is out of range, or the batch size is not positive.

    Reference:
        Ancona et al. 2018, arXiv:1711.06104 (sensitivity-n, and its correlation where it does not hold).
    """
    drawn = sampling or Sampling()
    relevance = evidence(attribution, images).flatten(1)  # (N, P)
    pixels = relevance.shape[1]
    if not 1 <= n < pixels:
        raise SettingsError(f"n must lie in 1 to {pixels - 1}, all pixels but one, got {n}")
    removed = background(images, baseline)
    generator = torch.Generator().manual_seed(drawn.seed)
    sums: list[Tensor] = []

    def rounds() -> Iterator[Tensor]:
        for _ in range(drawn.draws):
            subset = torch.randperm(pixels, generator=generator)[:n].to(images.device)
            sums.append(relevance[:, subset].sum(1))
            inside = torch.zeros(pixels, dtype=torch.bool, device=images.device).index_fill_(0, subset, True)
            yield torch.where(inside.view(images.shape[2:]), removed, images)

    scores = score_changed(score, rounds(), batch_size=drawn.batch_size)  # (T, N); f(x) drops out of a correlation
    return pearson(torch.stack(sums, 1).to(scores), -scores.T)


def infidelity(
    score: Score,
    images: Tensor,
    attribution: Tensor,
    *,
    perturb: Perturb | None = None,
    scaled: bool = False,
    sampling: Sampling | None = None,
) -> Tensor:
    r"""Mean squared error of an explanation as a forecast of how the score changes.

    $$\mathrm{INFD} = \mathbb{E}_I \big( \langle z, R \rangle - (f(x) - f(x - I)) \big)^2$$

    The paper has $z = I$, which is meant for a gradient: see `gaussian_noise`. A contribution, such as gradient x input
    or LRP, already holds the size of what is removed, and z is the share of each pixel that goes: see `removed_square`,
    the default. The two agree where the contribution is the gradient times $x - x_0$.

    Args:
        score: one number an image, `(B, C, *S)` to `(B,)`.
        images: `(N, C, *S)`.
        attribution: signed explanations, `(N, any, *S)`; `(N, C, *S)` where z differs between channels.
        perturb: draws $z$ and $I$ for the images, both to broadcast to them; None takes `removed_square`.
        scaled: bring each map to the scale at which its error is least, so that maps of any unit can be compared.
        sampling: how many changes, from which seed.

    Returns:
        Squared units of the score, `(N,)`, 0 is best; NaN where the map is not finite, or is to be scaled and foretells
        no change at all. Without scaling a map of zeros has the mean squared change, which a good map has to beat.

    Raises:
        ShapeError: images, maps, changes and scores do not fit.
        SettingsError: the batch size is not positive.

    Reference:
        Yeh et al. 2019, arXiv:1901.09392, definition 2.1.
    """
    drawn, change = sampling or Sampling(), perturb or removed_square
    evidence(attribution, images)  # shapes
    maps = as_tensor(attribution.detach()).to(images.device)
    generator = torch.Generator().manual_seed(drawn.seed)
    forecasts: list[Tensor] = []

    def rounds() -> Iterator[Tensor]:
        yield images
        for _ in range(drawn.draws):
            weights, removed = change(images, generator)
            if weights.shape[1] not in (1, maps.shape[1]):
                raise ShapeError(
                    f"attribution must be ({len(images)}, {weights.shape[1]}, *S), for the change differs between "
                    f"channels, got {tuple(maps.shape)}; spread the map over the channels, or use removed_square"
                )
            forecasts.append((weights * maps).flatten(1).sum(1))
            yield images - removed

    scores = score_changed(score, rounds(), batch_size=drawn.batch_size)
    drops = scores[0] - scores[1:]  # (T, N)
    foretold = torch.stack(forecasts).to(drops)
    if scaled:
        foretold = foretold / foretold.abs().amax(0)  # 0/0 is NaN
        foretold = foretold * ((foretold * drops).sum(0) / foretold.square().sum(0))
    return (foretold - drops).square().mean(0)


def removed_square(
    images: Tensor, generator: torch.Generator, *, side: float = 0.25, baseline: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Remove a square (a cube, an interval) at a random place.

    Args:
        images: `(N, C, *S)`.
        generator: of the place, on the CPU.
        side: side of the square as a share of each side of the image, over 0 to 1; at least one pixel is taken.
        baseline: what it is replaced by, to broadcast to the images; None gives zeros.

    Returns:
        1 inside the square and 0 outside, `(1, 1, *S)`, and what is taken from the images, `(N, C, *S)`.

    Raises:
        SettingsError: the side lies outside (0, 1].
        ShapeError: the baseline does not fit.

    Reference:
        Yeh et al. 2019, arXiv:1901.09392 (square removal).
    """
    if not 0 < side <= 1:
        raise SettingsError(f"side must be a share of the image's side over 0 to 1, got {side}")
    inside = images.new_zeros(1, 1, *images.shape[2:])
    part = inside
    for axis in range(2, images.ndim):
        length = max(1, round(side * images.shape[axis]))
        first = torch.randint(images.shape[axis] - length + 1, (), generator=generator)
        part = part.narrow(axis, int(first), length)
    part.fill_(1)
    return inside, inside * (images - background(images, baseline))


def gaussian_noise(images: Tensor, generator: torch.Generator, *, deviation: float = 0.1) -> tuple[Tensor, Tensor]:
    """Take normal noise from every pixel, for the infidelity of a gradient.

    Args:
        images: `(N, C, *S)`.
        generator: of the noise, on the CPU.
        deviation: standard deviation, in units of the images.

    Returns:
        The noise twice, `(1, C, *S)`: what weighs the gradient and what is taken from the images.

    Reference:
        Yeh et al. 2019, arXiv:1901.09392 (noise; the gradient is then to be smoothed by the same).
    """
    noise = deviation * torch.randn((1, *images.shape[1:]), generator=generator, dtype=torch.float64).to(images)
    return noise, noise


def max_sensitivity(
    explain: Explain, model: nn.Module, images: Tensor, *, radius: float = 0.02, draws: int = 10, seed: int = 0
) -> Tensor:
    r"""How far an explanation moves, at most, when the image moves a little, relative to its own size.

    $$\max_{\|\delta\|_\infty \le r} \frac{\|R(x + \delta) - R(x)\|_2}{\|R(x)\|_2}$$

    The maximum is taken over uniform draws, so it is a lower bound that rises with their number. The paper's definition
    has no denominator; with it, maps of any scale can be compared.

    Args:
        explain: maps of images, called as `explain(model, images)` with all N images, a little changed, in their order.
        model: handed to `explain`, in evaluation mode.
        images: `(N, C, *S)`.
        radius: largest change of a pixel, in units of the images.
        draws: times that the images are changed.
        seed: seed of the draw.

    Returns:
        `(N,)`, 0 where the explanation is constant; NaN where the map of the image is zero or one is not finite.

    Raises:
        ShapeError: the maps do not fit the images.
        SettingsError: the radius or the number of draws is not positive.

    Reference:
        Yeh et al. 2019, arXiv:1901.09392, definition 3.1.
    """
    if not radius > 0 or draws < 1:
        raise SettingsError(f"radius must be over 0 and draws at least 1, got {radius} and {draws}")
    generator = torch.Generator().manual_seed(seed)
    maps = explained(explain, model, images)
    extent = maps.flatten(1).abs().amax(1, keepdim=True)  # keeps squares from vanishing; 0/0 is NaN
    furthest = maps.new_zeros(len(images))
    for _ in range(draws):
        uniform = torch.rand((1, *images.shape[1:]), generator=generator, dtype=torch.float64)
        moved = explained(explain, model, images + radius * (2 * uniform - 1).to(images), like=maps)
        furthest = torch.maximum(furthest, ((moved - maps).flatten(1) / extent).norm(dim=1))
    relative: Tensor = furthest / (maps.flatten(1) / extent).norm(dim=1)
    return relative.masked_fill(~relative.isfinite(), float("nan"))
