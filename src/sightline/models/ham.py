"""HAM: a dilated ResNet with foreground attention, one head for "anything abnormal" and one for each abnormality.

Reference:
    Ouyang et al. 2021, doi:10.1109/TMI.2020.3042773; layers and constants as in the authors' released code.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.errors import SettingsError
from sightline.models.layers import Layers, ModelOptions, initialise_convolutions, layers_for
from sightline.models.resnet import ResNet, resnet50
from sightline.models.weights import load_weights

_REDUCTION = 8  # channels of the attention between its two linear layers: an eighth
_SHARPNESS = 6.0  # r of the pooling: 0 is the mean over the places, infinity the maximum


@dataclass(frozen=True)
class HAMAnswer:
    """What a HAM answers, with A abnormal classes: all K, or all but the normal one.

    Attributes:
        logits: of the decision, `(N, K)`, on the graph.
        classes: logits of the abnormal classes, `(N, A)`.
        anomaly: logit of "anything abnormal", `(N, 1)`.
        class_maps: activation map of each abnormal class, at least 0, `(N, A, *S / 8)`. The weights of the head count
            as constants.
        anomaly_map: that of "anything abnormal", `(N, 1, *S / 8)`.
    """

    logits: Tensor
    classes: Tensor
    anomaly: Tensor
    class_maps: Tensor
    anomaly_map: Tensor


class ForegroundAttention(nn.Module):
    r"""Attention over channels, then over places, beside a shortcut.

    $$\mathrm{out} = x + \gamma\, q \odot \sigma(\mathrm{BN}(k * q)), \qquad
    q = u^\top (V x \odot \sigma(W_2\,\mathrm{relu}(W_1 \textstyle\sum_s a_s x_s))), \qquad
    a = \mathrm{softmax}(v^\top x)$$

    with $q$ a single channel that is added to all, and $\gamma$ learned from 0.

    Args:
        layers: layer types for 2-D or 3-D.
        channels: of the input and of the output.
    """

    def __init__(self, layers: Layers, channels: int) -> None:
        super().__init__()
        self.weigh = layers.conv(channels, 1, 1, bias=False)
        self.squeeze = nn.Linear(channels, channels // _REDUCTION, bias=False)
        self.relu = nn.ReLU()
        self.excite = nn.Linear(channels // _REDUCTION, channels, bias=False)
        self.channel_gate = nn.Sigmoid()
        self.mix = layers.conv(channels, channels, 1, bias=False)
        self.collapse = layers.conv(channels, 1, 1, bias=False)
        self.smooth = layers.conv(1, 1, 3, padding=1, bias=False)
        self.norm = layers.norm(1)
        self.place_gate = nn.Sigmoid()
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        """Map `(N, channels, *S)` to the same shape."""
        weights = self.weigh(x).flatten(2).softmax(2)  # (N, 1, P)
        pooled = torch.matmul(x.flatten(2), weights.mT).flatten(1)  # (N, C)
        gate = self.channel_gate(self.excite(self.relu(self.squeeze(pooled))))
        places: Tensor = self.collapse(self.mix(x) * gate.view(*gate.shape, *(1,) * (x.ndim - 2)))
        places = places * self.place_gate(self.norm(self.smooth(places)))
        return x + self.gamma * places


class HAM(nn.Module):
    r"""Hierarchical classifier: images `(N, C, *S)` to logits `(N, K)`.

    Features $F$ at an eighth of the resolution are pooled by a soft maximum over their $P$ places,

    $$v = \tfrac{1}{r} (\ln \textstyle\sum_s e^{r F_s} - \ln P), \qquad r = 6,$$

    and read by two linear heads without bias, for "anything abnormal" and for each abnormality. Where one of the K
    classes is the normal one it has no output of its own: its logit is that of "anything abnormal" with the opposite
    sign. Otherwise all K are abnormal, and `forward` leaves "anything abnormal" aside.

    Args:
        num_classes: K.
        resnet: of bottlenecks; its parts become this model's, the last two stages with dilated convolutions in place of
            their stride.
        normal_class: index of the class that means "nothing abnormal", or None.
        dropout: chance that a channel of $F$ is dropped; 0.1 in the source.

    Raises:
        SettingsError: `normal_class` is none of the classes.
    """

    def __init__(
        self, num_classes: int, resnet: ResNet, *, normal_class: int | None = None, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if normal_class is not None and not 0 <= normal_class < num_classes:
            raise SettingsError(f"normal_class must lie in 0 to {num_classes - 1} or be null, got {normal_class}")
        self.normal_class = normal_class
        self.conv1, self.bn1, self.relu, self.maxpool = resnet.conv1, resnet.bn1, resnet.relu, resnet.maxpool
        self.layer1, self.layer2, self.layer3, self.layer4 = resnet.layer1, resnet.layer2, resnet.layer3, resnet.layer4
        for stage, dilation in ((self.layer3, 2), (self.layer4, 4)):
            _dilate(stage, dilation)
        channels, dimensions = resnet.fc.in_features, resnet.conv1.weight.ndim - 2
        layers, inner = layers_for(dimensions), channels // 4
        self.attention = nn.Sequential(
            *(layers.conv(channels, inner, 3, padding=1, bias=False), layers.norm(inner)),
            ForegroundAttention(layers, inner),
            *(layers.conv(inner, inner, 3, padding=1, bias=False), layers.norm(inner)),
        )
        self.head = nn.Sequential(
            *(layers.conv(channels + inner, inner, 3, padding=1, bias=False), layers.norm(inner), nn.ReLU()),
            nn.Dropout2d(dropout) if dimensions == 2 else nn.Dropout3d(dropout),
        )
        self.anomaly = nn.Linear(inner, 1, bias=False)
        self.classes = nn.Linear(inner, len(self.abnormal(num_classes)), bias=False)

        for part in (self.attention, self.head):
            initialise_convolutions(part, mode="fan_out")

    def abnormal(self, num_classes: int) -> list[int]:
        """Indices of the classes that have a head and a map, out of K."""
        return [index for index in range(num_classes) if index != self.normal_class]

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits `(N, K)` of `images` `(N, C, *S)`."""
        vectors = _soft_maximum(self._features(images))
        if self.normal_class is None:
            logits: Tensor = self.classes(vectors)
            return logits
        return self._decide(self.classes(vectors), self.anomaly(vectors))

    def answer(self, images: Tensor) -> HAMAnswer:
        """Return all that is answered to `images` `(N, C, *S)`."""
        features = self._features(images)
        vectors = _soft_maximum(features)
        classes, anomaly = self.classes(vectors), self.anomaly(vectors)
        class_maps, anomaly_map = (_activation_maps(features, head) for head in (self.classes, self.anomaly))
        return HAMAnswer(self._decide(classes, anomaly), classes, anomaly, class_maps, anomaly_map)

    def _features(self, images: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        features: Tensor = self.head(torch.cat((x, self.attention(x)), 1))
        return features

    def _decide(self, classes: Tensor, anomaly: Tensor) -> Tensor:
        if self.normal_class is None:
            return classes
        return torch.cat((classes[:, : self.normal_class], -anomaly, classes[:, self.normal_class :]), 1)


def refine_maps(maps: Tensor, size: tuple[int, ...], *, threshold: float = 0.4, slope: float = 100.0) -> Tensor:
    r"""Bring activation maps to the resolution of the images, scale each to [0, 1], and make it almost binary.

    $$R = \sigma(100\,(c - 0.4)), \qquad c = (m - \min m) / (\max m - \min m)$$

    Args:
        maps: $m$, `(N, A, *S')`.
        size: wanted, `S`; linear interpolation that keeps the corners.
        threshold: share of the range that becomes 0.5.
        slope: how steep.

    Returns:
        `(N, A, *size)` in [0, 1], on the graph. An even map is 0.
    """
    maps = F.interpolate(maps, size=size, mode="bilinear" if len(size) == 2 else "trilinear", align_corners=True)
    axes = tuple(range(2, maps.ndim))
    least = maps.amin(axes, keepdim=True)
    spread = maps.amax(axes, keepdim=True) - least
    return torch.sigmoid(slope * ((maps - least) / torch.where(spread > 0, spread, 1e-5) - threshold))


def ham_resnet50(
    num_classes: int,
    *,
    normal_class: int | None = None,
    backbone: str | Path | None = None,
    **options: Unpack[ModelOptions],
) -> HAM:
    """HAM on a ResNet-50.

    Args:
        num_classes: K.
        normal_class: see `HAM`.
        backbone: file of weights of a ResNet-50 to start from, as in `load_weights`; None starts from random weights.
        **options: as in `ModelOptions`.

    Raises:
        SettingsError: see `HAM`.
        DataNotFoundError, DataError: `backbone` is missing, or holds no weights of a ResNet-50.
    """
    dropout = options.pop("dropout", 0.0)
    resnet = resnet50(1, **options)
    if backbone is not None:
        load_weights(resnet, Path(backbone))
    return HAM(num_classes, resnet, normal_class=normal_class, dropout=dropout)


def _dilate(stage: nn.Module, dilation: int) -> None:
    """Let a stage of bottlenecks keep the resolution, its 3×3 convolutions seeing as far as after a stride."""
    for convolution in stage.modules():
        if isinstance(convolution, nn.Conv2d | nn.Conv3d):
            axes = convolution.weight.ndim - 2
            convolution.stride = (1,) * axes
            if convolution.kernel_size[0] > 1:
                convolution.dilation = convolution.padding = (dilation,) * axes


def _soft_maximum(features: Tensor) -> Tensor:
    flat = features.flatten(2)
    return ((_SHARPNESS * flat).logsumexp(2) - math.log(flat.shape[2])) / _SHARPNESS


def _activation_maps(features: Tensor, head: nn.Linear) -> Tensor:
    """Features weighed by a head, at least 0; a loss on them moves what the head sees, not the head."""
    kernel = head.weight.detach()
    maps = torch.matmul(kernel, features.flatten(2))  # (N, A, P)
    return maps.view(len(features), len(kernel), *features.shape[2:]).relu()
