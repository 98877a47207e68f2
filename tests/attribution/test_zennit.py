"""The maps of LRP against zennit, whose rules are configured to put epsilon where ours has it: at the ReLUs.

A linear layer straight before a ReLU has the epsilon rule; every other one, whose output meets further linear
operations first, passes relevance undiminished. The sum of a residual block stands before a ReLU and takes epsilon.
"""

import copy
from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from sightline.attribution import LRP, Class
from sightline.models import densenet121, resnet18, vgg11_bn

EPSILON = 1e-2
RULES = ("zb", "flat", None)
Norms = Callable[[nn.Module], None]


@pytest.fixture
def images() -> Tensor:
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def seeded(build: Callable[[], nn.Module], random_norms: Norms) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model = build()
        random_norms(model)
    return model.double().eval()


def zennit_map(
    zennit: ModuleType,
    model: nn.Module,
    images: Tensor,
    target: int,
    *,
    input_rule: str | None,
    first: str,
    last: set[str],
) -> Tensor:
    """LRP by zennit; the layers named in `last` are not straight before a ReLU, `first` reads the images."""
    rules, types = zennit.rules, zennit.types

    def hook_for(ctx: dict, name: str, module: nn.Module) -> object:
        if isinstance(module, types.Activation):
            return rules.Pass()
        if name == first and input_rule is not None:
            return rules.ZBox(0.0, 1.0, EPSILON) if input_rule == "zb" else rules.Flat(1e-14)
        if isinstance(module, zennit.layer.Sum):
            return rules.Norm(EPSILON)
        if isinstance(module, types.AvgPool):
            return rules.Norm(1e-14)
        if isinstance(module, types.Linear | types.BatchNorm) and not isinstance(module, nn.Identity):
            return rules.Epsilon(1e-14 if name in last else EPSILON)
        return None

    composite = zennit.core.Composite(module_map=hook_for)
    with zennit.attribution.Gradient(model, composite) as attributor:
        _, relevance = attributor(
            images, lambda out: out * torch.eye(out.shape[1], dtype=out.dtype)[[target] * len(out)]
        )
    return relevance


def assert_equal_maps(ours: Tensor, theirs: Tensor) -> None:
    scale = theirs.abs().max()
    assert scale > 1e-6
    assert (ours - theirs).abs().max() < 1e-6 * scale  # asked is 1e-4


def merged(model: nn.Module, pairs: list[tuple[str, str]]) -> nn.Module:
    """A copy in which the batch normalisations are merged into the convolutions before them."""
    model = copy.deepcopy(model)
    for conv, norm in pairs:
        model.set_submodule(conv, fuse_conv_bn_eval(model.get_submodule(conv), model.get_submodule(norm)))
        model.set_submodule(norm, nn.Identity())
    return model


@pytest.mark.parametrize("input_rule", RULES)
def test_vgg_maps_agree(zennit: ModuleType, images: Tensor, random_norms: Norms, input_rule: str | None) -> None:
    model = seeded(lambda: vgg11_bn(3, width=8), random_norms)
    convolutions = [i for i, layer in enumerate(model.features) if isinstance(layer, nn.Conv2d)]
    theirs = merged(model, [(f"features.{i}", f"features.{i + 1}") for i in convolutions])
    expected = zennit_map(zennit, theirs, images, 1, input_rule=input_rule, first="features.0", last={"classifier.6"})
    assert_equal_maps(LRP(EPSILON, input_rule)(model, images, Class(1)).attribution, expected)


@pytest.mark.parametrize("input_rule", RULES)
def test_resnet_maps_agree(zennit: ModuleType, images: Tensor, random_norms: Norms, input_rule: str | None) -> None:
    from torchvision.models import resnet18 as torchvision_resnet18
    from zennit.torchvision import ResNetBasicBlockCanonizer

    torchvisions = seeded(lambda: torchvision_resnet18(num_classes=3), random_norms)
    model = resnet18(3).double().eval()
    model.load_state_dict(torchvisions.state_dict())
    convolutions = [name for name, layer in model.named_modules() if isinstance(layer, nn.Conv2d)]
    after = {"conv1": "bn1", "conv2": "bn2", "downsample.0": "downsample.1"}
    pairs = [(name, name.replace(key, norm)) for name in convolutions for key, norm in after.items() if key in name]
    theirs = merged(torchvisions, pairs)
    last = {name for name in convolutions if name.endswith(("conv2", "downsample.0"))} | {"fc"}
    canonizers = ResNetBasicBlockCanonizer().apply(theirs)  # makes the sums modules
    expected = zennit_map(zennit, theirs, images, 2, input_rule=input_rule, first="conv1", last=last)
    for canonizer in canonizers:
        canonizer.remove()
    for ours in (model, torchvisions):  # torchvision's reuses its ReLUs and adds in place
        assert_equal_maps(LRP(EPSILON, input_rule)(ours, images, Class(2)).attribution, expected)


@pytest.mark.parametrize("input_rule", RULES)
def test_densenet_maps_agree(zennit: ModuleType, images: Tensor, random_norms: Norms, input_rule: str | None) -> None:
    model = seeded(lambda: densenet121(3, width=16), random_norms)
    theirs = merged(model, [("features.conv0", "features.norm0")])
    last = {name for name, layer in theirs.named_modules() if isinstance(layer, nn.Conv2d | nn.Linear)}
    last.remove("features.conv0")
    images = images[:1]  # zennit is slow here
    ours = LRP(EPSILON, input_rule)(model, images, Class(0)).attribution
    expected = zennit_map(zennit, theirs, images, 0, input_rule=input_rule, first="features.conv0", last=last)
    assert_equal_maps(ours, expected)
