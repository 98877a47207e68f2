"""Models whose maps can be worked out on paper."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from sightline.models import DenseNet, resnet18, vgg11_bn


class Flat(nn.Module):
    """One linear layer on the flattened features, which are the pixels: the gradient is the weight given."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        super().__init__()
        channels, dimensions = weight.shape[1], weight.ndim - 2
        convolution = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dimensions - 1]
        self.features = convolution(channels, channels, 1, bias=False).to(weight.dtype)
        self.fc = nn.Linear(weight[0].numel(), len(weight)).to(weight.dtype)
        with torch.no_grad():
            self.features.weight.copy_(torch.eye(channels).view(channels, channels, *[1] * dimensions))
            self.fc.weight.copy_(weight.flatten(1))
            self.fc.bias.copy_(torch.zeros(len(weight)) if bias is None else bias)

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(self.features(images).flatten(1))


@pytest.fixture(scope="session")
def flat() -> type[Flat]:
    return Flat


class Pooled(nn.Module):
    """Global average pooling and one linear layer on features that are not negative."""

    def __init__(self, dimensions: int = 2, *, channels: int = 2, features: int = 4, classes: int = 3) -> None:
        super().__init__()
        convolution = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dimensions - 1]
        self.features = nn.Sequential(convolution(channels, features, 3), nn.ReLU(inplace=True))
        self.fc = nn.Linear(features, classes)
        self.double()

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(self.features(images).flatten(2).mean(2))


@pytest.fixture(scope="session")
def pooled() -> type[Pooled]:
    return Pooled


MODELS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "resnet": (lambda: resnet18(3, width=8), "layer4"),
    "densenet": (lambda: DenseNet(3, (2, 2), width=8), "relu"),
    "vgg": (lambda: vgg11_bn(3, width=4), "avgpool"),
}


@pytest.fixture(params=MODELS)
def named(request: pytest.FixtureRequest, random_norms: Callable[[nn.Module], None]) -> tuple[nn.Module, str]:
    """A model and the name of its last feature map."""
    build, layer = MODELS[request.param]
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model = build()
        random_norms(model)
    return model.double().eval(), layer
