import math
from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from sightline.errors import SettingsError
from sightline.models.efficientnet import EfficientNet, EfficientNetFeatures, efficientnet_b0

# parameters, entries of the state dict, digest of its names and shapes: of timm 1.0's efficientnet_b0 and its
# tf_efficientnet_b0 with 1000 classes
TIMM = (5288548, 360, "76df5cd8472974b1")
# logits of these two with the weights of `scatter` for its image, by whether they pad as TensorFlow does
LOGITS = {
    False: [4.08687316, -3.47109396, -3.68679153],
    True: [5.43659758, -2.97808719, -4.89308237],
}


def scattered(start: int, shape: torch.Size) -> Tensor:
    """Numbers in [-1, 1) without a pattern, that any tool can compute."""
    places = torch.arange(start, start + math.prod(shape), dtype=torch.float64)
    return 2 * ((places * 12.9898).sin() * 43758.5453).remainder(1).view(shape) - 1


def scatter(model: nn.Module) -> Tensor:
    """Give a model weights that let an image through to its logits; return an image `(1, 3, 45, 39)`."""
    start = 0
    for name, tensor in model.state_dict().items():
        if not tensor.is_floating_point():
            continue
        values, start = scattered(start, tensor.shape), start + tensor.numel()
        if tensor.dim() > 1:
            values = values * (6 / tensor[0].numel()) ** 0.5
        elif name.endswith(("weight", "var")):
            values = 1 + values / 2
        tensor.copy_(values)
    return scattered(start, torch.Size((1, 3, 45, 39)))


def test_state_dict_has_timms_names_and_shapes(fingerprint: Callable[[nn.Module], str]) -> None:
    with torch.device("meta"):
        model = efficientnet_b0(1000)
    parameters = sum(p.numel() for p in model.parameters())
    assert (parameters, len(model.state_dict()), fingerprint(model)) == TIMM


@torch.no_grad()
@pytest.mark.parametrize("tensorflow", [False, True])
def test_logits_are_those_that_timm_gave(tensorflow: bool) -> None:
    model = efficientnet_b0(3, tensorflow=tensorflow).double().eval()
    logits = model(scatter(model))[0]
    torch.testing.assert_close(logits, torch.tensor(LOGITS[tensorflow], dtype=torch.float64), rtol=1e-6, atol=0)


@pytest.mark.parametrize(("tensorflow", "name"), [(False, "efficientnet_b0"), (True, "tf_efficientnet_b0")])
@pytest.mark.parametrize("size", [(64, 64), (65, 90)])
def test_logits_are_timms_at_every_size(tensorflow: bool, name: str, size: tuple[int, int], timm: ModuleType) -> None:
    theirs, ours = timm.create_model(name, num_classes=3), efficientnet_b0(3, tensorflow=tensorflow)
    ours.load_state_dict(theirs.state_dict())
    images = torch.rand(2, 3, *size)
    torch.testing.assert_close(ours(images), theirs(images))  # training mode, and updates the running statistics
    torch.testing.assert_close(ours.eval()(images), theirs.eval()(images))


def test_maps_are_taken_before_the_resolution_changes() -> None:
    encoder = EfficientNetFeatures()
    assert encoder.channels == (32, 24, 40, 112, 320)
    maps = encoder(torch.rand(1, 3, 65, 96))
    assert [tuple(m.shape[1:]) for m in maps] == [
        (32, 33, 48),
        (24, 17, 24),
        (40, 9, 12),
        (112, 5, 6),
        (320, 3, 3),
    ]


@torch.no_grad()
@pytest.mark.parametrize("tensorflow", [False, True])
def test_3d_features_of_a_stack_of_equal_slices_are_the_2d_ones(
    images: Tensor,
    randomise: Callable[[nn.Module], None],
    embed: Callable[[nn.Module, nn.Module], None],
    tensorflow: bool,
) -> None:
    flat = EfficientNet(4, width=8, tensorflow=tensorflow).eval()
    deep = EfficientNet(4, width=8, tensorflow=tensorflow, dimensions=3).eval()
    randomise(flat)
    embed(flat, deep)
    volumes = images.unsqueeze(2).expand(-1, -1, 32, -1, -1)
    torch.testing.assert_close(deep(volumes), flat(images), rtol=1e-4, atol=1e-5)


def test_a_dropped_branch_is_dropped_for_a_whole_image_and_made_up_for_in_others() -> None:
    model = EfficientNetFeatures(width=8, drop_path=0.8)
    rates = [m.chance for name, m in model.named_modules() if name.endswith("drop_path")]
    assert rates == pytest.approx([0.8 * number / 16 for number in range(16)])
    block = model.blocks[5][2]
    x = torch.ones(2000, 5, 1, 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        kept = block.drop_path(x)
    chance = 0.8 * 13 / 16
    assert (kept == kept[:, :1]).all()
    torch.testing.assert_close(kept.unique(), torch.tensor([0, 1 / (1 - chance)]))
    assert kept.mean().item() == pytest.approx(1, abs=0.15)
    assert torch.equal(block.eval().drop_path(x), x)


def test_dropout_acts_on_what_the_last_layer_sees_and_in_training_only(images: Tensor) -> None:
    model = efficientnet_b0(4, width=8, dropout=1.0)
    nn.init.constant_(model.classifier.bias, 7.0)
    assert (model(images) == 7).all()
    assert (model.eval()(images) != 7).any()


def test_weights_are_drawn_by_the_outputs_of_a_group() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = efficientnet_b0(5)
    depthwise, dense = model.blocks[5][1].conv_dw.weight, model.conv_head.weight
    assert depthwise.std().item() == pytest.approx((2 / 25) ** 0.5, rel=0.02)
    assert dense.std().item() == pytest.approx((2 / 1280) ** 0.5, rel=0.02)
    assert model.classifier.weight.abs().max().item() == pytest.approx(5**-0.5, rel=0.01)
    assert not any(bias.any() for name, bias in model.named_parameters() if name.endswith("bias"))


def test_other_dimensions_are_refused() -> None:
    with pytest.raises(SettingsError, match="dimensions must be 2"):
        efficientnet_b0(2, dimensions=1)
