"""Composites against the textbook form of each rule, by hand, and against zennit's."""

import copy
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from sightline.attribution import COMPOSITES, AlphaBeta, Class, Composite, CompositeLRP, Epsilon, Gamma, ZPlus
from sightline.attribution.composites import Rule
from sightline.errors import SettingsError
from sightline.models import densenet121, resnet50, vgg16_bn

Norms = Callable[[nn.Module], None]
RULES: list[Rule] = [Epsilon(0.1), ZPlus(0.1), AlphaBeta(2, 1, 0.1), AlphaBeta(1.5, 0.5, 0.1), Gamma(0.25, 0.1)]


def parts(rule: Rule, p: Tensor) -> list[tuple[float, Tensor, Callable[[Tensor], Tensor]]]:
    """Weight, parts `(I + 1, J)` and outputs that count, of contributions `p` whose last row is the bias."""
    everywhere = torch.ones_like
    if isinstance(rule, Epsilon):
        return [(1, p, everywhere)]
    if isinstance(rule, ZPlus):
        return [(1, p.clamp(min=0), everywhere)]
    if isinstance(rule, AlphaBeta):
        return [(rule.alpha, p.clamp(min=0), everywhere), (-rule.beta, p.clamp(max=0), everywhere)]
    above, below = p + rule.gamma * p.clamp(min=0), p + rule.gamma * p.clamp(max=0)
    return [(1, above, lambda z: (z > 0).to(z)), (1, below, lambda z: (z < 0).to(z))]


def textbook(rule: Rule, x: Tensor, matrix: Tensor, bias: Tensor, relevance: Tensor) -> Tensor:
    """Share relevance `(J,)` of `x @ matrix + bias` among `x`, `(I,)`, as the rule is written."""
    p = torch.cat([x[:, None] * matrix, bias[None]])
    result = torch.zeros_like(x)
    for weight, q, counts in parts(rule, p):
        z = q.sum(0)
        s = relevance * counts(p.sum(0)) / (z + torch.where(z < 0, -rule.epsilon, rule.epsilon))
        result = result + weight * (q[:-1] * s).sum(1)
    return result


LAYERS: dict[str, tuple[nn.Module, tuple[int, ...]]] = {
    "linear": (nn.Linear(6, 4), (6,)),
    "convolution": (nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2), (2, 5, 4)),
    "volume": (nn.Conv3d(1, 2, 2), (1, 3, 3, 2)),
    "transposed": (nn.ConvTranspose2d(2, 3, 3, stride=2, output_padding=1), (2, 2, 3)),
    "transposed in groups": (nn.ConvTranspose1d(4, 6, 3, stride=2, padding=1, groups=2, dilation=2), (4, 5)),
}


class Flat(nn.Module):
    """A layer on the images, and each of its outputs a logit."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = copy.deepcopy(layer).double()

    def forward(self, images: Tensor) -> Tensor:
        return self.layer(images).flatten(1)


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("name", LAYERS)
def test_each_rule_is_its_matrix_form(name: str, rule: Rule) -> None:
    layer, shape = LAYERS[name]
    net = Flat(layer)
    images = torch.randn(2, *shape, dtype=torch.float64)  # of either sign
    if name == "linear":
        images[0, 0] = 0
    one = net(torch.zeros(1, *shape, dtype=torch.float64))
    basis = torch.eye(images[0].numel(), dtype=torch.float64).view(-1, *shape)
    matrix, bias = (net(basis) - one).detach(), one[0].detach()
    lrp = CompositeLRP(Composite(rule, rule))
    for k in (0, 1):
        explanation = lrp(net, images, Class(k))
        relevance = explanation.logits.detach() * F.one_hot(torch.tensor(k), explanation.logits.shape[1])
        expected = torch.stack(
            [textbook(rule, x.flatten(), matrix, bias, r) for x, r in zip(images, relevance, strict=True)]
        )
        torch.testing.assert_close(explanation.attribution.flatten(1), expected)


def test_rules_by_hand() -> None:
    net = nn.Linear(3, 1, bias=False).double()
    net.weight.data = torch.tensor([[1.0, -2.0, 3.0]], dtype=torch.float64)
    images = torch.tensor([[4.0, 1.0, 2.0]], dtype=torch.float64)  # contributions 4, -2, 6, logit 8

    def shares(rule: Rule) -> list[float]:
        return CompositeLRP(Composite(rule, rule))(net, images, Class(0)).attribution[0].tolist()

    assert shares(Epsilon(0)) == pytest.approx([4, -2, 6])
    assert shares(ZPlus(0)) == pytest.approx([3.2, 0, 4.8])
    assert shares(AlphaBeta(2, 1, 0)) == pytest.approx([6.4, -8, 9.6])
    assert shares(Gamma(1, 0)) == pytest.approx([32 / 9, -8 / 9, 48 / 9])  # parts 8, -2, 12 of 18


@pytest.mark.parametrize("name", COMPOSITES)
@pytest.mark.parametrize("training", [False, True])
def test_batch_norm_is_merged_into_the_layer_before_it(name: str, training: bool) -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2)
    ).double()
    norm: nn.BatchNorm2d = net[3]  # type: ignore[assignment]
    images = torch.rand(3, 1, 6, 6, dtype=torch.float64)
    nn.init.uniform_(norm.weight, -1.5, 1.5)
    nn.init.normal_(norm.bias)
    if training:  # statistics of the batch
        z = net[:3](images).detach()
        norm.running_mean.copy_(z.mean((0, 2, 3)))
        norm.running_var.copy_(z.var((0, 2, 3), unbiased=False))
    else:
        nn.init.normal_(norm.running_mean)
        nn.init.uniform_(norm.running_var, 0.5, 2)
    fused = copy.deepcopy(net).eval()
    fused[2], fused[3] = fuse_conv_bn_eval(fused[2], fused[3]), nn.Identity()
    lrp = CompositeLRP(name)
    got = lrp(net.train(training), images, Class(1)).attribution
    torch.testing.assert_close(got, lrp(fused, images, Class(1)).attribution)


class Forked(nn.Module):
    """A convolution whose output is read by a batch normalisation and by something else."""

    def __init__(self, *, first: bool) -> None:
        super().__init__()
        self.conv, self.mix, self.norm = nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3), nn.BatchNorm2d(2)
        self.head, self.first = nn.Linear(2, 2), first
        self.double().eval()
        nn.init.uniform_(self.norm.weight, 0.5, 2)

    def forward(self, images: Tensor) -> Tensor:
        z = self.mix(self.conv(images).relu())
        beside = z * 2 if self.first else None
        y = self.norm(z)
        y = y + (z * 2 if beside is None else beside)
        return self.head(y.relu().mean((2, 3)))


@pytest.mark.parametrize("first", [True, False])
def test_batch_norm_beside_another_reader_is_not_merged(first: bool) -> None:
    net, images = Forked(first=first), torch.rand(2, 1, 7, 7, dtype=torch.float64)
    rule = Epsilon(1e-12)
    got = CompositeLRP(Composite(rule, rule))(net, images, Class(0)).attribution
    leaf = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(net(leaf)[:, 0].sum(), leaf)
    torch.testing.assert_close(got, images * gradient)  # LRP-0 of ReLUs: merged once too often, it would be off


@pytest.mark.parametrize("name", COMPOSITES)
def test_gradients_of_a_loss_on_the_map_equal_finite_differences(name: str, make_net: Any, make_images: Any) -> None:
    net, images, lrp = make_net(seed=1), make_images(2, 2, 8, 8), CompositeLRP(name)

    def loss() -> Tensor:
        return lrp(net, images, Class(0)).attribution.square().sum()

    loss().backward()
    for name_, weight in net.named_parameters():
        direction = torch.randn(weight.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        with torch.no_grad():
            values = []
            for sign in (1, -2, 1):
                weight += sign * 1e-7 * direction
                values.append(float(loss()))
        slope = float((weight.grad * direction).sum())
        assert slope == pytest.approx((values[0] - values[1]) / 2e-7, rel=2e-4, abs=1e-6 * max(1, values[0])), name_


def zennit_map(zennit: ModuleType, model: nn.Module, images: Tensor, target: int, *, name: str, first: str) -> Tensor:
    """The composite of zennit's, but that a normalisation left over has the epsilon rule, as ours has."""
    rules, types = zennit.rules, zennit.types
    ours = COMPOSITES[name]

    def rule_of(rule: Rule) -> object:
        if isinstance(rule, ZPlus):
            return rules.ZPlus()
        if isinstance(rule, AlphaBeta):
            return rules.AlphaBeta(rule.alpha, rule.beta)
        return rules.Gamma(rule.gamma) if isinstance(rule, Gamma) else rules.Epsilon()

    def hook_for(ctx: dict, at: str, module: nn.Module) -> object:
        if isinstance(module, types.Activation):
            return rules.Pass()
        if at == first and ours.first is not None:
            return {"flat": rules.Flat, "w_square": rules.WSquare}.get(ours.first, lambda: rules.ZBox(0.0, 1.0))()
        if isinstance(module, zennit.layer.Sum | types.AvgPool):
            return rules.Norm(1e-14)
        if isinstance(module, types.BatchNorm):
            return rules.Epsilon(1e-14)
        if isinstance(module, types.Convolution):
            return rule_of(ours.convolution)
        return rule_of(ours.linear) if isinstance(module, nn.Linear) else None

    composite = zennit.core.Composite(module_map=hook_for)
    with zennit.attribution.Gradient(model, composite) as attributor:
        one = torch.eye(100, dtype=images.dtype)[target]
        _, relevance = attributor(images, lambda out: out * one[: out.shape[1]])
    return relevance


def seeded(model: nn.Module, random_norms: Norms) -> nn.Module:
    random_norms(model)
    return model.double().eval()


def merged(model: nn.Module, after: dict[str, str]) -> nn.Module:
    """A copy in which each batch normalisation named is merged into the convolution before it."""
    model = copy.deepcopy(model)
    for conv, norm in after.items():
        model.set_submodule(conv, fuse_conv_bn_eval(model.get_submodule(conv), model.get_submodule(norm)))
        model.set_submodule(norm, nn.Identity())
    return model


def assert_equal_maps(ours: Tensor, theirs: Tensor) -> None:
    scale = theirs.abs().max()
    assert scale > 1e-8
    assert (ours - theirs).abs().max() < 1e-5 * scale


@pytest.fixture
def images() -> Tensor:
    return torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.mark.parametrize("name", COMPOSITES)
def test_vgg_maps_agree_with_zennit(zennit: ModuleType, images: Tensor, random_norms: Norms, name: str) -> None:
    model = seeded(vgg16_bn(3, width=8), random_norms)
    convolutions = [i for i, layer in enumerate(model.features) if isinstance(layer, nn.Conv2d)]
    theirs = merged(model, {f"features.{i}": f"features.{i + 1}" for i in convolutions})
    expected = zennit_map(zennit, theirs, images, 1, name=name, first="features.0")
    assert_equal_maps(CompositeLRP(name)(model, images, Class(1)).attribution, expected)


@pytest.mark.parametrize("name", COMPOSITES)
def test_resnet_maps_agree_with_zennit(zennit: ModuleType, images: Tensor, random_norms: Norms, name: str) -> None:
    from torchvision.models import ResNet
    from torchvision.models.resnet import Bottleneck
    from zennit.torchvision import ResNetBottleneckCanonizer

    torchvisions = ResNet(Bottleneck, [3, 4, 6, 3], num_classes=3, width_per_group=64)
    torchvisions = seeded(torchvisions, random_norms)
    model = resnet50(3).double().eval()
    model.load_state_dict(torchvisions.state_dict())
    convolutions = [at for at, layer in model.named_modules() if isinstance(layer, nn.Conv2d)]
    after = {at: at.replace("conv", "bn").replace("downsample.0", "downsample.1") for at in convolutions}
    theirs = merged(torchvisions, after)
    canonizers = ResNetBottleneckCanonizer().apply(theirs)
    expected = zennit_map(zennit, theirs, images, 2, name=name, first="conv1")
    for canonizer in canonizers:
        canonizer.remove()
    assert_equal_maps(CompositeLRP(name)(model, images, Class(2)).attribution, expected)


@pytest.mark.parametrize("name", COMPOSITES)
def test_densenet_maps_agree_with_zennit(zennit: ModuleType, images: Tensor, random_norms: Norms, name: str) -> None:
    model = seeded(densenet121(3, width=16), random_norms)
    convolutions = [at for at, _ in model.named_modules() if at.endswith("conv1")]
    after = {at: at.replace("conv1", "norm2") for at in convolutions} | {"features.conv0": "features.norm0"}
    theirs = merged(model, after)
    expected = zennit_map(zennit, theirs, images, 0, name=name, first="features.conv0")
    assert_equal_maps(CompositeLRP(name)(model, images, Class(0)).attribution, expected)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: AlphaBeta(2, 2), "alpha - beta must be 1"),
        (lambda: Gamma(-1), "gamma must be at least 0, got -1"),
        (lambda: ZPlus(-1), "epsilon must be at least 0, got -1"),
        (lambda: Composite(ZPlus(), ZPlus(), "box"), "first must be zb, flat, w_square or None, got 'box'"),
        (lambda: CompositeLRP("plus"), "composite must be one of epsilon, epsilon_plus, .* got 'plus'"),
        (lambda: CompositeLRP(gate=2), "gate and attention must be shares, 0 to 1, got 2 and 0.5"),
    ],
)
def test_options_out_of_range_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        make()
