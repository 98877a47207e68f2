"""The thirteen architectures of the coverage table, at their real depth and as small as they can be otherwise."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.models import densenet121, resnet18, resnet50, vgg16, vgg16_bn

CLASSES = 4


@dataclass(frozen=True)
class Architecture:
    """A column of the table.

    Attributes:
        name: its title.
        size: what is smaller than as published, for the page.
        sides: of the images, in pixels.
        build: a model of `CLASSES` classes.
        last: name of the layer that gives the last feature map on whose places the logits depend.
        early: name of a layer with few channels, for what costs a forward pass a channel.
        head: name of the linear layer, where it alone follows global average pooling.
        places: where `last` has its places: behind the channels, before them, or in a row behind a class token.
        rectified: every activation is an `nn.ReLU`, and all else is linear but for max pooling.
        package: where it comes from, if not from us.
    """

    name: str
    size: str
    sides: tuple[int, ...]
    build: Callable[[], nn.Module]
    last: str
    early: str
    head: str | None = None
    places: str = "behind"
    rectified: bool = False
    package: str | None = None

    def images(self) -> Tensor:
        """Two random images `(2, 3, *sides)` in [0, 1], float64."""
        generator = torch.Generator().manual_seed(1)
        return torch.rand(2, 3, *self.sides, generator=generator, dtype=torch.float64)

    def model(self) -> nn.Module:
        """The model in evaluation mode, float64, every weight and statistic of it random."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            model = self.build().double()
            _draw_weights(model)
            _draw_statistics(model, torch.cat([self.images(), torch.rand(2, 3, *self.sides, dtype=torch.float64)]))
        return model.eval()


def _draw_weights(model: nn.Module) -> None:
    """Leave no weight at a value that hides something, such as a head, a bias or a layer scale of 0."""
    for name, parameter in model.named_parameters():
        kind = name.rpartition(".")[2]
        if kind == "layer_scale":
            nn.init.uniform_(parameter, 0.1, 0.5)
        elif "bias" in kind or kind in ("class_token", "pos_embedding"):
            nn.init.normal_(parameter, 0, 0.1)
        elif parameter.ndim == 1:  # of a normalisation
            nn.init.uniform_(parameter, 0.5, 1.5)
        elif parameter.ndim > 1 and kind == "weight":
            nn.init.kaiming_normal_(parameter, nonlinearity="relu")


def _draw_statistics(model: nn.Module, images: Tensor) -> None:
    """Give batch normalisations statistics near those of what they read, so that signals neither die nor explode."""

    def draw(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        axes = [axis for axis in range(inputs[0].ndim) if axis != 1]
        # Images of noise vary less than they are large
        mean, size = inputs[0].mean(axes), inputs[0].square().mean(axes)
        norm.running_var.copy_(size * torch.empty_like(size).uniform_(0.5, 1.5))
        norm.running_mean.copy_(mean / 2 + size.sqrt() * torch.empty_like(mean).normal_(0, 0.2))

    norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    hooks = [norm.register_forward_pre_hook(draw) for norm in norms]
    with torch.no_grad():
        model.eval()(images)
    for hook in hooks:
        hook.remove()


def _twice(channels: int, planes: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for given in (channels, planes):
        layers += [nn.Conv2d(given, planes, 3, padding=1), nn.BatchNorm2d(planes), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """The U-Net of 23 convolutions, enlarging twice by transposed convolution and twice by interpolation, with a head.

    The head averages what the decoder gives, and is linear. Convolutions are padded and normalised.

    Reference:
        Ronneberger et al. 2015, arXiv:1505.04597, figure 1.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        planes = [width * 2**i for i in range(5)]
        self.down = nn.ModuleList(_twice(3 if i == 0 else planes[i - 1], planes[i]) for i in range(5))
        self.enlarge = nn.ModuleList(
            nn.ConvTranspose2d(2 * n, n, 2, stride=2) if i < 2 else nn.Conv2d(2 * n, n, 1)
            for i, n in enumerate(reversed(planes[:-1]))
        )
        self.up = nn.ModuleList(_twice(2 * n, n) for n in reversed(planes[:-1]))
        self.fc = nn.Linear(width, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        x, skipped = images, []
        for block in self.down[:-1]:
            x = block(x)
            skipped.append(x)
            x = F.max_pool2d(x, 2)
        x = self.down[-1](x)
        for enlarge, block, beside in zip(self.enlarge, self.up, reversed(skipped), strict=True):
            if not isinstance(enlarge, nn.ConvTranspose2d):
                x = F.interpolate(x, size=beside.shape[2:], mode="bilinear", align_corners=False)
            x = block(torch.cat([beside, enlarge(x)], 1))
        return self.fc(x.mean((2, 3)))


def _torchvision(name: str) -> nn.Module:
    models = importlib.import_module("torchvision.models")
    model: nn.Module = getattr(models, name)(num_classes=CLASSES)
    return model


def _convnext() -> nn.Module:
    of = importlib.import_module("torchvision.models.convnext")
    widths = [24, 48, 96, 192, None]
    depths = [3, 3, 9, 3]
    return of.ConvNeXt(
        [of.CNBlockConfig(*setting) for setting in zip(widths[:-1], widths[1:], depths, strict=True)],
        stochastic_depth_prob=0.1,
        num_classes=CLASSES,
    )


def _vit() -> nn.Module:
    of = importlib.import_module("torchvision.models.vision_transformer")
    return of.VisionTransformer(64, 16, 12, 12, hidden_dim=96, mlp_dim=384, num_classes=CLASSES)


def _swin() -> nn.Module:
    of = importlib.import_module("torchvision.models.swin_transformer")
    return of.SwinTransformer(
        [4, 4], 24, [2, 2, 6, 2], [3, 6, 12, 24], [7, 7], stochastic_depth_prob=0.2, num_classes=CLASSES
    )


def _inception_resnet() -> nn.Module:
    return importlib.import_module("timm.models").InceptionResnetV2(num_classes=CLASSES)


ARCHITECTURES = [
    Architecture(
        "VGG-16", "width 4", (32, 64), partial(vgg16, CLASSES, width=4), "avgpool", "features.3", rectified=True
    ),
    Architecture(
        "VGG-16-BN", "width 4", (32, 64), partial(vgg16_bn, CLASSES, width=4), "avgpool", "features.5", rectified=True
    ),
    Architecture(
        *("ResNet-50", "width 4", (33, 40), partial(resnet50, CLASSES, width=4), "layer4", "maxpool"),
        head="fc",
        rectified=True,
    ),
    Architecture(
        *("DenseNet-121", "width 8", (64, 32), partial(densenet121, CLASSES, width=8), "relu", "features.pool0"),
        head="classifier",
        rectified=True,
    ),
    Architecture(
        *("EfficientNet-B0", "", (33, 40), partial(_torchvision, "efficientnet_b0"), "features", "features.1"),
        head="classifier.1",
        package="torchvision",
    ),
    Architecture(
        *("Inception-ResNet-v2", "", (107, 75), _inception_resnet, "conv2d_7b", "conv2d_1a"),
        head="classif",
        rectified=True,
        package="timm",
    ),
    Architecture(
        *("MobileNetV3", "Large", (33, 40), partial(_torchvision, "mobilenet_v3_large"), "features", "features.1"),
        package="torchvision",
    ),
    Architecture(
        *("ConvNeXt-T", "width 24", (64, 32), _convnext, "features", "features.0"),
        package="torchvision",
    ),
    Architecture(
        *("ViT-B/16", "width 96", (64, 64), _vit, "encoder.layers.encoder_layer_11.ln_1", "conv_proj"),
        places="class token",
        package="torchvision",
    ),
    Architecture(
        *("Swin-T", "width 24", (64, 64), _swin, "norm", "features.0"),
        head="head",
        places="before",
        package="torchvision",
    ),
    Architecture(
        *("U-Net with class head", "width 4", (32, 48), partial(UNet, 4), "up.3", "down.0"), head="fc", rectified=True
    ),
    Architecture(
        "3-D ResNet-18",
        "width 4",
        (33, 40, 33),
        partial(resnet18, CLASSES, width=4, dimensions=3),
        "layer4",
        "maxpool",
        head="fc",
        rectified=True,
    ),
    Architecture(
        "3-D DenseNet-121",
        "width 4",
        (64, 32, 32),
        partial(densenet121, CLASSES, width=4, dimensions=3),
        "relu",
        "features.pool0",
        head="classifier",
        rectified=True,
    ),
]
