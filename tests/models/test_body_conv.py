from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.attribution import LRP, Class, EveryClass, HiResCAM, Saliency
from sightline.errors import SettingsError, ShapeError
from sightline.models.body_conv import BodyConv, body_conv

SMALL = {"size": (48, 64, 64), "width": 8, "trunk_stages": 3, "padding": 1}
# zeros before each convolution, of columns, rows and slices: 16, 6, 2 of these
PADS = [(1, 1, 1, 1, 1, 1), (1, 1, 1, 1, 0, 0), (0, 0, 0, 0, 0, 1)]
TRUNK = 11_689_512 - 513_000  # parameters of ResNet-18 less its head


@pytest.fixture
def volumes() -> Tensor:
    return torch.rand(1, 1, 48, 64, 64, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.fixture
def model(randomise: Callable[[nn.Module], None]) -> BodyConv:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = body_conv(3, **SMALL).double().eval()  # type: ignore[arg-type]
    randomise(model)
    return model


@pytest.mark.parametrize(("slices", "left"), [(402, 4), (405, 5)])
def test_parameters_follow_from_the_layer_table(slices: int, left: int) -> None:
    with torch.device("meta"):
        model = body_conv(80, size=(slices, 420, 420))
        features = model.features(torch.empty(1, 512, slices // 3, 14, 14))
        assert model(torch.empty(1, 1, slices, 420, 420)).shape == (1, 80)
    assert features.shape == (1, 16, left, 5, 5)
    counted = {name: sum(p.numel() for p in part.parameters()) for name, part in model.named_children()}
    convolutions = (512 * 64 * 27 + 64) + (64 * 32 * 27 + 32) + (32 * 16 * 12 + 16)
    head = (16 * left * 25 * 128 + 128) + (128 * 96 + 96) + (96 * 80 + 80)
    assert counted == {"trunk": TRUNK, "features": convolutions, "head": head}


@torch.no_grad()
def test_the_convolutions_see_the_maps_as_they_lie_in_the_body(model: BodyConv, volumes: Tensor) -> None:
    maps = model.trunk(volumes).transpose(0, 1)[None]  # (1, F, S, h, w)
    assert maps.shape == (1, 32, 16, 4, 4)
    for layer, pads in zip(model.features[::2], PADS, strict=True):
        maps = F.conv3d(F.pad(maps, pads), layer.weight, layer.bias, layer.stride).clamp(min=0)
    hidden = maps.flatten(1)
    for layer in model.head:
        if isinstance(layer, nn.Linear):
            hidden = hidden.clamp(min=0) @ layer.weight.T + layer.bias
    torch.testing.assert_close(model(volumes), hidden)


def test_hirescam_is_drawn_at_the_last_convolution(model: BodyConv, volumes: Tensor) -> None:
    explanation = HiResCAM(layer="features")(model, volumes, EveryClass())
    features = model.features(model.trunk(volumes).transpose(0, 1)[None]).detach().requires_grad_()
    for k, logit in enumerate(model.head(features.flatten(1))[0]):
        (gradient,) = torch.autograd.grad(logit, features, retain_graph=True)
        torch.testing.assert_close(explanation.attribution[0, k, 0], (gradient * features).sum(1)[0])
    assert not hasattr(model, "linear_answer")


def test_lrp_without_biases_conserves_relevance(model: BodyConv, volumes: Tensor) -> None:
    for name, tensor in model.state_dict().items():
        if name.endswith(("bias", "running_mean")):
            tensor.zero_()
    explanation = LRP(epsilon=1e-12)(model, volumes, Class(1))
    assert explanation.logits.abs().max() > 1e-4
    total = explanation.attribution.sum((1, 2, 3, 4))
    torch.testing.assert_close(total, explanation.logits[:, 1], rtol=1e-4, atol=1e-9)


def test_every_slice_counts(model: BodyConv, volumes: Tensor) -> None:
    slope = Saliency()(model, volumes, Class(0)).attribution
    assert (slope.abs().amax((0, 1, 3, 4)) > 0).all()


def test_volumes_that_do_not_fit_are_refused(model: BodyConv) -> None:
    with pytest.raises(SettingsError, match=r"leave nothing of 16 x 6 x 6; set padding to 1"):
        body_conv(3, size=(48, 96, 96), width=8, trunk_stages=3)
    with pytest.raises(ShapeError, match=r"must be \(N, 1, 48, 64, 64\)"):
        model(torch.zeros(1, 1, 45, 64, 64).double())
