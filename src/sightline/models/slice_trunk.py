"""A 2-D network for volumes: groups of three adjacent slices, each seen as the three channels of one image.

Reference:
    Draelos and Carin 2020, arXiv:2011.08891 (AxialNet), section 3.2, and its released code.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sightline.errors import SettingsError
from sightline.models.densenet import DenseNet
from sightline.models.efficientnet import EfficientNet
from sightline.models.inception_resnet_v2 import InceptionResNetV2
from sightline.models.recomputing import recomputable, run_recomputing
from sightline.models.resnet import ResNet
from sightline.models.vgg import VGG
from sightline.models.volume_layers import PUBLISHED, VolumeOptions, check_volumes, checked_size
from sightline.models.weights import load_weights

GROUP = 3  # slices that are the channels of one image
_STAGES = 4  # of a ResNet
# What of our classifiers comes before the pooling of their features, in its order
_BODIES: dict[type[nn.Module], str] = {
    ResNet: "conv1 bn1 relu maxpool layer1 layer2 layer3 layer4",
    DenseNet: "features relu",
    VGG: "features",
    EfficientNet: "conv_stem bn1 act1 blocks conv_head bn2 act2",
    InceptionResNetV2: "conv2d_1a conv2d_2a conv2d_2b maxpool_3a conv2d_3b conv2d_4a maxpool_5a mixed_5b repeat "
    "mixed_6a repeat_1 mixed_7a repeat_2 block8 conv2d_7b",
}


class TrunkOptions(VolumeOptions, total=False):
    """Options of every model that begins with a slice trunk, beside those of `VolumeOptions`.

    Attributes:
        trunk: one of our 2-D convolutional classifiers, whose head is left away, or `package.module:callable` for any
            module from images `(N, 3, H, W)` to feature maps `(N, F, h, w)`; `resnet18` when left out.
        trunk_options: further keywords of the trunk.
        trunk_weights: file that the trunk starts from, as one of ImageNet's; random weights when left out.
        trunk_stages: stages of a ResNet that are kept, 1 to 4; fewer suit small volumes.
        offset: subtracted from the volumes first; 0 when left out, 0.449 in the released code. The rule for pixels of
            LRP needs 0.
        slices_at_once: most groups of slices that pass the trunk together; all when left out. In training mode a
            batch normalisation then sees no more at once, and moves its running statistics each time.
        checkpointing: whether the trunk's activations are computed again in the backward pass and not kept; they are
            when left out.
    """

    trunk: str
    trunk_options: Mapping[str, Any]
    trunk_weights: str | Path | None
    trunk_stages: int
    offset: float
    slices_at_once: int | None
    checkpointing: bool


class SliceTrunk(nn.Module):
    """Volumes `(N, 1, D, H, W)` to feature maps `(N * S, F, h, w)` of their S = D / 3 groups of slices.

    All groups pass the same network. Where they pass in parts, each part is spread over the volume: every other group,
    or every third.

    Args:
        net: any module from images `(N, 3, H, W)` to feature maps `(N, F, h, w)`.
        size: D, H, W.
        offset: as in `TrunkOptions`, and those below.
        slices_at_once: most groups that pass together.
        checkpointing: compute activations again in the backward pass. Logits and gradients are the same to the bit.

    Attributes:
        slices: S.
        shape: F, h, w.

    Raises:
        SettingsError: the slices cannot be grouped, or `net` cannot take them or gives no feature maps.
    """

    def __init__(
        self,
        net: nn.Module,
        size: Sequence[int] = PUBLISHED,
        *,
        offset: float = 0.0,
        slices_at_once: int | None = None,
        checkpointing: bool = True,
    ) -> None:
        super().__init__()
        self.size = checked_size(size)
        if self.size[0] % GROUP:
            less = self.size[0] // GROUP * GROUP
            raise SettingsError(
                f"size must have a multiple of {GROUP} slices, which become the channels of an image, got {self.size}; "
                f"choose {f'{less} or ' if less else ''}{less + GROUP} slices"
            )
        if slices_at_once is not None and slices_at_once < 1:
            raise SettingsError(f"slices_at_once must be at least 1 or null, got {slices_at_once}")
        self.net, self.offset = net, offset
        self.slices_at_once, self.checkpointing = slices_at_once, checkpointing
        self.slices = self.size[0] // GROUP
        self.shape = _shape_after(net, (GROUP, *self.size[1:]))

    def forward(self, volumes: Tensor) -> Tensor:
        """Return the feature maps `(N * S, F, h, w)` of `volumes` `(N, 1, D, H, W)`, those of one volume together.

        Raises:
            ShapeError: the volumes have another size.
        """
        check_volumes(volumes, self.size)
        groups = volumes.reshape(-1, GROUP, *self.size[1:])
        if self.offset:
            groups = groups - self.offset
        parts = math.ceil(len(groups) / (self.slices_at_once or len(groups))) if len(groups) else 1
        if parts == 1 or (torch.is_grad_enabled() and not recomputable()):  # explained: all is kept anyhow
            return self._run(groups)
        places = torch.arange(len(groups), device=groups.device)
        order = torch.cat([places[part::parts] for part in range(parts)])
        maps = torch.cat([self._run(groups[part::parts]) for part in range(parts)])
        return maps.index_select(0, order.argsort())

    def _run(self, groups: Tensor) -> Tensor:
        if self.checkpointing and recomputable():
            return run_recomputing(self.net, groups)
        maps: Tensor = self.net(groups)
        return maps


def _shape_after(net: nn.Module, shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Let a network read one empty image, in evaluation mode, and return the shape of what it makes of it."""
    modes = [(part, part.training) for part in net.modules()]
    like = next((parameter for parameter in net.parameters()), torch.empty(()))
    net.eval()
    try:
        with torch.no_grad():
            maps = net(like.new_zeros(1, *shape))
    except (RuntimeError, ValueError) as error:
        raise SettingsError(
            f"slices of {shape[1]} x {shape[2]} do not fit the trunk, choose larger ones or fewer trunk_stages: "
            f"{str(error).splitlines()[0]}"
        ) from error
    finally:
        for part, training in modes:
            part.training = training
    if not isinstance(maps, Tensor) or maps.ndim != 4:
        came = tuple(maps.shape) if isinstance(maps, Tensor) else type(maps).__name__
        raise SettingsError(f"the trunk must give feature maps (1, F, h, w) of an image {(1, *shape)}, got {came}")
    _, channels, height, width = maps.shape
    return channels, height, width


def build_trunk(
    *,
    size: Sequence[int] = PUBLISHED,
    in_channels: int = 1,
    width: int | None = None,
    trunk: str = "resnet18",
    trunk_options: Mapping[str, Any] | None = None,
    trunk_weights: str | Path | None = None,
    trunk_stages: int | None = None,
    offset: float = 0.0,
    slices_at_once: int | None = None,
    checkpointing: bool = True,
) -> SliceTrunk:
    """Build a slice trunk; arguments as in `TrunkOptions`.

    The names in the state dict of its `net` are those of the whole classifier, so torchvision's for a ResNet.

    Raises:
        SettingsError: the trunk is unknown or refuses its options, or see `SliceTrunk`.
        DataNotFoundError, DataError: `trunk_weights` is missing, or holds no weights of this trunk.
    """
    from sightline.models.build import ModelSettings, build_model  # `build` knows the models with a trunk by name

    size = checked_size(size, in_channels)
    settings = ModelSettings(trunk, width=width, options=dict(trunk_options or {}))
    seed = int(torch.randint(2**31, (), device="cpu"))  # so that one seed makes the whole model
    net = build_model(settings, num_classes=1, seed=seed)
    if trunk_weights is not None:
        load_weights(net, Path(trunk_weights))
    body = _body(net, trunk, trunk_stages)
    return SliceTrunk(body, size, offset=offset, slices_at_once=slices_at_once, checkpointing=checkpointing)


def _body(net: nn.Module, name: str, stages: int | None) -> nn.Module:
    """Leave away the head of one of our classifiers; take any other module as it is."""
    if stages is not None and (not isinstance(net, ResNet) or not 1 <= stages <= _STAGES):
        raise SettingsError(f"trunk_stages must lie in 1 to {_STAGES} and be of a ResNet, got {stages} of {name}")
    names = next((text.split() for kind, text in _BODIES.items() if isinstance(net, kind)), None)
    if names is None:
        return net
    names = names[: len(names) - (0 if stages is None else _STAGES - stages)]
    body = nn.Sequential()
    for each in names:
        body.add_module(each, getattr(net, each))
    return body
