"""Heatmap generators: maps made by guided backpropagation or DeconvNet take part in the loss of the gaze."""

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.attribution import DeconvNet, GuidedBackpropagation, Label, Predicted, Selection, Target
from sightline.attribution.drawing import Drawing
from sightline.errors import SettingsError, ShapeError
from sightline.guidance.derived_map import Channels, Scale, derived_map, map_logits
from sightline.guidance.every_activation import EveryActivation
from sightline.guidance.guidance import Guidance, GuidanceSettings, check_regions
from sightline.guidance.map_supervision import ClassificationKind, Drawn, labels_loss
from sightline.guidance.saliency_loss import known_mean, saliency_loss
from sightline.guidance.sharing import found
from sightline.regions import known
from sightline.types import Explanation, Guided

Generator = Literal["guided_backpropagation", "deconvnet"]
Score = Literal["label", "predicted", "sum"]
Rectify = Literal["every", "relu"]

_CHOICES = {
    "model_set": Literal[1, 2, 3],
    "generator": Generator,
    "classification": ClassificationKind,
    "score": Score,
    "rectify": Rectify,
    "channels": Channels,
    "scale": Scale,
}


@dataclass(frozen=True)
class HeatmapGeneratorSettings(GuidanceSettings):
    """Options of the heatmap generators. What the paper leaves open is marked so; the defaults are ours.

    Attributes:
        method: its name.
        model_set: which of the paper's three sets: 1 compares the derived map with the gaze, 2 the decoder's map with
            the derived one, 3 both maps with the gaze. Set 1 works on a model without decoder.
        generator: of the derived map: `guided_backpropagation` or `deconvnet`.
        weight: share of the loss of the maps in the total, in [0, 1]; the paper's gamma is one less it.
        ratio: in set 3, share of the decoder's map in the loss of the maps, in [0, 1]; open.
        classification: loss of the classes: `cross_entropy`, or `bce`, binary for each class, as in the paper.
        differentiate: let the loss change the derived map too, by a second backward pass; null does so in sets 1 and 3,
            but not in set 2, where that map is the target; open. Without it the derived map trains nothing.
        score: whose gradient the derived map is: of the `label` (while validating of the predicted class), of the
            `predicted` class, or of the `sum` of the logits; open.
        rectify: activations that have the generator's rule: `every` one, or only the `relu`, with which the two
            generators do the same in a network of other activations; open.
        channels: of the absolute gradient, the `max` or the `mean` makes the map; open.
        scale: of the derived map: `minmax` to [0, 1] in each image, or the sigmoid of its `zscore`; open.
        resolution: pixels along the longest side at which derived map and gaze are compared; null for the images' own;
            open.
    """

    method: Literal["heatmap_generator"] = "heatmap_generator"
    model_set: Literal[1, 2, 3] = 3
    generator: Generator = "guided_backpropagation"
    weight: float = 0.5
    ratio: float = 0.5
    classification: ClassificationKind = "cross_entropy"
    differentiate: bool | None = None
    score: Score = "label"
    rectify: Rectify = "every"
    channels: Channels = "max"
    scale: Scale = "minmax"
    resolution: int | None = None

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in get_args(choices):
                known = ", ".join(map(str, get_args(choices)))
                raise SettingsError(f"{name} must be one of {known}, got {getattr(self, name)!r}")
        for name in ("weight", "ratio"):
            if not 0 <= getattr(self, name) <= 1:
                raise SettingsError(f"{name} must lie in [0, 1], got {getattr(self, name)}")
        if self.resolution is not None and self.resolution < 1:
            raise SettingsError(f"resolution must be at least 1 or null, got {self.resolution}")


class HeatmapGenerator(Guidance):
    r"""The loss of a classifier and of its maps: $(1 - w) L_C + w L_M$, with $L_M$ of one of three sets.

    With the derived map $d$, the decoder's map $p$, the gaze $g$, and $B$ the mean binary cross-entropy:

    | set | $L_M$ | reaches |
    |---|---|---|
    | 1 | $B(d, g)$ | what classifies, through the gradient that $d$ is; no decoder |
    | 2 | $B(p, d)$ | the decoder and what it reads; $d$ is held fixed |
    | 3 | $r B(p, g) + (1 - r) B(d, g)$ | both |

    Logits, derived map and decoder's map come from one forward pass. Images without a known map of gaze have weight 0
    in sets 1 and 3; set 2 needs no gaze. With a region for each class, the gaze is their union.

    Args:
        settings: all options at once; or give them by name.
        **options: fields of `HeatmapGeneratorSettings`.

    Reference:
        Watanabe et al. 2022, doi:10.3389/fradi.2022.991683, "Defining segmentation loss using heatmap generators". What
        it leaves open, and what we chose, is in `docs/methods/heatmap_generators.md`.
    """

    kind = HeatmapGeneratorSettings
    settings: HeatmapGeneratorSettings

    def forward(self, model: nn.Module, images: Tensor, labels: Tensor, regions: Tensor) -> Guided:
        """Classify, derive, draw and compare. See `Guidance`.

        Raises:
            SettingsError: the set needs a decoder and the model has none.
        """
        s = self.settings
        check_regions(images, regions)
        gaze = regions.amax(1, keepdim=True)
        seen = known(gaze)
        if s.weight == 0 or (s.model_set != 2 and not found(seen)):
            logits = model(images)
            classification = labels_loss(logits, labels, s.classification)
            return Guided(logits, (1 - s.weight) * classification, {"classification": classification.detach()})
        explanation, drawn = self.explain(model, images, labels)
        classification = labels_loss(explanation.logits, labels, s.classification)
        with torch.autocast(images.device.type, enabled=False):  # sums over many pixels need every digit
            losses = self.map_losses(explanation, drawn, gaze, seen)
        if s.model_set == 3:
            maps = s.ratio * losses["predicted"] + (1 - s.ratio) * losses["derived"]
        else:
            (maps,) = losses.values()
        parts = {"classification": classification, **losses}
        loss = (1 - s.weight) * classification + s.weight * maps
        return Guided(explanation.logits, loss, {name: part.detach() for name, part in parts.items()})

    def explain(self, model: nn.Module, images: Tensor, labels: Tensor) -> tuple[Explanation, Tensor | None]:
        """Classify, derive a map and draw one, in one forward pass.

        Returns:
            Logits and attribution, and the logits of the decoder's map `(N, M, *S')`, None in set 1.
        """
        s = self.settings
        guided = s.generator == "guided_backpropagation"
        drawing = Drawing(rectifier="guided" if guided else "deconvnet")
        both = _Remembering(model, drawing if s.rectify == "every" else None, draws=s.model_set != 1)
        with drawing.pencil():
            explanation = (GuidedBackpropagation() if guided else DeconvNet())(both, images, self._target(labels))
        drawn = both.maps
        return explanation, drawn if drawn is None or torch.is_grad_enabled() else drawn.detach()

    def map_losses(
        self, explanation: Explanation, drawn: Tensor | None, gaze: Tensor, seen: Tensor
    ) -> dict[str, Tensor]:
        """Compare the maps.

        Args:
            explanation: whose attribution is the derived map.
            drawn: logits of the decoder's map, `(N, M, *S')`, for sets 2 and 3.
            gaze: `(N, 1, *S)`, NaN throughout where unknown.
            seen: where it is known, `(N, 1)`.

        Returns:
            `predicted`, the loss of the decoder's map, and `derived`, that of the derived map, where the set has them;
            scalars, on the graph.
        """
        s = self.settings
        attribution = explanation.attribution
        if not (s.model_set != 2 if s.differentiate is None else s.differentiate):
            attribution = attribution.detach()  # asked for: no second backward pass
        maps = derived_map(attribution, channels=s.channels, resolution=s.resolution)
        derived = map_logits(maps, s.scale)
        losses = {}
        if drawn is not None and s.model_set == 2:
            losses["predicted"] = known_mean(saliency_loss(drawn, derived.sigmoid(), "bce"), torch.ones_like(seen))
        if drawn is not None and s.model_set == 3:
            losses["predicted"] = known_mean(saliency_loss(drawn, gaze, "bce"), seen)
        if s.model_set != 2:
            losses["derived"] = known_mean(saliency_loss(derived, gaze, "bce"), seen)
        return losses

    def _target(self, labels: Tensor) -> Target:
        if self.settings.score == "predicted" or (self.settings.score == "label" and not self.training):
            return Predicted()
        if self.settings.score == "sum":
            return _Sum()
        return Label(labels) if labels.ndim == 1 else _Sum(labels)


@dataclass(frozen=True)
class _Sum(Target):
    """The sum of all logits, or of those of an image's labels `(N, K)`; of the likeliest class where it has none."""

    labels: Tensor | None = field(default=None, compare=False)

    def select(self, logits: Tensor) -> Selection:
        """Return the sum for each image."""
        if self.labels is None:
            return Selection(logits.sum(1)[None])
        if self.labels.shape != logits.shape:
            raise ShapeError(f"labels must be {tuple(logits.shape)}, got {tuple(self.labels.shape)}")
        weights = self.labels.nan_to_num().to(logits)
        likeliest = F.one_hot(logits.argmax(1), logits.shape[1]).to(logits)
        weights = torch.where(weights.any(1, keepdim=True), weights, likeliest)
        return Selection((weights * logits).sum(1)[None])


class _Remembering(nn.Module):
    """A model as the explainers want it, which remembers what its decoder drew."""

    def __init__(self, model: nn.Module, drawing: Drawing | None, *, draws: bool) -> None:
        super().__init__()
        self.model, self.drawing, self.draws = model, drawing, draws
        self.answer = getattr(model, "answer", None)
        self.maps: Tensor | None = None
        if draws and self.answer is None:
            raise SettingsError(
                f"model_set must be 1 for a model without answer(images), as {type(model).__name__}; "
                f"sets 2 and 3 need one that draws a map, as egd_unet"
            )

    def forward(self, images: Tensor) -> Tensor:
        with EveryActivation(self.drawing) if self.drawing is not None else nullcontext():
            if self.answer is None or not self.draws:
                logits: Tensor = self.model(images)
            else:
                answer: Drawn = self.answer(images)
                logits, self.maps = answer.logits, answer.maps
        return logits
