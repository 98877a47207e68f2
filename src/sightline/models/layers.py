"""What the architectures share: layers for two or three spatial axes, and their initialisation.

ReLUs write to a new tensor and every use has a module of its own: what a hook captures stays as it was, backward hooks
work (torch refuses them before an in-place operation), and other tools find each ReLU where it acts. This keeps
no more memory for the backward pass and costs about 4 % of a training step of DenseNet-121 on a CPU.
"""

from dataclasses import dataclass
from typing import Literal, TypedDict

from torch import nn

from sightline.errors import SettingsError


class ModelOptions(TypedDict, total=False):
    """Options of every architecture.

    Attributes:
        in_channels: channels of the images; 3 when left out.
        dimensions: 2 for images `(N, C, H, W)`, 3 for volumes `(N, C, D, H, W)`; 2 when left out.
        dropout: chance that a feature is dropped before a fully connected layer of the head; 0 when left out.
        width: channels of the first stage, from which all others follow; 64 when left out, as published.
    """

    in_channels: int
    dimensions: int
    dropout: float
    width: int


@dataclass(frozen=True)
class Layers:
    """Layer types for one number of spatial axes.

    Attributes:
        conv: convolution.
        norm: batch normalisation.
        max_pool: maximum over windows.
        avg_pool: mean over windows.
        adaptive_avg_pool: mean over a fixed grid of cells.
    """

    conv: type[nn.Conv2d] | type[nn.Conv3d]
    norm: type[nn.BatchNorm2d] | type[nn.BatchNorm3d]
    max_pool: type[nn.MaxPool2d] | type[nn.MaxPool3d]
    avg_pool: type[nn.AvgPool2d] | type[nn.AvgPool3d]
    adaptive_avg_pool: type[nn.AdaptiveAvgPool2d] | type[nn.AdaptiveAvgPool3d]


_LAYERS = {
    2: Layers(nn.Conv2d, nn.BatchNorm2d, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d),
    3: Layers(nn.Conv3d, nn.BatchNorm3d, nn.MaxPool3d, nn.AvgPool3d, nn.AdaptiveAvgPool3d),
}


def layers_for(dimensions: int) -> Layers:
    """Return the layer types for images (2) or volumes (3).

    Raises:
        SettingsError: `dimensions` is neither.
    """
    if dimensions not in _LAYERS:
        raise SettingsError(f"dimensions must be 2 (images) or 3 (volumes), got {dimensions}")
    return _LAYERS[dimensions]


def initialise_convolutions(model: nn.Module, *, mode: Literal["fan_in", "fan_out"]) -> None:
    r"""Draw the weights of all convolutions in `model` from He's normal distribution and set their biases to 0.

    $$w \sim \mathcal N(0,\ 2 / n)$$ with $n$ the number of inputs (`fan_in`) or outputs (`fan_out`) of a kernel.

    Reference:
        He et al. 2015, doi:10.1109/ICCV.2015.123, eq. 10 and 14; the modes are torchvision's.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, mode=mode, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
