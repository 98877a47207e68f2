"""The multi-task U-Net: a U-Net whose deepest maps are classified as VGG does, 2-D and 3-D.

Not MT-UNet, which learns from gaze; see `sightline.models.mt_unet`.

Reference:
    Bassi et al. 2024 (ISNet), doi:10.1038/s41467-023-44371-z, 4.9.
"""

from typing import Unpack

from torch import Tensor, nn

from sightline.models.layers import ModelOptions, layers_for
from sightline.models.unet import UNet
from sightline.types import Answer

_GRID = {2: 7, 3: 4}  # cells along each axis that the classifier sees, as in VGG


class MultitaskUNet(nn.Module):
    """Classifies at the end of the contracting path, segments at the end of the expanding one.

    Images `(N, C, *S)` to logits `(N, K)`, and two maps of their size, outside and inside. Each convolution of the
    U-Net is followed by batch normalisation.

    Args:
        num_classes: K.
        in_channels: C.
        dimensions: number of spatial axes, 2 or 3.
        dropout: chance that a feature is dropped after the first and the second layer of the classifier; 0.5 in the
            paper.
        width: channels of the U-Net's first stage, 64 as published; the last has 16 and the classifier's hidden layers
            64 times as many.
        depth: how often the resolution is halved, 4 in the paper.

    Raises:
        SettingsError: an argument is out of its range.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 3,
        dimensions: int = 2,
        dropout: float = 0.0,
        width: int = 64,
        depth: int = 4,
    ) -> None:
        super().__init__()
        layers, grid, hidden = layers_for(dimensions), _GRID[dimensions], 64 * width
        self.unet = UNet(2, in_channels=in_channels, dimensions=dimensions, width=width, depth=depth, batch_norm=True)
        self.pool = layers.adaptive_avg_pool(grid)
        self.classifier = nn.Sequential(
            nn.Linear(width * 2**depth * grid**dimensions, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits `(N, K)` of `images` `(N, C, *S)`; nothing is segmented."""
        deepest, _ = self.unet.contract(images)
        return self._classify(deepest)

    def answer(self, images: Tensor) -> Answer:
        """Return the logits `(N, K)` of `images` `(N, C, *S)` and maps of logits `(N, 2, *S)`, outside and inside."""
        deepest, kept = self.unet.contract(images)
        return Answer(self._classify(deepest), self.unet.head(self.unet.expand(deepest, kept)))

    def _classify(self, deepest: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.pool(deepest).flatten(1))
        return logits


def multitask_unet(num_classes: int, *, depth: int = 4, **options: Unpack[ModelOptions]) -> MultitaskUNet:
    """The multi-task U-Net of the ISNet's paper; `options` as in `ModelOptions`."""
    return MultitaskUNet(num_classes, depth=depth, **options)
