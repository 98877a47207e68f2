"""The options of the ISNet loss. The defaults are ours; the recipe `isnet-paper` has the paper's."""

from dataclasses import dataclass
from typing import Literal, get_args

from sightline.errors import SettingsError
from sightline.guidance.foreground_loss import Excess
from sightline.guidance.guidance import GuidanceSettings

Variant = Literal["original", "stochastic", "selective", "dual"]
Map = Literal["lrp", "gradient_x_input"]


@dataclass(frozen=True)
class BackgroundRelevanceSettings(GuidanceSettings):
    """Options of the ISNet loss, with the paper's names in brackets.

    Attributes:
        method: its name.
        variant: maps to penalise: `original` (one a class), `stochastic` (of one random class an image), `selective`
            (of the softmax's log-odds) or `dual` (of all logits together, by LRP-epsilon and by LRP-z+); all but the
            first cost the same for any number of classes.
        explanation: map of the pixels: `lrp`, or `gradient_x_input`, whose C1 and C2 should be measured.
        strength: share of the heatmap loss in the total, [P] in [0, 1].
        goal: instead of `strength`, the greatest share of absolute relevance that may lie outside, in (0, 1); the
            strength that reaches it is found while training.
        pooled_share: share of the pixels that the background pooling weighs; small holds against small marks.
        decay: [d] of the pooling itself in place of `pooled_share`: about 1 / (1 - d) pixels at any resolution.
        slope: [E] of the background loss.
        tolerance: pooled background relevance, in means of the region, that costs nothing; not in the paper.
        margin: by how much the region grows before relevance outside is penalised, share of the image's side: a filter
            at its edge reads both sides.
        background_weight: [w1].
        first_layer_weight: of the background loss at the output of the first layer, where relevance of opposite sign
            has not been added up yet; not in the paper. Needs an explainer that gives `Explanation.hidden`.
        layers: whose relevance is penalised too (deep supervision): dotted names as in `model.named_modules()`, or
            `auto` for the last layer of each resolution.
        layer_weights: of the losses at these layers, one each, beside 1 for the map of the pixels; none for 1 each.
        layer_decay: of the ranked mean over the losses of pixels and layers, in [0, 1]: 1 is the mean, less attends to
            the worst.
        foreground_weight: [w2].
        least: [C1], below which the relevance inside a region is too little.
        most: [C2], above which it is too much.
        excess: how it is penalised above C2: `quadratic` as in the paper, or `logarithmic`, which no unit changes.
        calibrate: number of batches from which C1 and C2 are measured before training; 0 keeps them as given.
        warm_up: number of steps in which only the classification trains; C1 and C2 are measured in the last fifth of
            them. 0 for none.
        every: guide each n-th step only, with the heatmap loss n times as heavy. On phantoms the shortcut came back
            with 2 already, see `docs/experiments/lazy_guidance.md`.
        epsilon: of LRP.
        input_rule: of LRP at the first layer: `zb`, `flat` or null.
        seed: of the random class.
    """

    method: Literal["isnet"] = "isnet"
    variant: Variant = "stochastic"
    explanation: Map = "lrp"
    strength: float = 0.5
    goal: float | None = None
    pooled_share: float = 2e-3
    decay: float | None = None
    slope: float = 1.0
    tolerance: float = 0.35
    margin: float = 0.02
    background_weight: float = 1.0
    first_layer_weight: float = 1.0
    layers: tuple[str, ...] | Literal["auto"] = ()
    layer_weights: tuple[float, ...] = ()
    layer_decay: float = 1.0
    foreground_weight: float = 3.0
    least: float = 0.3
    most: float = 8.0
    excess: Excess = "logarithmic"
    calibrate: int = 0
    warm_up: int = 0
    every: int = 1
    epsilon: float = 1e-2
    input_rule: Literal["zb", "flat"] | None = "zb"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.variant not in get_args(Variant):
            raise SettingsError(f"variant must be one of {', '.join(get_args(Variant))}, got {self.variant!r}")
        if self.explanation not in get_args(Map):
            raise SettingsError(f"explanation must be one of {', '.join(get_args(Map))}, got {self.explanation!r}")
        if not 0 <= self.strength <= 1:
            raise SettingsError(f"strength must lie in [0, 1], got {self.strength}")
        if self.goal is not None and not 0 < self.goal < 1:
            raise SettingsError(f"goal must lie in (0, 1), a share of the relevance, got {self.goal}")
        if not 0 < self.pooled_share <= 1:
            raise SettingsError(f"pooled_share must lie in (0, 1], got {self.pooled_share}")
        if self.decay is not None and not 0 <= self.decay <= 1:
            raise SettingsError(f"decay must lie in [0, 1], got {self.decay}")
        if not self.tolerance >= 0:
            raise SettingsError(f"tolerance must be at least 0, got {self.tolerance}")
        if self.excess not in get_args(Excess):
            raise SettingsError(f"excess must be one of {', '.join(get_args(Excess))}, got {self.excess!r}")
        if not 0 <= self.margin < 0.5:
            raise SettingsError(f"margin must lie in [0, 0.5), a share of the side, got {self.margin}")
        if not self.first_layer_weight >= 0:
            raise SettingsError(f"first_layer_weight must be at least 0, got {self.first_layer_weight}")
        if not self.slope > 0:
            raise SettingsError(f"slope must be positive, got {self.slope}")
        if not (self.background_weight >= 0 and self.foreground_weight >= 0):
            raise SettingsError(
                f"background_weight and foreground_weight must be at least 0, "
                f"got {self.background_weight} and {self.foreground_weight}"
            )
        if not 0 < self.least <= self.most:
            raise SettingsError(f"least and most must satisfy 0 < least <= most, got {self.least} and {self.most}")
        if self.every < 1:
            raise SettingsError(f"every must be at least 1, got {self.every}")
        if self.calibrate < 0 or self.warm_up < 0 or self.seed < 0:
            came = f"{self.calibrate}, {self.warm_up} and {self.seed}"
            raise SettingsError(f"calibrate, warm_up and seed must be at least 0, got {came}")
        if self.calibrate and self.warm_up:
            raise SettingsError("calibrate and warm_up both measure C1 and C2; set one of them to 0")
        self._check_layers()

    def _check_layers(self) -> None:
        if self.explanation != "lrp" and (self.layers or self.variant == "dual"):
            raise SettingsError(f"explanation must be lrp for layers and the variant dual, got {self.explanation!r}")
        weights, layers = self.layer_weights, self.layers
        if weights and (layers == "auto" or len(weights) != len(layers) or not min(weights) >= 0):
            raise SettingsError(
                f"layer_weights must be one for each layer that is named, at least 0, got {weights} for {layers}"
            )
        if not 0 <= self.layer_decay <= 1:
            raise SettingsError(f"layer_decay must lie in [0, 1], got {self.layer_decay}")
