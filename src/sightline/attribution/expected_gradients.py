"""Expected gradients: integrated gradients, averaged over reference images by drawing them and the points at random."""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from sightline.attribution.explainer import Explainer
from sightline.attribution.integrated_gradients import Paths, check_references, explain_along
from sightline.attribution.targets import Target
from sightline.errors import SettingsError
from sightline.types import Explanation


@dataclass(frozen=True)
class ExpectedGradients(Explainer):
    r"""Integrated gradients from a random reference image instead of one baseline.

    $$\tilde{A} = \mathbb{E}_{x' \sim D,\, \alpha \sim U(0, 1)} \Big[(x - x') \odot
    \nabla y\big(x' + \alpha (x - x')\big)\Big], \qquad
    \mathbb{E} \sum \tilde{A} = y(x) - \mathbb{E}\, y(x')$$

    Logits are those of the model in the mode it is in; the function $y$ explained is that of evaluation mode.
    `Explanation.gap` is what the sum of the map lacks to $y(x)$ less the mean score of the references drawn; it falls
    with the square root of `samples`.

    The draws are the same for every image, so a map does not depend on the batch. Each call repeats them: for a loss
    in training, change `seed` from step to step.

    Args:
        reference: images to draw from, `(R, C, *S)`, such as a part of the training set; None for a black image
            (zeros) alone, which gives integrated gradients with random steps.
        samples: references and points drawn, with replacement. One forward and one backward pass an image each.
        seed: of the draw, which is made on the CPU.
        batch_size: points in one pass through the model.

    Reference:
        Erion et al. 2021, doi:10.1038/s42256-021-00343-w, arXiv:1906.10670, definition of expected gradients. The
        paper draws for each image; ours shares the draws, which leaves each map's expectation as it is.
    """

    reference: Tensor | None = field(default=None, compare=False)
    samples: int = 50
    seed: int = 0
    batch_size: int = 32

    def __post_init__(self) -> None:
        if self.samples < 1 or self.batch_size < 1:
            raise SettingsError(f"samples and batch_size must be at least 1, got {self.samples} and {self.batch_size}")

    def __call__(self, model: nn.Module, images: Tensor, target: Target) -> Explanation:
        """Classify and explain; see `Explainer`."""
        return explain_along(model, images, target, self.draw, batch_size=self.batch_size)

    def draw(self, images: Tensor) -> Paths:
        """Return the paths that a call takes to `images`, `samples` with one point each.

        Raises:
            ShapeError: the references are not shaped as the images.
        """
        black = images.new_zeros(1, *images.shape[1:])
        references = black if self.reference is None else check_references(self.reference, images, name="reference")
        generator = torch.Generator().manual_seed(self.seed)
        starts = torch.randint(len(references), (self.samples,), generator=generator).to(images.device)
        alphas = torch.rand(self.samples, generator=generator, dtype=torch.float64).to(images)  # the same in any dtype
        weights = images.new_full((self.samples,), 1 / self.samples)
        return Paths(references, starts.expand(len(images), -1), alphas, weights)
