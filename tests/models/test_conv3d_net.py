from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.attribution import LRP, Class, GradCAM, HiResCAM
from sightline.errors import SettingsError, ShapeError
from sightline.models.conv3d_net import Conv3DNet, conv3d_net

CHANNELS = [1, 64, 128, 256, 512, 128, 64]
SIZE = (30, 54, 54)
# zeros before each convolution of stride 3: 30, 10, 4, 2 slices, and 54, 18, 6, 2 rows and columns
PADS = [((0, 0), (0, 0)), ((1, 1), (0, 0)), ((1, 1), (0, 0)), ((0, 1), (0, 1))]


@pytest.fixture
def volumes() -> Tensor:
    return torch.rand(2, 1, *SIZE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.fixture
def model(randomise: Callable[[nn.Module], None]) -> Conv3DNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = conv3d_net(3, size=SIZE, width=4, padding=1).double().eval()
    randomise(model)
    return model


@pytest.mark.parametrize(("slices", "left"), [(402, 4), (405, 5)])
def test_parameters_follow_from_the_layer_table(slices: int, left: int) -> None:
    with torch.device("meta"):
        model = conv3d_net(80, size=(slices, 420, 420))
        features = model.features(torch.empty(1, 1, slices, 420, 420))
    assert features.shape == (1, 64, left, 5, 5)
    convolutions = [layer for layer in model.features if isinstance(layer, nn.Conv3d)]
    assert [(c.in_channels, c.out_channels) for c in convolutions] == list(pairwise(CHANNELS))
    assert [(c.kernel_size[0], c.stride[0], c.padding[0]) for c in convolutions] == [(3, 3, 0)] * 4 + [(1, 1, 0)] * 2
    assert [type(layer) for layer in model.features[1::2]] == [nn.ReLU] * 6
    weights = 27 * (64 + 64 * 128 + 128 * 256 + 256 * 512) + 512 * 128 + 128 * 64 + sum(CHANNELS[1:])
    head = (64 * left * 25 * 128 + 128) + (128 * 96 + 96) + (96 * 80 + 80)
    counted = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    assert counted == {"features": weights, "head": head}


@torch.no_grad()
def test_logits_are_the_layer_table_written_out(model: Conv3DNet, volumes: Tensor) -> None:
    maps = volumes
    for layer, (slices, sides) in zip(model.features[:8:2], PADS, strict=True):
        maps = F.conv3d(F.pad(maps, (*sides, *sides, *slices)), layer.weight, layer.bias, stride=3).clamp(min=0)
    for layer in model.features[8::2]:
        maps = F.conv3d(maps, layer.weight, layer.bias).clamp(min=0)
    hidden = maps.flatten(1)
    for layer in model.head:
        if isinstance(layer, nn.Linear):
            hidden = hidden.clamp(min=0) @ layer.weight.T + layer.bias
    torch.testing.assert_close(model(volumes), hidden)


def test_maps_are_drawn_at_the_last_convolution(model: Conv3DNet, volumes: Tensor) -> None:
    first, second = (
        explain(model, volumes, Class(1)).attribution
        for explain in (HiResCAM(layer="features"), GradCAM(layer="features"))
    )
    assert first.shape == second.shape == (2, 1, *model.features(volumes).shape[2:])


def test_lrp_without_biases_conserves_relevance(model: Conv3DNet, volumes: Tensor) -> None:
    for name, tensor in model.state_dict().items():
        if name.endswith("bias"):
            tensor.zero_()
    explanation = LRP(epsilon=1e-12)(model, volumes, Class(1))
    assert explanation.attribution.shape == volumes.shape
    assert explanation.logits.abs().max() > 1e-4
    total = explanation.attribution.sum((1, 2, 3, 4))
    torch.testing.assert_close(total, explanation.logits[:, 1], rtol=1e-4, atol=1e-9)


def test_volumes_that_do_not_fit_are_refused(model: Conv3DNet) -> None:
    with pytest.raises(SettingsError, match=r"leave nothing of 48 x 96 x 96; set padding to 1"):
        conv3d_net(3, size=(48, 96, 96), width=8)
    assert conv3d_net(3, size=(48, 96, 96), width=8, padding=1).features[-2].out_channels == 8
    with pytest.raises(SettingsError, match="padding must be 0 or 1, got 2"):
        conv3d_net(3, size=(48, 96, 96), width=8, padding=2)
    with pytest.raises(ShapeError, match=r"must be \(N, 1, 30, 54, 54\), .* got \(2, 3, 64, 64\)"):
        model(torch.zeros(2, 3, 64, 64).double())
