import pytest
import torch
from torch import nn

from sightline.errors import SettingsError, ShapeError
from sightline.models.layers import layers_for
from sightline.models.volume_layers import (
    PaddedConv3d,
    check_volumes,
    checked_size,
    grid_after,
    reducing_convolutions,
    scaled,
)


def test_channels_follow_the_width() -> None:
    assert scaled(None, 64, 32, 16) == (64, 32, 16)
    assert scaled(8, 64, 32, 16, 6) == (8, 4, 2, 1)


@pytest.mark.parametrize("size", [(405, 420), (3, 4, 0), (3, 4, 5.0), ()])
def test_a_size_is_three_whole_numbers(size: tuple[int, ...]) -> None:
    with pytest.raises(SettingsError, match=r"size must be slices, rows and columns of the volumes, such as 405"):
        checked_size(size)
    assert checked_size([3, 4, 5]) == (3, 4, 5)


def test_volumes_have_one_channel() -> None:
    with pytest.raises(SettingsError, match=r"in_channels .* must be 1, got 2; set model\.in_channels=1"):
        checked_size((3, 4, 5), 2)


@pytest.mark.parametrize("shape", [(1, 1, 6, 8, 9), (1, 3, 6, 8, 8), (2, 6, 8, 8), (2, 3, 64, 64)])
def test_volumes_of_another_size_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(
        ShapeError, match=r"must be \(N, 1, 6, 8, 8\), as .* got \(.*; pad or crop .*model.options.size"
    ):
        check_volumes(torch.zeros(shape), (6, 8, 8))


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("grid", [(27, 8, 9), (31, 6, 11)])
def test_the_grid_is_what_the_convolutions_leave(padding: int, grid: tuple[int, ...]) -> None:
    convolutions = reducing_convolutions(2, 4, padding)
    assert grid_after(convolutions, grid) == convolutions(torch.zeros(1, 2, *grid)).shape[2:]
    assert grid_after(convolutions, [27, 8, 9]) == (1, 2 + 2 * padding, 2 + 3 * padding)


def test_where_nothing_is_left_it_is_told() -> None:
    with pytest.raises(SettingsError, match="without padding leave nothing of 16 x 6 x 6; set padding to 1, or choose"):
        grid_after(reducing_convolutions(2, 4, 0), (16, 6, 6))


def test_reducing_convolutions_are_those_of_the_layer_table() -> None:
    convolutions = [m for m in reducing_convolutions(135, None, 0) if isinstance(m, layers_for(3).conv)]
    found = [(c.in_channels, c.out_channels, c.kernel_size, c.stride, c.padding) for c in convolutions]
    assert found == [
        (135, 64, (3, 3, 3), (3, 1, 1), (0, 0, 0)),
        (64, 32, (3, 3, 3), (3, 1, 1), (0, 0, 0)),
        (32, 16, (3, 2, 2), (3, 2, 2), (0, 0, 0)),
    ]
    with pytest.raises(SettingsError, match="padding must be 0 or 1, got 2"):
        reducing_convolutions(3, 8, 2)


@pytest.mark.parametrize("side", range(1, 12))
@pytest.mark.parametrize(("kernel", "stride"), [(3, 3), (3, 1), (2, 2)])
def test_padded_convolutions_read_every_place(side: int, kernel: int, stride: int) -> None:
    convolution = PaddedConv3d(1, 1, (kernel, 1, 1), stride=(stride, 1, 1))
    nn.init.ones_(convolution.weight)
    x = torch.ones(1, 1, side, 1, 1, requires_grad=True)
    y = convolution(x)
    y.sum().backward()
    assert (x.grad > 0).all()
    assert y.shape[2] == -(-side // stride)
    if stride > 1 and side % stride == 0:  # whole windows: nothing to fill
        torch.testing.assert_close(y, torch.full_like(y, stride) + convolution.bias)
