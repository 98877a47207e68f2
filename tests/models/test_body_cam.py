from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from sightline.attribution import CAM, EveryClass, GradCAM, HiResCAM
from sightline.models.body_cam import BodyCAM, body_cam

SIZE = (12, 64, 64)
PLACES = 4 * 4 * 4  # of its features


@pytest.fixture
def model(randomise: Callable[[nn.Module], None]) -> BodyCAM:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = body_cam(3, size=SIZE, width=8, trunk_stages=3, padding=1).double().eval()
    randomise(model)
    return model


@pytest.fixture
def volumes() -> Tensor:
    return torch.rand(2, 1, *SIZE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_parameters_follow_from_the_layer_table() -> None:
    with torch.device("meta"):
        model = body_cam(80)
        assert model(torch.empty(1, 1, 405, 420, 420)).shape == (1, 80)
    trunk, custom, head = 11_689_512 - 513_000, 320_384, 16 * 80 + 80
    assert sum(p.numel() for p in model.parameters()) == trunk + custom + head == 11_498_256


@torch.no_grad()
def test_logits_are_linear_in_the_means_of_the_features(model: BodyCAM, volumes: Tensor) -> None:
    features = model.features(volumes)  # tested by itself
    assert features[0, 0].numel() == PLACES
    expected = features.mean((2, 3, 4)) @ model.head.weight.T + model.head.bias
    torch.testing.assert_close(model(volumes), expected)


@pytest.mark.parametrize("layer", ["features", None])
def test_the_three_class_activation_maps_coincide(model: BodyCAM, volumes: Tensor, layer: str | None) -> None:
    cam, by_feature, by_place = (
        explain(model, volumes, EveryClass()).attribution
        for explain in (CAM(layer=layer), GradCAM(layer=layer, rectify=False), HiResCAM(layer=layer))
    )
    torch.testing.assert_close(by_feature, by_place)
    torch.testing.assert_close(cam, PLACES * by_place)
    assert by_place.abs().max() > 1e-4


def test_hirescam_in_closed_form_is_the_engines_and_adds_up_to_the_logit(model: BodyCAM, volumes: Tensor) -> None:
    answer = model.linear_answer(volumes)
    maps = answer.scale * (answer.weights * answer.features[:, None]).sum(2)
    engine = HiResCAM(layer="features")(model, volumes, EveryClass())
    torch.testing.assert_close(maps, engine.attribution[:, :, 0], rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(maps.sum((2, 3, 4)) + answer.bias, engine.logits, rtol=1e-6, atol=1e-9)
    assert torch.equal(answer.logits, model(volumes))
