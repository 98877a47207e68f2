r"""DeepLIFT with the rescale rule: differences from a reference image, handed back unit by unit.

Every image goes through the model beside its reference. A unit that changed by $\Delta z$ and whose output changed by
$\Delta a$ passes the multiplier $\Delta a / \Delta z$ where a gradient would pass the derivative, so saturated units
still count, and where only linear layers and functions of one input are in between, contributions sum to the change of
the score.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from sightline.attribution.drawing import Drawing
from sightline.attribution.explainer import (
    Explainer,
    backward_passes,
    classify,
    evaluation_mode,
    recording,
    same_scores,
    select,
    stack_maps,
)
from sightline.attribution.integrated_gradients import baseline_images
from sightline.attribution.interception import Interception
from sightline.attribution.targets import Selection, Target
from sightline.errors import SettingsError
from sightline.types import Explanation


@dataclass(frozen=True)
class DeepLIFT(Explainer):
    r"""DeepLIFT, by the rescale rule, in one forward pass of images and references and one backward pass a map.

    $$\tilde{A} = (x - x') \odot m, \qquad m_{\Delta z \Delta a} = \frac{a - a'}{z - z'}, \qquad
    \sum \tilde{A} = y(x) - y(x')$$

    The sum holds for linear layers, batch normalisation, functions of one value such as ReLU, GELU and sigmoid, and max
    pooling. Other functions of several values (products of activations, softmax and with it attention, layer
    normalisation and its kin) pass their gradient at the image; what the sum then lacks is in `Explanation.gap`.
    Logits are those of the model in the mode it is in; the function $y$ explained, and its gap, are those of evaluation
    mode.

    Args:
        baseline: $x'$, one value for all pixels, or images `(1 or N, C, *S)`. The map is zero wherever the image equals
            it, so black (0) cannot be found to matter.
        batch_size: images, each with its reference, in one pass through the model.

    Reference:
        Shrikumar et al. 2017, arXiv:1704.02685, eq. 1 to 3 and section 3.5.2, for functions of one input. The paper
        leaves max pooling open; ours passes the whole change by the place that made it (see `rules.max_pooled`). The
        final softmax, which section 3.6 leaves out, is not part of our models; its adjustment of weights to a mean of 0
        over classes is not made: explain `LogOdds` to compare classes.
    """

    baseline: float | Tensor = field(default=0.0, compare=False)
    batch_size: int = 32

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise SettingsError(f"batch_size must be at least 1, got {self.batch_size}")

    def __call__(self, model: nn.Module, images: Tensor, target: Target) -> Explanation:
        """Classify and explain; see `Explainer`.

        Raises:
            ShapeError: the baseline is not shaped as the images, or as in `Explainer`.
            UnsupportedOperationError: the model does not keep the batch on the first axis, where pairs are looked for.
        """
        keep_graph = torch.is_grad_enabled()
        with recording(images):
            images = images.detach()
            references = baseline_images(self.baseline, images).expand_as(images)
            with torch.set_grad_enabled(keep_graph):
                logits = classify(model, images.clone())  # the model may write to it
            selection = select(target, logits, images)
            rows = torch.arange(len(images), device=images.device)
            with evaluation_mode(model):
                parts = [
                    _explain_pairs(model, images, references, selection, part, keep_graph=keep_graph)
                    for part in torch.split(rows, self.batch_size)
                ]
            maps, gaps = (torch.cat(each, 1) for each in zip(*parts, strict=True))
            attribution, gap = stack_maps(list(maps), selection), stack_maps(list(gaps), selection)
        return Explanation(logits, attribution, selection.classes, gap=gap)


def _explain_pairs(
    model: nn.Module, images: Tensor, references: Tensor, selection: Selection, rows: Tensor, *, keep_graph: bool
) -> tuple[Tensor, Tensor]:
    """Maps `(M, B, C, *S)` and gaps `(M, B)` of the images `rows` `(B,)`."""
    pairs = torch.cat([images[rows], references[rows]]).requires_grad_()
    given = pairs.clone()  # the model may write to it
    drawing = Drawing(rectifier="rescale")
    with Interception(given, drawing, strict=False):
        logits, of_references = model(given).chunk(2)
    scores = same_scores(selection, logits, rows)
    change = (scores - same_scores(selection, of_references, rows)).detach()
    way = images[rows] - references[rows]
    passes = backward_passes(Selection(scores), [pairs], drawing, create_graph=keep_graph)
    maps = torch.stack([way * c[: len(rows)] for (c,) in passes if c is not None])
    return maps, change - maps.detach().flatten(2).sum(2)
