"""LIME: a linear model of how the score depends on which segments of the image are there."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from sightline.attribution.changed_images import (
    Ask,
    Fill,
    Progress,
    check_at_least_one,
    check_fill,
    chunks,
    explain_by_changes,
    filling,
    weighted_sum,
)
from sightline.attribution.explainer import Explainer
from sightline.attribution.targets import Target
from sightline.errors import MissingExtraError, SettingsError, ShapeError
from sightline.types import Explanation


@dataclass(frozen=True)
class LIME(Explainer):
    r"""LIME: coefficients of a ridge regression of the score on the presence of each segment.

    $$\min_{\beta, \beta_0} \sum_b \pi_b \big(y(x_b) - \beta_0 - \beta \cdot z_b\big)^2 + \lambda |\beta|^2, \qquad
    \pi_b = \exp\!\Big(\!-\frac{(1 - \cos(z_b, \mathbf{1}))^2}{2 \sigma^2}\Big)$$

    $z_b$ says which segments of the image $x$ are shown in its copy $x_b$: all of them in the first, each with
    probability 1/2 in the others. Each pixel has the coefficient of its segment, for all channels together. The
    coefficients are linear in the scores. Each sample costs a forward pass, whose part of the graph is kept while grad
    mode is on: memory grows with the number of samples.

    Args:
        segments: about how many, where SLIC finds them.
        samples: changed images in the regression, $B$.
        ridge: penalty, $\lambda$, above 0.
        kernel_width: $\sigma$, how far from the image a sample may be and still count.
        value: of hidden pixels; `"mean"` takes the mean of each channel of the image.
        segmentation: the segments, in place of SLIC's: integer labels `*S` for all images or `(N, *S)`, or a function
            from an image `(C, *S)` to its labels.
        seed: of the samples.
        batch_size: how many changed images are classified at once.
        progress: called after each chunk with how many changed images are classified, and how many there are.

    Reference:
        Ribeiro et al. 2016, arXiv:1602.04938, eq. 2 and section 3.4. As the authors' code, and unlike the paper, we
        measure distance by the cosine also for images, halve its square in the kernel, penalise by ridge, and select
        no segments; unlike both, we explain what the target chooses, logits as in all explainers here, and hide with
        `value`. SLIC: Achanta et al. 2012, doi:10.1109/TPAMI.2012.120.
    """

    segments: int = 50
    samples: int = 500
    ridge: float = 1.0
    kernel_width: float = 0.25
    value: Fill = 0.0
    segmentation: Callable[[Tensor], Tensor] | Tensor | None = field(default=None, compare=False)
    seed: int = 0
    batch_size: int = 64
    progress: Progress | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        check_at_least_one(segments=self.segments, samples=self.samples, batch_size=self.batch_size)
        check_fill(self.value)
        for name in ("ridge", "kernel_width"):
            if not getattr(self, name) > 0:
                raise SettingsError(f"{name} must be above 0, got {getattr(self, name)}")

    def __call__(self, model: nn.Module, images: Tensor, target: Target) -> Explanation:
        """Classify and explain; the map is `(N, 1, *S)`. See `Explainer`.

        Raises:
            MissingExtraError: scikit-image is needed and not installed.
            ShapeError: the segmentation does not fit the images.
        """

        def draw(n: int, image: Tensor, ask: Ask) -> Tensor:
            fill, labels = filling(image, self.value), self._labels(n, image, len(images))
            generator = torch.Generator().manual_seed(self.seed)
            shown = torch.rand(self.samples, int(labels.max()) + 1, generator=generator) < 0.5  # (B, segments)
            shown[0] = True
            solution = ridge_solution(shown.double(), self._proximity(shown), self.ridge)
            solution = solution.to(image.device, torch.promote_types(image.dtype, torch.float32))
            coefficients = image.new_zeros(())
            for some, weights in chunks(self.batch_size, shown.to(image.device), solution):
                scores = ask(torch.where(some[:, labels][:, None], image, fill))
                coefficients = coefficients + weighted_sum(scores, weights)
            return coefficients[:, labels]

        return explain_by_changes(model, images, target, draw, copies=self.samples, progress=self.progress)

    def _proximity(self, shown: Tensor) -> Tensor:
        cosine = shown.double().mean(1).sqrt()  # with the image, of which all is shown
        return (-((1 - cosine) ** 2) / (2 * self.kernel_width**2)).exp()

    def _labels(self, n: int, image: Tensor, count: int) -> Tensor:
        """Segment of each pixel of the `n`-th image, `*S` int64, counted from 0 without gaps."""
        sides = image.shape[1:]
        if self.segmentation is None:
            found = slic_segments(image, self.segments)
        elif isinstance(self.segmentation, Tensor):
            given = self.segmentation
            found = given[n] if given.shape == (count, *sides) else given
        else:
            found = self.segmentation(image)
        if found.shape != sides or found.is_floating_point():
            came = f"{found.dtype} {tuple(found.shape)}"
            raise ShapeError(f"segmentation must give integer labels {tuple(sides)} for each image, got {came}")
        labels: Tensor = found.to(image.device).unique(return_inverse=True)[1]  # type: ignore[no-untyped-call]
        return labels


def ridge_solution(x: Tensor, weights: Tensor, ridge: float) -> Tensor:
    r"""Solve a weighted ridge regression for all that could be regressed.

    $$\Pi \bar{X} (\bar{X}^\top \Pi \bar{X} + \lambda)^{-1}, \qquad \bar{X} = X - \text{weighted mean of the rows}$$

    Its transpose times what is to be regressed, `(B,)`, are the coefficients; the intercept is not penalised.

    Args:
        x: regressors, `(B, D)` floating point.
        weights: of the samples, $\Pi$, `(B,)`.
        ridge: penalty, $\lambda$.

    Returns:
        `(B, D)`.
    """
    centred = x - (weights @ x) / weights.sum()
    weighted = weights[:, None] * centred
    gram = centred.T @ weighted
    penalised = gram + ridge * torch.eye(len(gram), dtype=x.dtype)
    solution: Tensor = torch.linalg.solve(penalised, weighted, left=False)
    return solution


def slic_segments(image: Tensor, segments: int) -> Tensor:
    """Find about so many compact segments of like pixels, by SLIC on slightly smoothed channels.

    Args:
        image: `(C, *S)` with one, two or three spatial axes.
        segments: how many are sought.

    Returns:
        Labels, `*S` int64, on the CPU.

    Raises:
        MissingExtraError: scikit-image is not installed.
        SettingsError: the image has more axes than SLIC can follow.
    """
    if image.ndim > 4:
        raise SettingsError(f"SLIC knows 1 to 3 spatial axes, got {image.ndim - 1}; give LIME a segmentation")
    try:
        from skimage.segmentation import slic
    except ImportError as error:
        raise MissingExtraError(
            "LIME finds its segments with scikit-image: pip install 'sightline[image]', or give it a segmentation"
        ) from error
    pixels = image.double().cpu().numpy()
    pixels = pixels[:, None] if image.ndim == 2 else pixels  # a signal is an image of one row
    # less compact, or less smooth, and noise is gathered into one segment
    labels = slic(pixels, segments, compactness=0.3, sigma=1, convert2lab=False, start_label=0, channel_axis=0)
    return torch.as_tensor(labels, dtype=torch.int64).view(image.shape[1:])
