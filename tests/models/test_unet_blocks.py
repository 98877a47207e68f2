import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sightline.errors import SettingsError, ShapeError
from sightline.models.layers import layers_for
from sightline.models.unet_blocks import (
    Contracting,
    check_size,
    classification_head,
    plain_block,
    residual_se_block,
    saliency_head,
)

LAYERS = layers_for(2)


def parameters(module: nn.Module) -> int:
    return sum(weight.numel() for weight in module.parameters())


def test_blocks_have_the_parameters_of_their_tables() -> None:
    def conv(i: int, o: int) -> int:
        return (9 * i + 1) * o

    assert parameters(plain_block(LAYERS, 64, 128)) == conv(64, 128) + conv(128, 128) + 2 * 256
    gate = 2 * 128 * 8  # without biases
    assert parameters(residual_se_block(LAYERS, 64, 128)) == 2 * conv(64, 128) + conv(128, 128) + 2 * 256 + gate
    assert parameters(saliency_head(LAYERS, 64)) == conv(64, 64) + 128 + 65


def test_a_gate_has_a_hidden_layer_however_few_channels_there_are() -> None:
    block = residual_se_block(LAYERS, 1, 3)
    assert block(torch.rand(2, 1, 4, 4)).shape == (2, 3, 4, 4)


@torch.no_grad()
def test_the_residual_block_adds_a_convolution_and_scales_channels_by_their_gates() -> None:
    block = residual_se_block(LAYERS, 2, 32).double().eval()
    generator = torch.Generator().manual_seed(0)
    for tensor in block.state_dict().values():
        if tensor.is_floating_point():
            tensor.uniform_(0.1, 1, generator=generator).sub_(0.05 if tensor.dim() == 1 else 0.5)
    s = block.state_dict()
    x = torch.rand(3, 2, 5, 6, generator=generator, dtype=torch.float64)

    def norm(y: torch.Tensor, name: str) -> torch.Tensor:
        parts = (s[f"0.{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(y, *parts)

    def conv(y: torch.Tensor, name: str) -> torch.Tensor:
        return F.conv2d(y, s[f"0.{name}.weight"], s[f"0.{name}.bias"], padding=1)

    y = norm(conv(norm(conv(x, "conv1"), "norm1").relu(), "conv2"), "norm2")
    y = (y + conv(x, "shortcut")).relu()
    gate = ((y.mean((2, 3)) @ s["1.excite.0.weight"].T).relu() @ s["1.excite.2.weight"].T).sigmoid()
    torch.testing.assert_close(block(x), y * gate[:, :, None, None])


def test_the_contracting_path_doubles_channels_and_halves_sides() -> None:
    maps = Contracting(LAYERS, "plain", 1, 2)(torch.rand(1, 1, 32, 48))
    assert [tuple(each.shape[1:]) for each in maps] == [(2, 32, 48), (4, 16, 24), (8, 8, 12), (16, 4, 6), (32, 2, 3)]


def test_an_unknown_block_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"^block must be one of plain, residual_se, got 'dense'$"):
        Contracting(LAYERS, "dense", 1, 2)  # type: ignore[arg-type]


def test_the_head_drops_before_its_relu() -> None:
    head = classification_head(6, 4, 3, 0.25)
    assert [type(layer) for layer in head] == [nn.Linear, nn.Dropout, nn.ReLU, nn.Linear]
    assert head[1].p == 0.25


@pytest.mark.parametrize("shape", [(1, 3, 32, 40), (1, 3, 32), (1, 3, 32, 32, 32)])
def test_images_that_cannot_be_halved_so_often_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"sides that are multiples of 16, got \(1, 3, 32"):
        check_size(torch.zeros(shape), 2, 16)
    check_size(torch.zeros(1, 3, 32, 48), 2, 16)
