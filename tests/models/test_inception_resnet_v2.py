from collections.abc import Callable
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.attribution import LRP, Class, GradCAM
from sightline.models.build import ModelSettings, build_model
from sightline.models.inception_resnet_v2 import InceptionResNetV2, inception_resnet_v2

# parameters, entries of the state dict, digest of its names and shapes: of timm 1.0 with 1000 classes
TIMM = (55843464, 1306, "d907e3d457746928")
SMALL = {"blocks": (1, 1, 2), "width": 4}


@pytest.fixture
def images() -> Tensor:
    """Two images of the smallest size `(2, 3, 75, 75)`."""
    return torch.rand(2, 3, 75, 75, generator=torch.Generator().manual_seed(1))


def test_state_dict_has_timms_names_and_shapes(fingerprint: Callable[[nn.Module], str]) -> None:
    with torch.device("meta"):
        model = inception_resnet_v2(1000)
    assert (sum(p.numel() for p in model.parameters()), len(model.state_dict()), fingerprint(model)) == TIMM


@torch.no_grad()
def test_logits_are_timms(timm: ModuleType, randomise: Callable[[nn.Module], None]) -> None:
    theirs = timm.create_model("inception_resnet_v2", num_classes=4).eval()
    randomise(theirs)
    ours = build_model(ModelSettings("inception_resnet_v2"), num_classes=4).eval()
    ours.load_state_dict(theirs.state_dict())
    images = torch.rand(1, 3, 80, 96)
    torch.testing.assert_close(ours(images), theirs(images))


@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "scale", "kernels", "rectified"),
    [
        ("repeat.0", 0.17, [[1], [1, 3], [1, 3, 3]], True),
        ("repeat_1.0", 0.1, [[1], [1, (1, 7), (7, 1)]], True),
        ("repeat_2.0", 0.2, [[1], [1, (1, 3), (3, 1)]], True),
        ("block8", 1.0, [[1], [1, (1, 3), (3, 1)]], False),
    ],
)
def test_a_residual_block_is_the_paper_written_out(
    name: str,
    scale: float,
    kernels: list[list[int | tuple[int, int]]],
    rectified: bool,
    weights: Callable[[nn.Module], Callable[[str], list[Tensor]]],
) -> None:
    model = InceptionResNetV2(4, **SMALL)
    norm = weights(model)
    state = model.state_dict()
    channels = state[f"{name}.conv2d.weight"].shape[0]
    x = torch.rand(2, channels, 5, 7, dtype=torch.float64)
    ways = []
    for branch, sizes in enumerate(kernels):
        way = x
        for layer, size in enumerate(sizes):
            place = f"{name}.branch{branch}" + (f".{layer}" if len(sizes) > 1 else "")
            weight = state[f"{place}.conv.weight"]
            assert weight.shape[2:] == (size if isinstance(size, tuple) else (size, size))
            way = F.conv2d(way, weight, padding="same")
            way = F.batch_norm(way, *norm(f"{place}.bn"), eps=1e-3).clamp(min=0)
        ways.append(way)
    out = F.conv2d(torch.cat(ways, 1), state[f"{name}.conv2d.weight"], state[f"{name}.conv2d.bias"])
    expected = x + scale * out
    torch.testing.assert_close(model.get_submodule(name)(x), expected.clamp(min=0) if rectified else expected)


def test_images_have_at_least_75_pixels_along_each_axis(images: Tensor) -> None:
    model = InceptionResNetV2(4, **SMALL).eval()
    assert model(images).shape == (2, 4)
    assert GradCAM()(model, torch.rand(1, 3, 107, 139), Class(1)).attribution.shape == (1, 1, 2, 3)
    with pytest.raises(RuntimeError):
        model(images[..., :74])


def test_lrp_explains_it_and_can_be_trained_through(images: Tensor) -> None:
    model = InceptionResNetV2(4, **SMALL)
    LRP()(model, images, Class(1)).attribution.square().sum().backward()
    gradient = model.conv2d_1a.conv.weight.grad
    assert gradient is not None
    assert gradient.any()


def test_dropout_acts_on_what_the_last_layer_sees_and_in_training_only(images: Tensor) -> None:
    model = InceptionResNetV2(4, **SMALL, dropout=1.0)
    nn.init.constant_(model.classif.bias, 7.0)
    assert (model(images) == 7).all()
    assert (model.eval()(images) != 7).any()
