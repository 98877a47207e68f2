"""AG-Sononet: a VGG-like classifier that pools its middle stages through attention gates.

Reference:
    Schlemper et al. 2019, doi:10.1016/j.media.2019.01.012; the layers as in the authors' released code.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Unpack, get_args

import torch
from torch import Tensor, nn

from sightline.errors import SettingsError
from sightline.models.attention_gate import AttentionGate, GateNormalisation
from sightline.models.layers import Layers, ModelOptions, initialise_convolutions, layers_for

Aggregation = Literal["concat", "mean", "deep_sup", "ft"]

_DEPTHS = (3, 3, 3, 2, 2)


@dataclass(frozen=True)
class SononetAnswer:
    """What an AG-Sononet answers.

    Attributes:
        logits: of the decision, `(N, K)`, on the graph.
        predictions: logits that a loss may be asked of, each `(N, K)`: with `mean` those of the two gated maps and the
            last map, with `deep_sup` the decision before these three, else the decision alone.
        attention: coefficients of the two gates, `(N, 1, *S / 4)` and `(N, 1, *S / 8)`.
    """

    logits: Tensor
    predictions: tuple[Tensor, ...]
    attention: tuple[Tensor, Tensor]


def _stage(layers: Layers, channels: int, planes: int, depth: int) -> nn.Sequential:
    stage = nn.Sequential()
    for inputs in (channels, *(planes,) * (depth - 1)):
        stage.append(layers.conv(inputs, planes, 3, padding=1))
        stage.append(layers.norm(planes))
        stage.append(nn.ReLU())
    return stage


class AttentionGatedSononet(nn.Module):
    """Gated classifier: images `(N, C, *S)` to logits `(N, K)`.

    Five stages of 3×3 convolutions; the third and the fourth are gated by the fifth and summed over their places, the
    fifth is averaged. What is made of the three vectors is the `aggregation`:

    | `aggregation` | decision | losses of the source |
    |---|---|---|
    | `concat` | one linear layer on all three | the decision's |
    | `mean` | mean of the logits of three linear layers | of each of the three, weights 1 |
    | `deep_sup` | as `concat` | the decision's, and of three linear layers, weights 0.1 |
    | `ft` | a linear layer on the logits of three linear layers | the decision's |

    The losses of `mean` and `deep_sup` are the guidance `deep_supervision`. For `mean` the source averages
    probabilities, we the logits, which LRP can follow and which says the same for one label and for several.

    Args:
        num_classes: K.
        aggregation: as above.
        normalisation: of the gates, see `AttentionGate`.
        in_channels: C.
        dimensions: number of spatial axes, 2 or 3.
        dropout: chance that a feature is dropped before a linear layer on features.
        width: channels of the first stage; the last two have 8 times as many.

    Raises:
        SettingsError: there is no such aggregation or normalisation, or `dimensions` is neither 2 nor 3.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        aggregation: Aggregation = "concat",
        normalisation: GateNormalisation = "mean_flow",
        in_channels: int = 3,
        dimensions: int = 2,
        dropout: float = 0.0,
        width: int = 64,
    ) -> None:
        super().__init__()
        if aggregation not in get_args(Aggregation):
            raise SettingsError(f"aggregation must be one of {', '.join(get_args(Aggregation))}, got {aggregation!r}")
        layers = layers_for(dimensions)
        self.aggregation = aggregation
        planes = (width, 2 * width, 4 * width, 8 * width, 8 * width)
        before = (in_channels, *planes)
        self.conv1, self.conv2, self.conv3, self.conv4, self.conv5 = (
            _stage(layers, *sizes) for sizes in zip(before, planes, _DEPTHS, strict=False)
        )
        self.maxpool1, self.maxpool2, self.maxpool3, self.maxpool4 = (layers.max_pool(2) for _ in range(4))
        self.gate1, self.gate2 = (
            AttentionGate(channels, planes[4], planes[4], normalisation=normalisation, dimensions=dimensions)
            for channels in planes[2:4]
        )
        self.avgpool = layers.adaptive_avg_pool(1)
        self.dropout = nn.Dropout(dropout)
        if aggregation != "concat":
            self.classifiers = nn.ModuleList(nn.Linear(channels, num_classes) for channels in planes[2:])
        if aggregation != "mean":
            self.classifier = nn.Linear(3 * num_classes if aggregation == "ft" else sum(planes[2:]), num_classes)

        for stage in (self.conv1, self.conv2, self.conv3, self.conv4, self.conv5):
            initialise_convolutions(stage, mode="fan_in")

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits `(N, K)` of `images` `(N, C, *S)`, at least 16 pixels along each axis."""
        pooled, _ = self._pooled(images)
        return self._decide(pooled, () if self.aggregation in ("concat", "deep_sup") else self._separate(pooled))

    def answer(self, images: Tensor) -> SononetAnswer:
        """Return all that is answered to `images` `(N, C, *S)`."""
        pooled, attention = self._pooled(images)
        separate = () if self.aggregation == "concat" else self._separate(pooled)
        logits = self._decide(pooled, separate)
        predictions = {"mean": separate, "deep_sup": (logits, *separate)}.get(self.aggregation, (logits,))
        return SononetAnswer(logits, predictions, attention)

    def _pooled(self, images: Tensor) -> tuple[list[Tensor], tuple[Tensor, Tensor]]:
        """Three vectors `(N, channels)`, and the coefficients of the gates."""
        third = self.conv3(self.maxpool2(self.conv2(self.maxpool1(self.conv1(images)))))
        fourth = self.conv4(self.maxpool3(third))
        fifth = self.conv5(self.maxpool4(fourth))
        gated, attention = zip(self.gate1(third, fifth), self.gate2(fourth, fifth), strict=True)
        vectors = [*(each.flatten(2).sum(2) for each in gated), self.avgpool(fifth).flatten(1)]
        return [self.dropout(vector) for vector in vectors], attention

    def _separate(self, pooled: Sequence[Tensor]) -> tuple[Tensor, ...]:
        return tuple(classify(vector) for classify, vector in zip(self.classifiers, pooled, strict=True))

    def _decide(self, pooled: Sequence[Tensor], separate: Sequence[Tensor]) -> Tensor:
        if self.aggregation == "mean":
            return torch.stack(tuple(separate)).mean(0)
        logits: Tensor = self.classifier(torch.cat(tuple(separate if self.aggregation == "ft" else pooled), 1))
        return logits


def ag_sononet(
    num_classes: int,
    *,
    feature_scale: int = 1,
    aggregation: Aggregation = "concat",
    normalisation: GateNormalisation = "mean_flow",
    **options: Unpack[ModelOptions],
) -> AttentionGatedSononet:
    """AG-Sononet.

    Args:
        num_classes: K.
        feature_scale: by which all numbers of channels are divided; 8, 4 and 2 in the paper's models "-8", "-16" and
            "-32", 1 for a network of the size of VGG-16.
        aggregation: what is made of the pooled maps, see `AttentionGatedSononet`.
        normalisation: of the gates, see `AttentionGate`.
        **options: as in `ModelOptions`.

    Raises:
        SettingsError: `feature_scale` does not divide the width, or see `AttentionGatedSononet`.
    """
    width = options.get("width", 64)
    if feature_scale < 1 or width % feature_scale:
        raise SettingsError(f"feature_scale must be at least 1 and divide the width {width}, got {feature_scale}")
    options["width"] = width // feature_scale
    return AttentionGatedSononet(num_classes, aggregation=aggregation, normalisation=normalisation, **options)
