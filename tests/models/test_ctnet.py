from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.attribution import LRP, Class
from sightline.errors import SettingsError, ShapeError
from sightline.models.ctnet import CTNet, ctnet

SMALL = {"size": (12, 64, 64), "width": 8, "trunk_stages": 3, "padding": 1}
# zeros before each convolution, of columns, rows and features: 32, 11, 4 of these
PADS = [(1, 1, 1, 1, 0, 1), (1, 1, 1, 1, 0, 1), (0, 0, 0, 0, 1, 1)]
TRUNK = 11_689_512 - 513_000  # parameters of ResNet-18 less its head


@pytest.fixture
def volumes() -> Tensor:
    return torch.rand(2, 1, 12, 64, 64, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.fixture
def model(randomise: Callable[[nn.Module], None]) -> CTNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = ctnet(3, **SMALL).double().eval()  # type: ignore[arg-type]
    randomise(model)
    return model


@pytest.mark.parametrize("slices", [402, 405])
def test_parameters_follow_from_the_layer_table(slices: int) -> None:
    groups = slices // 3
    with torch.device("meta"):
        model = ctnet(83, size=(slices, 420, 420))
        mixed = model.mixing(torch.empty(1, groups, 512, 14, 14))
        assert model(torch.empty(1, 1, slices, 420, 420)).shape == (1, 83)
    assert mixed.shape == (1, 16, 18, 5, 5)
    counted = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    mixing = (groups * 64 * 27 + 64) + (64 * 32 * 27 + 32) + (32 * 16 * 12 + 16)
    head = (7200 * 128 + 128) + (128 * 96 + 96) + (96 * 83 + 83)
    assert counted == {"trunk": TRUNK, "mixing": mixing, "head": head}


@torch.no_grad()
def test_the_slices_are_the_channels_of_the_convolutions(model: CTNet, volumes: Tensor) -> None:
    maps = torch.stack([model.trunk(volume[None]) for volume in volumes])  # (N, S, F, h, w)
    assert maps.shape == (2, 4, 32, 4, 4)
    for layer, pads in zip(model.mixing[::2], PADS, strict=True):
        maps = F.conv3d(F.pad(maps, pads), layer.weight, layer.bias, layer.stride).clamp(min=0)
    hidden = maps.flatten(1)
    for layer in model.head:
        if isinstance(layer, nn.Linear):
            hidden = hidden.clamp(min=0) @ layer.weight.T + layer.bias
    torch.testing.assert_close(model(volumes), hidden)


def test_dropout_acts_on_both_hidden_layers_of_the_head_and_in_training_only(volumes: Tensor) -> None:
    model = ctnet(3, **SMALL, dropout=0.5).double()  # type: ignore[arg-type]
    kinds = [type(layer) for layer in model.head]
    assert kinds == [nn.Linear, nn.ReLU, nn.Dropout, nn.Linear, nn.ReLU, nn.Dropout, nn.Linear]
    assert [layer.p for layer in model.head if isinstance(layer, nn.Dropout)] == [0.5, 0.5]
    model.eval()
    assert torch.equal(model(volumes), model(volumes))
    model.head.train()
    assert not torch.equal(model(volumes), model(volumes))


def test_lrp_without_biases_conserves_relevance(model: CTNet, volumes: Tensor) -> None:
    for name, tensor in model.state_dict().items():
        if name.endswith(("bias", "running_mean")):
            tensor.zero_()
    explanation = LRP(epsilon=1e-12)(model, volumes, Class(1))
    assert explanation.attribution.shape == volumes.shape
    assert explanation.logits.abs().max() > 1e-4
    total = explanation.attribution.sum((1, 2, 3, 4))
    torch.testing.assert_close(total, explanation.logits[:, 1], rtol=1e-4, atol=1e-9)


def test_volumes_that_do_not_fit_are_refused(model: CTNet) -> None:
    with pytest.raises(
        SettingsError, match=r"3-D convolutions without padding leave nothing of 64 x 3 x 3; set padding"
    ):
        ctnet(3, size=(48, 96, 96), width=8)
    with pytest.raises(ShapeError, match=r"must be \(N, 1, 12, 64, 64\)"):
        model(torch.zeros(1, 1, 9, 64, 64).double())
