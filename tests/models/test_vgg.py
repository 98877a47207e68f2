from collections.abc import Callable
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.models import vgg
from sightline.models.vgg import VGG

# parameters, entries of the state dict, digest of its names and shapes: of torchvision 0.28 with 1000 classes
TORCHVISION = {
    "vgg11": (132863336, 22, "cb3dc23f2a13e182"),
    "vgg11_bn": (132868840, 62, "8b6717e727c0ecf9"),
    "vgg13": (133047848, 26, "67c1dc8b57fde74b"),
    "vgg13_bn": (133053736, 76, "f6b0597d18a7e4d2"),
    "vgg16": (138357544, 32, "35c4623e0cd4a39d"),
    "vgg16_bn": (138365992, 97, "347371586a8ea365"),
    "vgg19": (143667240, 38, "4723255af8f6c485"),
    "vgg19_bn": (143678248, 118, "fc3ff6fab2b5cc09"),
}


@pytest.mark.parametrize("name", TORCHVISION)
def test_state_dict_has_torchvisions_names_and_shapes(name: str, fingerprint: Callable[[nn.Module], str]) -> None:
    with torch.device("meta"):
        model = getattr(vgg, name)(1000)
    parameters = sum(p.numel() for p in model.parameters())
    assert (parameters, len(model.state_dict()), fingerprint(model)) == TORCHVISION[name]
    assert model.state_dict()["classifier.6.weight"].shape == (1000, 4096)


def test_same_seed_gives_torchvisions_weights_and_logits(torchvision_models: ModuleType, images: Tensor) -> None:
    models = []
    for build in (vgg.vgg11_bn, lambda k: torchvision_models.vgg11_bn(num_classes=k)):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            models.append(build(5).eval())
    ours, theirs = models
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert all(map(torch.equal, ours.state_dict().values(), theirs.state_dict().values()))
    assert torch.equal(ours(images), theirs(images))


@torch.no_grad()
@pytest.mark.parametrize("batch_norm", [False, True])
def test_logits_are_the_paper_written_out(
    batch_norm: bool, images: Tensor, weights: Callable[[nn.Module], Callable[[str], list[Tensor]]]
) -> None:
    model = VGG(4, (1, 1, 2, 2, 2), batch_norm=batch_norm, width=2)
    norm = weights(model)
    state = model.state_dict()
    x, index = images.double(), 0
    for depth in (1, 1, 2, 2, 2):
        for _ in range(depth):
            x = F.conv2d(x, state[f"features.{index}.weight"], state[f"features.{index}.bias"], padding=1)
            x = F.batch_norm(x, *norm(f"features.{index + 1}")) if batch_norm else x
            x = x.clamp(min=0)
            index += 3 if batch_norm else 2
        x = F.max_pool2d(x, 2)
        index += 1
    x = F.adaptive_avg_pool2d(x, 7).flatten(1)
    for index in (0, 3, 6):
        x = (x if index == 0 else x.clamp(min=0)) @ state[f"classifier.{index}.weight"].T
        x = x + state[f"classifier.{index}.bias"]
    torch.testing.assert_close(model(images.double()), x)


@torch.no_grad()
def test_3d_features_of_a_stack_of_equal_slices_are_the_2d_ones(
    images: Tensor, randomise: Callable[[nn.Module], None], embed: Callable[[nn.Module, nn.Module], None]
) -> None:
    flat, deep = (VGG(4, (1, 1, 1, 1, 1), batch_norm=True, width=2, dimensions=d).eval() for d in (2, 3))
    randomise(flat)
    embed(flat.features, deep.features)
    volumes = images.unsqueeze(2).expand(-1, -1, 32, -1, -1)
    torch.testing.assert_close(deep.features(volumes)[:, :, 0], flat.features(images), rtol=1e-4, atol=1e-5)
    assert deep(volumes).shape == (2, 4)


def test_dropout_acts_on_what_the_last_layer_sees_and_in_training_only(images: Tensor) -> None:
    model = VGG(4, (1, 1, 1, 1, 1), batch_norm=True, width=2, dropout=1.0)
    nn.init.constant_(model.classifier[6].bias, 7.0)
    assert (model(images) == 7).all()
    assert (model.eval()(images) != 7).any()
