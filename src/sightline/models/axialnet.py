r"""AxialNet: scores of each group of slices, and their mean; its HiResCAM is known in the forward pass.

$$c_h = W z_h + b, \qquad s = \tfrac1H \sum_h c_h, \qquad
\tilde A_m = \tfrac1H \sum_f w_m^f \odot z_h^f$$

Reference:
    Draelos and Carin 2020, arXiv:2011.08891, section 3.2, eq. 1 and 10, and table 1 for the ablations; layers as in
    the released code. The custom convolutions start from He's normal distribution, there from torch's default.
"""

from collections.abc import Sequence
from math import prod
from typing import Literal, Unpack, get_args

import torch
from torch import Tensor, nn

from sightline.errors import SettingsError
from sightline.models.slice_features import SliceFeatures, slice_features
from sightline.models.slice_trunk import TrunkOptions
from sightline.types import LinearAnswer

Pool = Literal["mean", "max"]


class AxialNet(nn.Module):
    """Mean of the scores of all groups of slices: volumes `(N, 1, D, H, W)` to logits `(N, K)`.

    Args:
        num_classes: K.
        features: volumes to `(N, F, S, h, w)`, of S groups of slices; where HiResCAM and Grad-CAM are drawn.
        final_3d: read each group of slices by weights of its own, as one 3-D convolution over all features does.
    """

    def __init__(self, num_classes: int, features: SliceFeatures, *, final_3d: bool = False) -> None:
        super().__init__()
        channels, slices, *grid = features.shape
        self.features = features
        self.shape = (channels, slices if final_3d else 1, *grid)  # of the weights of one class
        self.head = nn.Linear(prod(self.shape), num_classes)

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
        scale = self.shape[1] / features.shape[2]
        return LinearAnswer(self._decide(features), features, self._weights(), scale, self.head.bias)

    def slice_scores(self, images: Tensor) -> Tensor:
        """Return the scores `(N, K, S)` of each group of slices, whose mean is the logit."""
        features = self.features(images)
        weights = self.shape[1] * self._weights().expand(-1, -1, features.shape[2], -1, -1)
        return torch.einsum("nfshw,kfshw->nks", features, weights) + self.head.bias[:, None]

    def _decide(self, features: Tensor) -> Tensor:
        logits: Tensor = self.head((features if self.shape[1] > 1 else features.mean(2)).flatten(1))
        return logits

    def _weights(self) -> Tensor:
        return self.head.weight.view(-1, *self.shape)


class MaxAxialNet(nn.Module):
    """Greatest score of all groups of slices, class by class: volumes `(N, 1, D, H, W)` to logits `(N, K)`.

    The layers and their names are `AxialNet`'s, so weights of one fit the other. Which group is the greatest is no
    linear matter: there is no `linear_answer`.

    Args:
        num_classes: K.
        features: as in `AxialNet`.
    """

    def __init__(self, num_classes: int, features: SliceFeatures) -> None:
        super().__init__()
        channels, _, *grid = features.shape
        self.features = features
        self.head = nn.Linear(channels * prod(grid), num_classes)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits `(N, K)` of `images` `(N, 1, D, H, W)`.

        Raises:
            ShapeError: the volumes have another size than the model is built for.
        """
        return self.slice_scores(images).amax(2)

    def slice_scores(self, images: Tensor) -> Tensor:
        """Return the scores `(N, K, S)` of each group of slices, whose greatest is the logit."""
        features = self.features(images)
        scores: Tensor = self.head(features.transpose(1, 2).flatten(0, 1).flatten(1))
        return scores.reshape(-1, features.shape[2], scores.shape[1]).transpose(1, 2)


def axialnet(
    num_classes: int,
    *,
    pool: Pool = "mean",
    final_3d: bool = False,
    channels: Sequence[int] | None = None,
    padding: int = 0,
    dropout: float = 0.0,
    **options: Unpack[TrunkOptions],
) -> AxialNet | MaxAxialNet:
    """AxialNet and its ablations.

    Args:
        num_classes: K.
        pool: what is made of the scores of the slices, `mean` or `max`.
        final_3d: see `AxialNet`.
        channels: of each custom convolution, see `slice_features`; an empty list leaves them out.
        padding: of the custom convolutions, see `SliceFeatures`.
        dropout: see `SliceFeatures`.
        **options: as in `TrunkOptions`; without `trunk_weights` this is the ablation of a trunk of random weights.

    Raises:
        SettingsError: an option is out of its range, `final_3d` is to be pooled by its greatest, or the volumes are too
            small for the layers.
        DataNotFoundError, DataError: `trunk_weights` is missing, or holds no weights of the trunk.
    """
    if pool not in get_args(Pool):
        raise SettingsError(f"pool must be one of {', '.join(get_args(Pool))}, got {pool!r}")
    if pool == "max" and final_3d:
        raise SettingsError("pool must be mean where final_3d is set, got 'max': there is no score of a single slice")
    features = slice_features(channels=channels, padding=padding, dropout=dropout, **options)
    if pool == "max":
        return MaxAxialNet(num_classes, features)
    return AxialNet(num_classes, features, final_3d=final_3d)
