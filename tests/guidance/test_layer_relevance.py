import pytest
import torch
from torch import Tensor, nn

from sightline.errors import SettingsError, ShapeError
from sightline.guidance.layer_relevance import last_of_each_resolution, layer_map, supervised
from sightline.models import ModelSettings, build_model


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("resnet18", ("relu", "layer1", "layer2", "layer3", "layer4")),
        ("densenet121", ("features.relu0", "features.transition1.conv", "features.transition2.conv")),
        ("vgg11", ("features.4", "features.9", "features.14")),
        ("vit_tiny", ("patch_embed",)),
    ],
)
def test_stages_end_where_the_resolution_changes(name: str, layers: tuple[str, ...]) -> None:
    options = {"image_size": 64} if name == "vit_tiny" else {}
    width = 64 if name == "vit_tiny" else 4
    model = build_model(ModelSettings(name, in_channels=1, width=width, options=options), num_classes=3, seed=0)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    found = last_of_each_resolution(model, torch.rand(2, 1, 64, 64))
    assert found[: len(layers)] == layers
    assert model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not any(part._forward_hooks for part in model.modules())


def test_a_model_of_one_resolution_has_no_stages() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(SettingsError, match="layers must be named for this model"):
        last_of_each_resolution(model, torch.rand(1, 1, 8, 8))


RELEVANCE = torch.arange(-12.0, 12.0).reshape(1, 2, 3, 4)


def test_channels_are_added_up_without_their_sign() -> None:
    expected = (RELEVANCE[:, 0].abs() + RELEVANCE[:, 1].abs()).unsqueeze(1)
    torch.testing.assert_close(layer_map(RELEVANCE, (6, 8)), expected)
    every = RELEVANCE.unsqueeze(1).expand(1, 5, 2, 3, 4)
    torch.testing.assert_close(layer_map(every, (6, 8), every=True), expected.unsqueeze(1).expand(1, 5, 1, 3, 4))


@pytest.mark.parametrize("extra", [0, 1, 2])
def test_tokens_lie_in_the_grid_of_the_image_behind_those_of_no_place(extra: int) -> None:
    tokens = RELEVANCE.flatten(2).transpose(1, 2)  # (1, 12, 2)
    tokens = torch.cat([torch.full((1, extra, 2), 99.0), tokens], 1)
    expected = layer_map(RELEVANCE, (48, 64))
    torch.testing.assert_close(layer_map(tokens, (48, 64)), expected)
    every = torch.stack([tokens, 2 * tokens], 1)
    torch.testing.assert_close(layer_map(every, (48, 64), every=True)[:, 1], 2 * expected)


def test_slices_of_a_volume_that_were_seen_one_by_one_come_together_again() -> None:
    slices = torch.randn(2 * 3, 4, 5, 6, generator=torch.Generator().manual_seed(0))  # of two volumes
    expected = torch.stack([torch.stack([s.abs().sum(0) for s in slices[:3]]), slices[3:].abs().sum(1)]).unsqueeze(1)
    torch.testing.assert_close(layer_map(slices, (9, 10, 12), count=2), expected)
    every = torch.stack([slices, 2 * slices], 1)
    found = layer_map(every, (9, 10, 12), every=True, count=2)
    torch.testing.assert_close(found, torch.stack([expected, 2 * expected], 1))
    with pytest.raises(ShapeError, match="a layer to supervise must return"):
        layer_map(slices, (9, 10, 12), count=4)


@pytest.mark.parametrize("shape", [(2, 5), (2, 5, 4, 4, 4)])
def test_a_layer_without_places_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="a layer to supervise must return"):
        layer_map(torch.zeros(shape), (8, 8))


@pytest.mark.parametrize(
    ("weights", "decay", "expected"),
    [
        ((), 1.0, (3 + 1 + 2) / 3),
        ((2.0, 0.0), 1.0, (3 + 2 + 0) / 3),
        ((), 0.5, (3 + 2 / 2 + 1 / 4) / 1.75),
        ((8.0, 1.0), 0.0, 8.0),
    ],
)
def test_the_worst_depths_weigh_more(weights: tuple[float, ...], decay: float, expected: float) -> None:
    losses: list[Tensor] = list(torch.tensor([3.0, 1.0, 2.0]))
    assert supervised(losses, weights, decay=decay).item() == pytest.approx(expected)
