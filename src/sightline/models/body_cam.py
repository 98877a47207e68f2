"""BodyCAM: AxialNet's features, their mean over all places, and one linear layer, so that CAM applies.

Reference:
    Draelos and Carin 2020, arXiv:2011.08891, table 1 and supplement; layers as in the released code.
"""

from collections.abc import Sequence
from math import prod
from typing import Unpack

from torch import Tensor, nn

from sightline.models.slice_features import SliceFeatures, slice_features
from sightline.models.slice_trunk import TrunkOptions
from sightline.types import LinearAnswer


class BodyCAM(nn.Module):
    """Linear classifier of mean features: volumes `(N, 1, D, H, W)` to logits `(N, K)`.

    All places of a feature weigh the same, so CAM, Grad-CAM and HiResCAM are one map but for a factor.

    Args:
        num_classes: K.
        features: volumes to `(N, F, S, h, w)`, where the maps are drawn.
    """

    def __init__(self, num_classes: int, features: SliceFeatures) -> None:
        super().__init__()
        self.features = features
        self.head = nn.Linear(features.shape[0], num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits `(N, K)` of `images` `(N, 1, D, H, W)`.

        Raises:
            ShapeError: the volumes have another size than the model is built for.
        """
        return self._decide(self.features(images))

    def linear_answer(self, images: Tensor) -> LinearAnswer:
        """Return the logits of `images` `(N, 1, D, H, W)` and what they are made of.

        Raises:
            ShapeError: the volumes have another size than the model is built for.
        """
        features = self.features(images)
        weights = self.head.weight[:, :, None, None, None]
        return LinearAnswer(self._decide(features), features, weights, 1 / prod(features.shape[2:]), self.head.bias)

    def _decide(self, features: Tensor) -> Tensor:
        logits: Tensor = self.head(features.mean((2, 3, 4)))
        return logits


def body_cam(
    num_classes: int,
    *,
    channels: Sequence[int] | None = None,
    padding: int = 0,
    dropout: float = 0.0,
    **options: Unpack[TrunkOptions],
) -> BodyCAM:
    """BodyCAM; `channels`, `padding` and `dropout` as in `axialnet`, `options` as in `TrunkOptions`."""
    return BodyCAM(num_classes, slice_features(channels=channels, padding=padding, dropout=dropout, **options))
