"""Score-CAM: feature maps weighed by the score of the image seen through each of them."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sightline.attribution.cam.features import capture, check_where
from sightline.attribution.cam.upsampling import upsample_to, upsample_to_largest
from sightline.attribution.drawing import Drawing
from sightline.attribution.explainer import Explainer, evaluation_mode, recording, same_scores, stack_maps
from sightline.attribution.targets import Selection, Target
from sightline.errors import SettingsError
from sightline.types import Explanation


@dataclass(frozen=True)
class ScoreCAM(Explainer):
    r"""Score-CAM: features weighted by how the model scores the image seen through each of them; no gradient.

    $$\tilde{A} = \mathrm{relu} \sum_f \alpha_f A^f, \qquad
      \alpha = \mathrm{softmax}_f \big(y(x \odot H^f) - y(x_b)\big), \qquad
      H^f = \frac{U(A^f) - \min U(A^f)}{\max U(A^f) - \min U(A^f)}$$

    $U$ enlarges a feature map to the image, before its values are brought to [0, 1]. The score $y$ is what the target
    chooses, a logit in most cases. That of the baseline $x_b$ is the same for all feature maps, so the softmax does not
    depend on it, and it is not computed. Where a feature map is flat, but for rounding, its mask is 0. Weights are
    positive and sum to 1, whatever the score: even where nothing speaks for a class its map shows where features are.

    Each channel of the features costs a forward pass, and its part of the graph is kept while grad mode is on: memory
    grows with their number.

    Args:
        layer: as in `GradCAM`, but maps of several layers are averaged as they are: their sums mean nothing.
        grid: as in `GradCAM`.
        rectify: drop what is below zero, as the paper does.
        batch_size: how many masked images are classified at once.

    Reference:
        Wang et al. 2020, arXiv:1910.01279, definitions 1 and 2 and algorithm 1.
    """

    layer: str | tuple[str, ...] | None = None
    grid: tuple[int, ...] | None = None
    rectify: bool = True
    batch_size: int = 64

    def __post_init__(self) -> None:
        check_where(self)
        if self.batch_size < 1:
            raise SettingsError(f"batch_size must be at least 1, got {self.batch_size}")

    def __call__(self, model: nn.Module, images: Tensor, target: Target) -> Explanation:
        """Classify and explain; the map is `(N, 1, *S)` at the resolution of the layer. See `Explainer`."""
        keep_graph = torch.is_grad_enabled()
        with recording(images):
            logits, selection, found, _ = capture(model, images, target, self, Drawing(kept=keep_graph))
            features = [feature_map.in_space for feature_map in found]
        if not keep_graph:
            logits, features = logits.detach(), [feature_map.detach() for feature_map in features]
        with torch.set_grad_enabled(keep_graph), evaluation_mode(model):
            layers = [self._maps(model, images.detach(), map_, selection) for map_ in features]
            maps = [torch.stack(upsample_to_largest(list(of_class))).mean(0) for of_class in zip(*layers, strict=True)]
            attribution = stack_maps(maps, selection)
        return Explanation(logits, attribution, selection.classes)

    def _maps(self, model: nn.Module, images: Tensor, features: Tensor, selection: Selection) -> list[Tensor]:
        """The map `(N, 1, *s)` of each explanation."""
        size = tuple(images.shape[2:])
        rows = torch.arange(len(images), device=images.device).repeat_interleave(features.shape[1])
        chunks = (torch.split(whole, self.batch_size) for whole in (features.flatten(0, 1)[:, None], rows))
        scores = []
        for channels, at in zip(*chunks, strict=True):
            masks = _in_unit_range(upsample_to(channels, size))
            scores.append(same_scores(selection, model(images[at] * masks), at))
        weights = torch.cat(scores, 1).view(len(selection.scores), *features.shape[:2]).softmax(-1)  # (M, N, C)
        maps = [(each.view(*each.shape, *[1] * len(size)) * features).sum(1, keepdim=True) for each in weights]
        return [map_.relu() if self.rectify else map_ for map_ in maps]


def _in_unit_range(masks: Tensor) -> Tensor:
    places = tuple(range(2, masks.ndim))
    least = masks.amin(places, keepdim=True)
    most = masks.amax(places, keepdim=True)
    span = most - least
    rounding = 100 * torch.finfo(masks.dtype).eps * torch.maximum(most.abs(), least.abs())
    flat = span <= rounding
    return ((masks - least) / span.masked_fill(flat, 1)).masked_fill(flat, 0)
