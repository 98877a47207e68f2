from collections.abc import Callable
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.models import densenet
from sightline.models.densenet import DenseNet

# parameters, entries of the state dict, digest of its names and shapes: of torchvision 0.28 with 1000 classes
TORCHVISION = {
    "densenet121": (7978856, 727, "aa0fd9923b0003b8"),
    "densenet169": (14149480, 1015, "e2d0f02d9c0ce650"),
    "densenet201": (20013928, 1207, "0d234ad7e9a31b95"),
}
SMALL = {"block_config": (2, 3), "width": 8}


@pytest.mark.parametrize("name", TORCHVISION)
def test_state_dict_has_torchvisions_names_and_shapes(name: str, fingerprint: Callable[[nn.Module], str]) -> None:
    with torch.device("meta"):
        model = getattr(densenet, name)(1000)
    parameters = sum(p.numel() for p in model.parameters())
    assert (parameters, len(model.state_dict()), fingerprint(model)) == TORCHVISION[name]
    assert model.state_dict()["features.denseblock2.denselayer12.conv2.weight"].shape == (32, 128, 3, 3)
    assert "classifier.weight" in model.state_dict()


def test_same_seed_gives_torchvisions_weights_and_logits(torchvision_models: ModuleType, images: Tensor) -> None:
    models = []
    for build in (densenet.densenet121, lambda k: torchvision_models.densenet121(num_classes=k)):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            models.append(build(5))
    ours, theirs = models
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert all(map(torch.equal, ours.state_dict().values(), theirs.state_dict().values()))
    assert torch.equal(ours(images), theirs(images))  # training mode, and updates the running statistics
    assert torch.equal(ours.eval()(images), theirs.eval()(images))


@torch.no_grad()
def test_logits_are_the_paper_written_out(
    images: Tensor, weights: Callable[[nn.Module], Callable[[str], list[Tensor]]]
) -> None:
    model = DenseNet(4, **SMALL)
    norm = weights(model)
    state = model.state_dict()

    def normalised(x: Tensor, name: str) -> Tensor:
        return F.batch_norm(x, *norm(f"features.{name}")).clamp(min=0)

    x = F.conv2d(images.double(), state["features.conv0.weight"], stride=2, padding=3)
    x = F.max_pool2d(normalised(x, "norm0"), 3, 2, 1)
    for block, depth in ((1, 2), (2, 3)):
        maps = [x]
        for layer in range(1, depth + 1):
            name = f"denseblock{block}.denselayer{layer}"
            h = F.conv2d(normalised(torch.cat(maps, 1), f"{name}.norm1"), state[f"features.{name}.conv1.weight"])
            h = F.conv2d(normalised(h, f"{name}.norm2"), state[f"features.{name}.conv2.weight"], padding=1)
            maps.append(h)
        x = torch.cat(maps, 1)
        if block == 1:
            x = F.avg_pool2d(F.conv2d(normalised(x, "transition1.norm"), state["features.transition1.conv.weight"]), 2)
    x = normalised(x, "norm5").mean((2, 3)) @ state["classifier.weight"].T + state["classifier.bias"]
    torch.testing.assert_close(model(images.double()), x)


@torch.no_grad()
def test_3d_features_of_a_stack_of_equal_slices_are_the_2d_ones(
    images: Tensor, randomise: Callable[[nn.Module], None], embed: Callable[[nn.Module, nn.Module], None]
) -> None:
    flat, deep = DenseNet(4, **SMALL).eval(), DenseNet(4, **SMALL, dimensions=3).eval()
    randomise(flat)
    embed(flat, deep)
    volumes = images.unsqueeze(2).expand(-1, -1, 32, -1, -1)
    torch.testing.assert_close(deep(volumes), flat(images), rtol=1e-4, atol=1e-5)


def test_growth_rate_is_half_of_the_width_unless_given() -> None:
    assert DenseNet(4, (2,), width=8).classifier.in_features == 8 + 2 * 4
    assert DenseNet(4, (2,), width=8, growth_rate=5).classifier.in_features == 8 + 2 * 5


def test_dropout_acts_on_what_the_last_layer_sees_and_in_training_only(images: Tensor) -> None:
    model = DenseNet(4, **SMALL, dropout=1.0)
    nn.init.constant_(model.classifier.bias, 7.0)
    assert (model(images) == 7).all()
    assert (model.eval()(images) != 7).any()
