import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sightline.errors import SettingsError
from sightline.models.slice_features import SliceFeatures, slice_features
from sightline.models.slice_trunk import SliceTrunk

CUSTOM = [(512, 64, 12), (64, 32, 10), (32, 16, 8), (16, 16, 6)]  # of the layer table: channels in and out, side after


def test_at_full_size_they_are_the_layer_table() -> None:
    with torch.device("meta"):
        features = slice_features()
        assert features(torch.empty(1, 1, 405, 420, 420)).shape == (1, 16, 135, 6, 6)
    sides: list[int] = []
    with torch.device("meta"):
        maps = torch.empty(135, 512, 14, 14)
        for layer in features.convolutions:
            maps = layer(maps)
            sides.append(maps.shape[-1])
    convolutions = features.convolutions[::2]
    found = [(c.in_channels, c.out_channels, side) for c, side in zip(convolutions, sides[1::2], strict=True)]
    assert found == CUSTOM
    assert all((c.kernel_size, c.stride, c.padding) == ((3, 3), (1, 1), (0, 0)) for c in convolutions)
    assert all(isinstance(layer, nn.ReLU) for layer in features.convolutions[1::2])
    custom = sum(p.numel() for p in features.convolutions.parameters())
    assert custom == sum(9 * before * after + after for before, after, _ in CUSTOM) == 320_384
    assert features.shape == (16, 135, 6, 6)


@torch.no_grad()
@pytest.mark.parametrize("padding", [0, 1])
def test_each_group_of_slices_has_its_place_along_the_body(padding: int) -> None:
    trunk = SliceTrunk(nn.Conv2d(3, 4, 3, stride=2), (9, 20, 16))
    features = SliceFeatures(trunk, (3, 2), padding=padding)
    volumes = torch.rand(2, 1, 9, 20, 16)
    found = features(volumes)
    first, _, second, _ = features.convolutions
    for group in range(3):
        maps = trunk.net(volumes[:, 0, 3 * group : 3 * group + 3])
        for layer in (first, second):
            maps = F.conv2d(maps, layer.weight, layer.bias, padding=padding).clamp(min=0)
        torch.testing.assert_close(found[:, :, group], maps)
    assert found.shape == (2, *features.shape)


def test_without_convolutions_they_are_those_of_the_trunk() -> None:
    with torch.device("meta"):
        assert slice_features(channels=[]).shape == (512, 135, 14, 14)
    trunk = SliceTrunk(nn.Conv2d(3, 4, 3), (6, 8, 8))
    volumes = torch.rand(1, 1, 6, 8, 8)
    assert torch.equal(SliceFeatures(trunk, ())(volumes), trunk(volumes).transpose(0, 1)[None])


def test_channels_follow_the_width_or_are_given() -> None:
    with torch.device("meta"):
        shapes = [slice_features(size=(6, 320, 320), width=8, **o).shape for o in ({}, {"channels": [3]})]
    assert shapes == [(2, 2, 2, 2), (3, 2, 8, 8)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"padding": 2}, "padding must be 0 or 1, got 2"),
        ({"channels": [4, 0]}, r"channels must be at least 1 each, got \[4, 0\]"),
        ({}, r"4 custom convolutions without padding leave nothing of maps of 3 x 3; set padding to 1, or fewer"),
    ],
)
def test_what_cannot_be_built_is_told(options: dict[str, object], message: str) -> None:
    with torch.device("meta"), pytest.raises(SettingsError, match=message):
        slice_features(size=(48, 96, 96), width=8, **options)  # type: ignore[arg-type]
