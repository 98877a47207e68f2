from collections.abc import Callable
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.models import resnet
from sightline.models.resnet import BasicBlock, Bottleneck, ResNet

# parameters, entries of the state dict, digest of its names and shapes: of torchvision 0.28 with 1000 classes
TORCHVISION = {
    "resnet18": (11689512, 122, "84fb10d9c6905a1c"),
    "resnet34": (21797672, 218, "28f9096d51307499"),
    "resnet50": (25557032, 320, "d7e4f8bb0a536344"),
    "resnet101": (44549160, 626, "02c0f34f4842751f"),
}
BLOCKS = (BasicBlock, Bottleneck)


@pytest.mark.parametrize("name", TORCHVISION)
def test_state_dict_has_torchvisions_names_and_shapes(name: str, fingerprint: Callable[[nn.Module], str]) -> None:
    with torch.device("meta"):
        model = getattr(resnet, name)(1000)
    parameters = sum(p.numel() for p in model.parameters())
    assert (parameters, len(model.state_dict()), fingerprint(model)) == TORCHVISION[name]
    assert model.state_dict()["layer2.0.downsample.0.weight"].shape[2:] == (1, 1)
    assert "layer2.1.downsample.0.weight" not in model.state_dict()


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_same_seed_gives_torchvisions_weights_and_logits(
    name: str, torchvision_models: ModuleType, images: Tensor
) -> None:
    models = []
    for build in (getattr(resnet, name), lambda k: getattr(torchvision_models, name)(num_classes=k)):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            models.append(build(5))
    ours, theirs = models
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert all(map(torch.equal, ours.state_dict().values(), theirs.state_dict().values()))
    assert torch.equal(ours(images), theirs(images))  # training mode, and updates the running statistics
    assert torch.equal(ours.eval()(images), theirs.eval()(images))


@torch.no_grad()
@pytest.mark.parametrize("block", BLOCKS)
def test_logits_are_the_paper_written_out(
    block: type[BasicBlock] | type[Bottleneck],
    images: Tensor,
    weights: Callable[[nn.Module], Callable[[str], list[Tensor]]],
) -> None:
    model = ResNet(4, block, (1, 2, 1, 1), width=4)
    norm = weights(model)
    state = model.state_dict()

    def conv_norm(x: Tensor, conv: str, bn: str, stride: int = 1) -> Tensor:
        weight = state[f"{conv}.weight"]
        return F.batch_norm(F.conv2d(x, weight, stride=stride, padding=weight.shape[2] // 2), *norm(bn))

    x = F.max_pool2d(conv_norm(images.double(), "conv1", "bn1", 2).clamp(min=0), 3, 2, 1)
    for name, stride in (("layer1.0", 1), ("layer2.0", 2), ("layer2.1", 1), ("layer3.0", 2), ("layer4.0", 2)):
        strides = [stride, 1] if block is BasicBlock else [1, stride, 1]
        h = x
        for i, step in enumerate(strides, start=1):
            h = conv_norm(h.clamp(min=0), f"{name}.conv{i}", f"{name}.bn{i}", step)
        shortcut = f"{name}.downsample.0.weight" in state
        x = h + (conv_norm(x, f"{name}.downsample.0", f"{name}.downsample.1", stride) if shortcut else x)
        x = x.clamp(min=0)
    x = x.mean((2, 3)) @ state["fc.weight"].T + state["fc.bias"]
    torch.testing.assert_close(model(images.double()), x)


@torch.no_grad()
@pytest.mark.parametrize("block", BLOCKS)
def test_a_3d_model_sees_one_slice_as_the_middle_of_its_kernels_does(
    block: type[BasicBlock] | type[Bottleneck], images: Tensor, randomise: Callable[[nn.Module], None]
) -> None:
    deep, flat = ResNet(4, block, (1, 1, 1, 1), width=4, dimensions=3), ResNet(4, block, (1, 1, 1, 1), width=4)
    randomise(deep)
    flat.load_state_dict({n: t[:, :, t.shape[2] // 2] if t.dim() == 5 else t for n, t in deep.state_dict().items()})
    torch.testing.assert_close(deep.eval()(images.unsqueeze(2)), flat.eval()(images), rtol=1e-4, atol=1e-5)


def test_dropout_acts_on_what_the_last_layer_sees_and_in_training_only(images: Tensor) -> None:
    model = ResNet(4, BasicBlock, (1, 1, 1, 1), width=4, dropout=1.0)
    nn.init.constant_(model.fc.bias, 7.0)
    assert (model(images) == 7).all()
    assert (model.eval()(images) != 7).any()


def test_backward_hooks_work_on_every_module(images: Tensor) -> None:
    model = ResNet(4, BasicBlock, (1, 1, 1, 1), width=4)
    seen = []
    for module in model.modules():
        module.register_full_backward_hook(lambda module, *_: seen.append(type(module)))
    model(images.requires_grad_()).sum().backward()
    assert seen.count(nn.ReLU) == 1 + 2 * 4
