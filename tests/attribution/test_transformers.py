"""Relevance through attention, normalisation, smooth activations and gates."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.attribution import LRP, Class, Saliency
from sightline.attribution.drawing import Drawing
from sightline.attribution.interception import Interception
from sightline.attribution.rules import attention
from sightline.errors import UnsupportedOperationError

Function = Callable[..., Any]
DOUBLE = {"dtype": torch.float64}


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), **DOUBLE)


def drawn(function: Function, x: Tensor, c: Tensor, **options: Any) -> Tensor:
    """What an explanation `c` that arrives at `function(x)` becomes at `x`."""
    leaf = x.clone().requires_grad_()
    given = leaf.clone()
    drawing = Drawing(**{"epsilon": 0.0, **options})
    with Interception(given, drawing, strict=True):
        y = function(given)
    with drawing.pencil():
        (answer,) = torch.autograd.grad(y, leaf, c)
    return answer


ACTIVATIONS: dict[str, Function] = {
    "gelu": F.gelu,
    "gelu by tanh": nn.GELU(approximate="tanh"),
    "silu": F.silu,
    "hardswish": nn.Hardswish(),
    "leaky relu": nn.LeakyReLU(0.1),
    "elu": nn.ELU(),
    "relu6": nn.ReLU6(),
    "tanh": torch.tanh,
    "method": lambda x: x.tanh(),
    "mish": F.mish,
    "prelu": nn.PReLU().double(),
    "in place": lambda x: F.silu(x.clone(), inplace=True),
    "hardswish in place": lambda x: nn.Hardswish(inplace=True)(x.clone()),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_passes_the_relevance_that_it_gets(name: str) -> None:
    x, c = 3 * random(4, 5), random(4, 5, seed=1)
    y = ACTIVATIONS[name](x).detach()
    torch.testing.assert_close(x * drawn(ACTIVATIONS[name], x, c), y * c)
    absorbed = x * drawn(ACTIVATIONS[name], x, c, epsilon=0.5)
    torch.testing.assert_close(absorbed, y * c * x / (x + 0.5 * x.sign()))


def test_an_activation_at_zero_passes_its_slope() -> None:
    x, c = torch.zeros(3, **DOUBLE), random(3)
    torch.testing.assert_close(drawn(F.gelu, x, c), 0.5 * c)
    torch.testing.assert_close(drawn(torch.tanh, x, c), c)


def test_what_works_in_place_changes_its_operand() -> None:
    class Forgets(nn.Module):
        """Ignores what the function returns."""

        def forward(self, x: Tensor) -> Tensor:
            y = x * 1
            F.silu(y, inplace=True)
            y.mul_(y.sigmoid())
            return y

    x, c = random(4, 3), random(4, 3, seed=1)
    y = F.silu(x) * F.silu(x).sigmoid()
    torch.testing.assert_close(Forgets()(x), y)
    torch.testing.assert_close(x * drawn(Forgets(), x, c), y * c)


NORMS: dict[str, tuple[Function, tuple[int, ...]]] = {
    "layer": (nn.LayerNorm(6), (2, 3, 6)),
    "layer over two axes": (nn.LayerNorm((3, 6), bias=False), (2, 3, 6)),
    "group": (nn.GroupNorm(2, 4), (2, 4, 3, 2)),
    "instance": (nn.InstanceNorm1d(3, affine=True), (2, 3, 7)),
    "rms": (nn.RMSNorm(6), (2, 3, 6)),
    "direction": (F.normalize, (2, 6)),
}


def with_random_weights(module: Function) -> Function:
    if isinstance(module, nn.Module):
        module = module.double()
        for n, weight in enumerate(module.parameters()):
            weight.data = random(*weight.shape, seed=n + 5)
    return module


@pytest.mark.parametrize("name", NORMS)
def test_a_normalisation_is_linear_with_its_scale_held_fixed(name: str) -> None:
    module, shape = NORMS[name]
    module = with_random_weights(module)
    x, c = random(*shape), random(*shape, seed=1)
    y = module(x).detach()
    bias = module(torch.zeros_like(x)).detach() if name not in ("rms", "direction") else 0
    got = x * drawn(module, x, c)
    axes = tuple(range(1, x.ndim))
    torch.testing.assert_close(got.sum(axes), ((y - bias) * c).sum(axes))  # conserved, but for the bias
    one = torch.zeros_like(x)
    one[0] = 1
    assert not drawn(module, x, c * one)[1].any()
    if name == "rms":
        inverse = torch.rsqrt(x.square().mean(-1, keepdim=True) + torch.finfo(x.dtype).eps)
        torch.testing.assert_close(got, x * c * module.weight * inverse)
    if name == "layer":
        u = c * module.weight / (x.var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
        torch.testing.assert_close(got, x * (u - u.mean(-1, keepdim=True)))


def test_two_activations_share_relevance_half_each() -> None:
    x, c = random(3, 4, 4), random(3, 4, 4, seed=1)
    got = x * drawn(lambda x: x @ x.mT, x, c)
    torch.testing.assert_close(got, 0.5 * x * (c @ x + c.mT @ x))
    torch.testing.assert_close(got.sum((1, 2)), ((x @ x.mT) * c).sum((1, 2)))
    square = x * drawn(lambda x: x * x, x, c)
    torch.testing.assert_close(square, x * x * c)
    einsum = x * drawn(lambda x: torch.einsum("nij,nkj->nik", x, x), x, c)
    torch.testing.assert_close(einsum, got)


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("spelling", ["gate * x", "x * gate", "x.mul_(gate)", "reshaped"])
def test_a_gate_takes_the_share_that_is_said(share: float, spelling: str) -> None:
    weight = random(4, 4, seed=2)

    def function(x: Tensor) -> Tensor:
        gate = (x.mean((2, 3)) @ weight).sigmoid()[:, :, None, None]
        if spelling == "x.mul_(gate)":
            return (x * 1).mul_(gate)
        if spelling == "reshaped":
            return x * F.dropout(gate.expand_as(x).contiguous(), 0.0)
        return gate * x if spelling == "gate * x" else x * gate

    x, c = random(2, 4, 3, 3), random(2, 4, 3, 3, seed=1)
    z = x.mean((2, 3)) @ weight
    gate = z.sigmoid()[:, :, None, None]
    to_gate = share * (x * c).sum((2, 3)) * (z.sigmoid() * (1 - z.sigmoid()))
    expected = (1 - share) * gate * c + ((to_gate @ weight.T) / 9)[:, :, None, None]
    torch.testing.assert_close(drawn(function, x, c, gate=share), expected)


def attended(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    weights = (scores if mask is None else scores + mask).softmax(-1)
    return weights, weights @ v


def test_attention_has_the_rules_of_attnlrp() -> None:
    x, c = random(2, 3, 5, 4), random(2, 3, 5, 4, seed=1)  # (N, heads, tokens, D)
    got = x * drawn(lambda x: F.scaled_dot_product_attention(x, 2 * x, 3 * x), x, c)
    weights, y = attended(x, 2 * x, 3 * x)
    to_v = 0.5 * 3 * x * (weights.mT @ c)
    r_weights = 0.5 * weights * (c @ (3 * x).mT)
    scores = 2 * x @ x.mT / 2
    r_scores = scores * (r_weights - weights * r_weights.sum(-1, keepdim=True))  # the softmax, AttnLRP eq. 13
    s = r_scores / scores
    to_q, to_k = 0.5 * x * (s @ (2 * x)) / 2, 0.5 * 2 * x * (s.mT @ x) / 2
    torch.testing.assert_close(got, to_v + to_q + to_k)
    torch.testing.assert_close((to_v.sum() + r_weights.sum()), (y * c).sum())  # values and weights share all there is
    torch.testing.assert_close(to_q.sum() + to_k.sum(), r_scores.sum())


def test_with_attention_held_fixed_values_carry_all_relevance() -> None:
    x, c = random(2, 3, 5, 4), random(2, 3, 5, 4, seed=1)
    got = x * drawn(lambda x: F.scaled_dot_product_attention(x, x, x), x, c, attention=0.0)
    weights, y = attended(x, x, x)
    torch.testing.assert_close(got, x * (weights.mT @ c))
    torch.testing.assert_close(got.sum((1, 2, 3)), (y * c).sum((1, 2, 3)))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"is_causal": True},
        {"scale": 0.3},
        {"attn_mask": torch.tensor([[True, False, True], [True, True, True]])},
        {"attn_mask": random(2, 3, seed=7)},
    ],
    ids=["plain", "causal", "scale", "boolean mask", "bias"],
)
def test_attention_in_parts_is_torchs(options: dict[str, Any]) -> None:
    q, k, v = random(2, 4, 2, 6), random(2, 4, 3, 6, seed=1), random(2, 4, 3, 5, seed=2)
    expected = F.scaled_dot_product_attention(q, k, v, **options)
    torch.testing.assert_close(attention.scaled_dot_product_attention(q, k, v, **options), expected)


def test_grouped_queries_are_torchs() -> None:
    q, k, v = random(2, 4, 2, 6), random(2, 2, 3, 6, seed=1), random(2, 2, 3, 6, seed=2)
    expected = F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
    torch.testing.assert_close(attention.scaled_dot_product_attention(q, k, v, enable_gqa=True), expected)


MASKS: dict[str, dict[str, Any]] = {
    "plain": {},
    "weights of each head": {"average_attn_weights": False},
    "no weights": {"need_weights": False},
    "mask": {"attn_mask": torch.ones(5, 5, dtype=torch.bool).triu(1)},
    "mask of each head": {"attn_mask": random(4, 5, 5, seed=3)},
    "padding": {"key_padding_mask": torch.tensor([[False] * 4 + [True], [False] * 5])},
}


@pytest.mark.parametrize("name", MASKS)
@pytest.mark.parametrize("batch_first", [True, False])
def test_multi_head_attention_in_parts_is_torchs(name: str, batch_first: bool) -> None:
    module = nn.MultiheadAttention(6, 2, batch_first=batch_first, **DOUBLE)
    x = random(2, 5, 6) if batch_first else random(5, 2, 6)
    expected, weights = module(x, x, x, **MASKS[name])
    given = x.clone().requires_grad_() * 1
    with Interception(given, Drawing(epsilon=0.0), strict=True):
        got, got_weights = module(given, given, given, **MASKS[name])
    torch.testing.assert_close(got, expected)
    assert (weights is None) == (got_weights is None)
    if weights is not None:
        torch.testing.assert_close(got_weights, weights)


def test_keys_of_another_width_and_no_batch() -> None:
    module = nn.MultiheadAttention(6, 2, kdim=3, vdim=4, **DOUBLE)
    q, k, v = random(5, 6), random(4, 3, seed=1), random(4, 4, seed=2)
    expected, weights = module(q, k, v)
    given = q.clone().requires_grad_() * 1
    with Interception(given, Drawing(epsilon=0.0), strict=True):
        got, got_weights = module(given, k, v)
    torch.testing.assert_close(got, expected)
    torch.testing.assert_close(got_weights, weights)


def test_extended_attention_is_refused_by_lrp_and_explained_by_its_gradient() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(4, 2, add_bias_kv=True, batch_first=True, **DOUBLE)

        def forward(self, images: Tensor) -> Tensor:
            return self.attention(images, images, images)[0].mean(1)

    net, images = Net().eval(), random(2, 3, 4)
    with pytest.raises(UnsupportedOperationError, match="multi_head_attention_forward"):
        LRP(input_rule=None)(net, images, Class(0))
    assert Saliency()(net, images, Class(0)).attribution.any()


class Transformer(nn.Module):
    """Patches, a class token, two blocks of torch's encoder, a head."""

    def __init__(self, *, norm_first: bool = True) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, 8, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.encoder = nn.ModuleList(
            nn.TransformerEncoderLayer(8, 2, 16, 0.0, "gelu", batch_first=True, norm_first=norm_first) for _ in range(2)
        )
        self.head = nn.Linear(8, 3)
        self.double()

    def forward(self, images: Tensor) -> Tensor:
        x = self.patches(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1)
        for block in self.encoder:
            x = block(x)
        return self.head(x[:, 0])


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_torchs_own_transformer_is_explained_with_its_fast_path(norm_first: bool, training: bool) -> None:
    net = Transformer(norm_first=norm_first).train(training).requires_grad_(requires_grad=False)
    images = random(2, 1, 8, 8).sigmoid()
    with torch.no_grad():
        logits = net(images)
    for lrp in (LRP(), LRP(input_rule=None), LRP(attention=0.0)):
        explanation = lrp(net, images, Class(1))
        torch.testing.assert_close(explanation.logits, logits)
        assert explanation.attribution.abs().sum((1, 2, 3)).min() > 0


@pytest.mark.parametrize("attention_share", [0.0, 0.5])
def test_a_loss_on_a_transformers_map_trains_its_weights(attention_share: float) -> None:
    net, images = Transformer().eval(), random(2, 1, 8, 8).sigmoid()
    lrp = LRP(attention=attention_share)

    def loss() -> Tensor:
        return lrp(net, images, Class(0)).attribution.square().sum()

    loss().backward()
    for name, weight in net.named_parameters():
        direction = random(*weight.shape, seed=4)
        with torch.no_grad():
            values = []
            for step in (1e-6, -2e-6):
                weight.add_(direction, alpha=step)
                values.append(float(loss()))
            weight.add_(direction, alpha=1e-6)
        slope = 0.0 if weight.grad is None else float((weight.grad * direction).sum())
        assert slope == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-5, abs=1e-8), name


def test_saliency_of_attention_can_be_differentiated() -> None:
    net, images = Transformer().eval(), random(2, 1, 8, 8).sigmoid()
    Saliency()(net, images, Class(0)).attribution.square().sum().backward()
    assert all(block.self_attn.in_proj_weight.grad.any() for block in net.encoder)
