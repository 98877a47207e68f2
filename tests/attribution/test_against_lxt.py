"""AttnLRP against LXT, the package of its authors, in float64: each rule, a block, and a vision transformer.

`pip install --no-deps lxt` is enough for all but the last, which needs `pip install lxt "transformers<5"`. LXT passes
relevance where ours passes what multiplies the activation, and stabilises by epsilon without a sign; here it is 0.
"""

import importlib
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.attribution import LRP, Class
from sightline.attribution.composites import COMPOSITES, Composite, Epsilon
from sightline.attribution.drawing import Drawing
from sightline.attribution.interception import Interception

Function = Callable[..., Tensor]
EXACT = {"rtol": 1e-9, "atol": 1e-12}


def _module(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        pytest.skip(f"{name} cannot be imported: {error}")


@pytest.fixture(scope="module")
def functional() -> ModuleType:
    return _module("lxt.explicit.functional")


@pytest.fixture(scope="module")
def rules() -> ModuleType:
    return _module("lxt.explicit.rules")


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def ours(function: Function, inputs: tuple[Tensor, ...], c: Tensor, **options: Any) -> tuple[Tensor, ...]:
    """Relevance of each input where `c` times the result is that of the result."""
    leaves = [x.clone().requires_grad_() for x in inputs]
    flat = torch.cat([leaf.flatten() for leaf in leaves])
    drawing = Drawing(**{"epsilon": 0.0, **options})
    with Interception(flat, drawing, strict=True):
        parts = flat.split([x.numel() for x in inputs])
        y = function(*(part.view_as(x) for part, x in zip(parts, inputs, strict=True)))
    with drawing.pencil():
        answers = torch.autograd.grad(y, leaves, c)
    return tuple(x * answer for x, answer in zip(inputs, answers, strict=True))


def theirs(function: Function, inputs: tuple[Tensor, ...], c: Tensor) -> tuple[Tensor, ...]:
    leaves = [x.clone().requires_grad_() for x in inputs]
    y = function(*leaves)
    return torch.autograd.grad(y, leaves, y.detach() * c)


def normed(functional: ModuleType, x: Tensor, norm: nn.LayerNorm) -> Tensor:
    return functional.layer_norm_grad_fn.apply(x, norm.weight, norm.bias, norm.eps, 0.0)


A, B, WEIGHT, BIAS = random(2, 3, 5, 4), random(2, 3, 4, 6, seed=1), random(7, 4, seed=2), random(7, seed=3)
NORM = nn.LayerNorm(4).double()
NORM.weight.data, NORM.bias.data = random(4, seed=4), random(4, seed=5)

RULES: dict[str, tuple[Function, Function, tuple[Tensor, ...]]] = {
    "softmax": (lambda x: x.softmax(-1), lambda lf, x: lf.softmax(x, -1), (A,)),
    "product of matrices": (torch.matmul, lambda lf, a, b: lf.matmul(a, b, False, 0.0), (A, B)),
    "product": (torch.mul, lambda lf, a, b: lf.mul2(a, b), (A, A.flip(0))),
    "sum": (torch.add, lambda lf, a, b: lf.add2(a, b, False, 0.0), (A, A.flip(0))),
    "mean": (lambda x: x.mean(2), lambda lf, x: lf.mean(x, 2, False, 0.0), (A,)),
    "linear": (
        lambda x: F.linear(x, WEIGHT, BIAS),
        lambda lf, x: lf.linear_epsilon(x, WEIGHT, BIAS, 0.0),
        (A,),
    ),
    "layer norm": (NORM, lambda lf, x: normed(lf, x, NORM), (A,)),
    "direction": (F.normalize, lambda lf, x: lf.normalize(x), (A,)),
}


@pytest.mark.parametrize("name", RULES)
def test_rules_equal_those_of_lxt(functional: ModuleType, name: str) -> None:
    function, reference, inputs = RULES[name]
    c = random(*function(*inputs).shape, seed=6)
    got = ours(function, inputs, c)
    expected = theirs(lambda *given: reference(functional, *given), inputs, c)
    assert all(part.any() for part in expected)
    torch.testing.assert_close(got, expected, **EXACT)


def test_rms_norm_equals_that_of_lxt(functional: ModuleType) -> None:
    """LXT normalises in float32, so it is given relevance and not the product with its output."""
    norm = nn.RMSNorm(4, eps=1e-6).double()
    norm.weight.data = random(4, seed=4)
    relevance, y = random(2, 3, 5, 4, seed=6), norm(A).detach()
    leaf = A.clone().requires_grad_()
    out = functional.rms_norm_identity(leaf, norm.weight, 1e-6)
    torch.testing.assert_close(out, y, rtol=1e-5, atol=1e-6)
    (expected,) = torch.autograd.grad(out, leaf, relevance)
    torch.testing.assert_close(ours(norm, (A,), relevance / y)[0], expected, **EXACT)


@pytest.mark.parametrize(
    "function",
    [F.gelu, nn.GELU("tanh"), F.silu, torch.tanh, nn.Hardswish()],
    ids=["gelu", "tanh gelu", "silu", "tanh", "hardswish"],
)
def test_activations_pass_relevance_as_those_of_lxt(rules: ModuleType, function: Function) -> None:
    c = random(2, 3, 5, 4, seed=6)
    expected = theirs(lambda x: rules.identity(function, x), (A,), c)
    torch.testing.assert_close(ours(function, (A,), c), expected, **EXACT)


@pytest.mark.parametrize("epsilon", [1e-6, 0.1])
def test_epsilon_rule_equals_that_of_lxt_where_outputs_are_positive(functional: ModuleType, epsilon: float) -> None:
    y = F.linear(A, WEIGHT, BIAS)
    c = random(*y.shape, seed=6) * (y > 0)  # where it is negative, LXT's epsilon brings it nearer to 0
    composite = Composite(COMPOSITES["epsilon"].convolution, Epsilon(epsilon))
    got = ours(lambda x: F.linear(x, WEIGHT, BIAS), (A,), c, composite=composite)
    expected = theirs(lambda x: functional.linear_epsilon(x, WEIGHT, BIAS, epsilon), (A,), c)
    torch.testing.assert_close(got, expected, **EXACT)


class Block(nn.Module):
    """A transformer block with two heads over the places of a signal, their mean, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(4), nn.LayerNorm(4)
        self.qkv, self.out = nn.Linear(4, 12), nn.Linear(4, 4)
        self.up, self.down, self.head = nn.Linear(4, 8), nn.Linear(8, 4), nn.Linear(4, 3)
        self.double()
        for n, parameter in enumerate(self.parameters()):
            parameter.data = random(*parameter.shape, seed=n)

    def forward(self, images: Tensor) -> Tensor:
        x = images.mT
        q, k, v = self.qkv(self.norm1(x)).view(*x.shape[:2], 3, 2, 2).permute(2, 0, 3, 1, 4)
        x = x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        x = x + self.down(F.gelu(self.up(self.norm2(x))))
        return self.head(x.mean(1))

    def by_lxt(self, lf: ModuleType, rules: ModuleType, images: Tensor) -> Tensor:
        def linear(layer: nn.Linear, x: Tensor) -> Tensor:
            return lf.linear_epsilon(x, layer.weight, layer.bias, 0.0)

        def product(a: Tensor, b: Tensor) -> Tensor:
            return lf.matmul(a, b, False, 0.0)

        x = images.mT
        q, k, v = linear(self.qkv, normed(lf, x, self.norm1)).view(*x.shape[:2], 3, 2, 2).permute(2, 0, 3, 1, 4)
        weights = lf.softmax(product(lf.mul2(q, 1 / math.sqrt(2)), k.mT), -1)
        x = lf.add2(x, linear(self.out, product(weights, v).transpose(1, 2).flatten(2)), False, 0.0)
        hidden = rules.identity(F.gelu, linear(self.up, normed(lf, x, self.norm2)))
        x = lf.add2(x, linear(self.down, hidden), False, 0.0)
        return linear(self.head, lf.mean(x, 1, False, 0.0))


@pytest.mark.parametrize("k", [0, 1, 2])
def test_a_transformer_block_is_explained_as_by_lxt(functional: ModuleType, rules: ModuleType, k: int) -> None:
    block, images = Block(), random(2, 4, 5)
    leaf = images.clone().requires_grad_()
    logits = block.by_lxt(functional, rules, leaf)
    torch.testing.assert_close(logits, block(images))
    (expected,) = torch.autograd.grad(logits[:, k], leaf, logits[:, k].detach())
    got = LRP(epsilon=0.0, input_rule=None)(block, images, Class(k)).attribution
    torch.testing.assert_close(got, expected, **EXACT)


@pytest.mark.parametrize("attention", [0.5, 0.0])
def test_a_vision_transformer_is_explained_as_by_lxt(
    torchvision: ModuleType, monkeypatch: pytest.MonkeyPatch, attention: float
) -> None:
    """By LXT's patches of torch's modules: with the rules of attention, or attention held fixed.

    Their identity rule adds 1e-10 to what it divides by.
    """
    patches = _module("lxt.efficient.patches")
    sizes = {"image_size": 32, "patch_size": 16, "num_layers": 2, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 16}
    model = torchvision.models.vision_transformer.VisionTransformer(**sizes, num_classes=3).double().eval()
    for n, parameter in enumerate(model.parameters()):
        parameter.data = 0.3 * random(*parameter.shape, seed=n)
    images = random(2, 3, 32, 32).sigmoid()
    got = LRP(epsilon=0.0, input_rule=None, attention=attention)(model, images, Class(1))
    for module, forward in ((nn.GELU, patches.non_linear_forward), (nn.LayerNorm, patches.layer_norm_forward)):
        monkeypatch.setattr(module, "original_forward", module.forward, raising=False)
        monkeypatch.setattr(module, "forward", forward)
    wrap = patches.wrap_attention_forward if attention else patches.cp_wrap_attention_forward
    monkeypatch.setattr(nn.MultiheadAttention, "forward", wrap(nn.MultiheadAttention.forward))
    leaf = images.clone().requires_grad_()
    logits = model(leaf)
    torch.testing.assert_close(got.logits, logits)
    (gradient,) = torch.autograd.grad(logits[:, 1].sum(), leaf)
    assert gradient.any()
    torch.testing.assert_close(got.attribution, leaf.detach() * gradient, rtol=1e-6, atol=1e-9)
