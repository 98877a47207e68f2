"""Attention rollout: by hand, against plain matrix products, and in every spelling of attention."""

import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from sightline.attribution import AttentionRollout, Class, EveryClass, Explainer, GradientAttentionRollout
from sightline.errors import SettingsError, ShapeError, SightlineError, UnsupportedOperationError

MakeImages = Callable[..., Tensor]
METHODS = [AttentionRollout, GradientAttentionRollout]
DOUBLE: dict[str, Any] = {"dtype": torch.float64}


class TwoTokens(nn.Module):
    """Two layers of given attention over the two places of a signal, each added to what it reads; one value a token."""

    matrices = (torch.tensor([[1 / 2, 1 / 2], [1 / 4, 3 / 4]]), torch.tensor([[3 / 4, 1 / 4], [1 / 2, 1 / 2]]))

    def __init__(self, *, mean: bool = False) -> None:
        super().__init__()
        self.mean = mean

    def forward(self, images: Tensor) -> Tensor:
        x = images.mT  # (N, 2, 1)
        for matrix in self.matrices:
            x = x + (matrix.to(x).log() + 0 * x @ x.mT).softmax(-1) @ x
        y = x.mean(1) if self.mean else x[:, 0]
        return torch.cat([y, -y], 1)


SIGNAL = torch.tensor([[[1.0, 2.0]]], **DOUBLE)


@pytest.mark.parametrize(
    ("mean", "residual", "expected"),
    [
        (False, 0.5, [43 / 64, 21 / 64]),  # [7/8, 1/8] times [[3/4, 1/4], [1/8, 7/8]]
        (True, 0.5, [61 / 128, 67 / 128]),  # and of the second token [9/32, 23/32]
        (False, 0.0, [7 / 16, 9 / 16]),  # [3/4, 1/4] times [[1/2, 1/2], [1/4, 3/4]]
    ],
)
def test_rollout_by_hand(mean: bool, residual: float, expected: list[float]) -> None:
    explanation = AttentionRollout(residual)(TwoTokens(mean=mean), SIGNAL, EveryClass())
    torch.testing.assert_close(explanation.attribution, torch.tensor([[[expected]] * 2], **DOUBLE))


def test_gradient_rollout_by_hand() -> None:
    # The second layer reads (2.5, 3.75), the gradient by the first row of its attention; that by the other row is 0.
    # The gradient by what it reads is (7/4, 1/4), and times the pixels (1, 2) that by the first layer's attention.
    second = torch.tensor([[3 / 4 * 2.5, 1 / 4 * 3.75], [0, 0]], **DOUBLE)
    first = torch.tensor([[1 / 2 * 7 / 4, 1 / 2 * 7 / 2], [1 / 4 * 1 / 4, 3 / 4 * 1 / 2]], **DOUBLE)
    maps = GradientAttentionRollout()(TwoTokens(), SIGNAL, EveryClass()).attribution
    torch.testing.assert_close(maps[0, 0, 0], (second + first + second @ first)[0])  # (I + second) (I + first) - I
    torch.testing.assert_close(maps[0, 0, 0], torch.tensor([4.44921875, 6.3203125], **DOUBLE))
    assert not maps[0, 1].any()  # all gradients of the other class are negative


SPELLINGS = ["sdpa", "module", "module, no weights", "method", "heads in the batch", "einsum", "turned"]


class Attending(nn.Module):
    """Layers of attention with two heads over the places of a signal and a class token, if it has one.

    `spelling` is how attention is written; `kept` is what it was where it is written `"plain"`.
    """

    def __init__(self, spelling: str, *, token: bool = True, mask: Tensor | None = None) -> None:
        super().__init__()
        self.spelling, self.token, self.mask, self.kept = spelling, token, mask, []
        self.embed, self.first, self.head = nn.Linear(3, 4), nn.Parameter(torch.empty(1, 1, 4)), nn.Linear(4, 3)
        self.attention = nn.ModuleList(nn.MultiheadAttention(4, 2, batch_first=True) for _ in range(2))
        generator = torch.Generator().manual_seed(3)
        self.double().eval()
        for parameter in self.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator, **DOUBLE)

    def forward(self, images: Tensor) -> Tensor:
        x = self.embed(images.mT)
        if self.token:
            x = torch.cat([self.first.expand(len(x), -1, -1), x], 1)
        for attention in self.attention:
            x = x + self.attend(attention, x)
        return self.head(x[:, 0] if self.token else x.mean(1))

    def attend(self, module: nn.MultiheadAttention, x: Tensor) -> Tensor:
        if self.spelling.startswith("module"):
            return module(x, x, x, attn_mask=self.mask, need_weights="no" not in self.spelling)[0]
        qkv = F.linear(x, module.in_proj_weight, module.in_proj_bias)
        q, k, v = qkv.view(*x.shape[:2], 3, 2, 2).permute(2, 0, 3, 1, 4)  # (N, H, T, 2) each
        return module.out_proj(self.attended(q, k, v).transpose(1, 2).flatten(2))

    def attended(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        if self.spelling == "sdpa":
            return F.scaled_dot_product_attention(q, k, v, None if self.mask is None else ~self.mask)
        scores = q @ k.mT / math.sqrt(2)
        if self.mask is not None:
            scores = scores.masked_fill(self.mask, -torch.inf)
        if self.spelling == "method":
            return F.dropout(scores.softmax(dim=-1, **DOUBLE).to(v.dtype), 0.5, self.training) @ v
        if self.spelling == "heads in the batch":
            return torch.bmm(F.softmax(scores.flatten(0, 1), -1), v.flatten(0, 1)).view_as(v)
        if self.spelling == "einsum":
            return torch.einsum("nhij,nhjd->nhid", nn.Softmax(dim=3)(scores), v)
        if self.spelling == "turned":
            return (v.mT @ torch.softmax(scores, -1).transpose(2, 3)).mT
        self.kept.append(scores.softmax(-1))
        return self.kept[-1] @ v


def rolled(attention: list[Tensor], gradients: tuple[Tensor, ...] | None = None) -> Tensor:
    """The whole product `(N, T, T)` of attention `(N, H, T, T)`, the first layer's first."""
    product = eye = torch.eye(attention[0].shape[-1]).to(attention[0])
    for n, layer in enumerate(attention):
        mixed = (layer.mean(1) + eye) / 2 if gradients is None else eye + (layer * gradients[n]).relu().mean(1)
        product = mixed @ product
    return product if gradients is None else product - eye


def expected_rows(model: Attending, images: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of the class token, or the mean of all rows, `(N, T)`: of rollout, and of that by the last class."""
    plain = Attending("plain", token=model.token, mask=model.mask)
    plain.load_state_dict(model.state_dict())
    gradients = torch.autograd.grad(plain(images)[:, 2].sum(), plain.kept)
    products = rolled(plain.kept), rolled(plain.kept, gradients)
    return tuple((product[:, 0] if model.token else product.mean(1)).detach() for product in products)


@pytest.mark.parametrize("token", [True, False])
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_it_is_the_product_in_every_spelling_of_attention(make_images: MakeImages, spelling: str, token: bool) -> None:
    model, images = Attending(spelling, token=token), make_images(2, 3, 5)
    for method, expected in zip(METHODS, expected_rows(model, images), strict=True):
        explanation = method()(model, images, Class(2))
        torch.testing.assert_close(explanation.attribution, expected[:, None, token:])
        torch.testing.assert_close(explanation.logits, model(images))
        assert explanation.target.tolist() == [2, 2]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("spelling", ["sdpa", "module", "method"])
def test_nothing_comes_from_where_a_mask_hides(
    make_images: MakeImages, spelling: str, method: Callable[[], Explainer]
) -> None:
    mask = torch.zeros(6, 6, dtype=torch.bool)
    mask[:, 3] = True  # the third place, behind the class token
    model, images = Attending(spelling, mask=mask), make_images(2, 3, 5)
    maps = method()(model, images, Class(2)).attribution[:, 0]
    assert not maps[:, 2].any()
    torch.testing.assert_close(maps, expected_rows(model, images)[METHODS.index(method)][:, 1:])


@settings(max_examples=10)
@given(order=st.permutations(range(5)), token=st.booleans())
def test_maps_move_with_the_places_of_a_model_that_knows_no_positions(order: list[int], token: bool) -> None:
    model, images = Attending("sdpa", token=token), torch.rand(2, 3, 5, **DOUBLE)
    for method in METHODS:
        maps, moved = (method()(model, each, Class(1)).attribution for each in (images, images[..., order]))
        assert maps.any()
        torch.testing.assert_close(moved, maps[..., order])


@pytest.mark.parametrize("residual", [0.0, 0.3, 0.5])
def test_shares_sum_to_1(make_images: MakeImages, residual: float) -> None:
    maps = AttentionRollout(residual)(Attending("sdpa", token=False), make_images(2, 3, 5), Class(0)).attribution
    torch.testing.assert_close(maps.sum(2), torch.ones(2, 1, **DOUBLE))
    assert (maps >= 0).all()


@pytest.mark.parametrize("method", METHODS)
def test_every_class_has_a_map_which_of_rollout_are_the_same(
    make_images: MakeImages, method: Callable[[], Explainer]
) -> None:
    model, images = Attending("sdpa"), make_images(2, 3, 5)
    maps = method()(model, images, EveryClass()).attribution
    assert maps.shape == (2, 3, 1, 5)
    assert torch.equal(maps[:, 0], maps[:, 1]) == (method is AttentionRollout)


def test_volumes(make_images: MakeImages) -> None:
    class Volumes(Attending):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(images.flatten(2))

    model, images = Volumes("sdpa"), make_images(2, 3, 2, 3, 4)
    for method in METHODS:
        found = method()(model, images, Class(1)).attribution
        assert found.shape == (2, 1, 2, 3, 4)
        flat = method()(Attending("sdpa"), images.flatten(2), Class(1)).attribution
        torch.testing.assert_close(found.flatten(2), flat)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("spelling", ["sdpa", "heads in the batch"])
def test_a_batch_may_be_empty(make_images: MakeImages, spelling: str, method: Callable[[], Explainer]) -> None:
    explanation = method()(Attending(spelling), make_images(2, 3, 5)[:0], EveryClass())
    assert explanation.attribution.shape == (0, 3, 1, 5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("spelling", ["sdpa", "method"])
def test_a_loss_on_the_map_trains_the_weights(
    make_images: MakeImages, spelling: str, method: Callable[[], Explainer]
) -> None:
    model, images = Attending(spelling), make_images(2, 3, 5)

    def loss() -> Tensor:
        return method()(model, images, Class(0)).attribution.square().sum()

    loss().backward()
    for name in ("embed.weight", "attention.0.in_proj_weight", "attention.1.in_proj_weight", "first"):
        weight = model.get_parameter(name)
        direction = torch.randn(weight.shape, generator=torch.Generator().manual_seed(0), **DOUBLE)
        with torch.no_grad():
            weight.add_(direction, alpha=1e-6)
            above = loss()
            weight.sub_(direction, alpha=2e-6)
            slope = (above - loss()) / 2e-6
            weight.add_(direction, alpha=1e-6)
        assert slope != 0
        torch.testing.assert_close((weight.grad * direction).sum(), slope, rtol=1e-6, atol=1e-10)


def ready(model: nn.Module) -> nn.Module:
    """In float64, and without weights that start at zero, as those of the heads do."""
    for parameter in model.parameters():
        nn.init.normal_(parameter, 0, 0.3)
    return model.double().eval()


def vision_transformer(torchvision: ModuleType) -> nn.Module:
    sizes = {"image_size": 32, "patch_size": 16, "num_layers": 3, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 16}
    return ready(torchvision.models.vision_transformer.VisionTransformer(**sizes, num_classes=3))


@pytest.mark.parametrize("zero_head", [False, True])
def test_torchvision_by_hooks(torchvision: ModuleType, make_images: MakeImages, zero_head: bool) -> None:
    model, images = vision_transformer(torchvision), make_images(2, 3, 32, 32)
    if zero_head:  # as fresh ones have, so that no token counts: the class token is read all the same
        nn.init.zeros_(model.heads.head.weight)
    kept: list[Tensor] = []

    def keep(module: nn.Module, inputs: tuple[Tensor, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return inputs, kwargs | {"need_weights": True, "average_attn_weights": False}

    for block in model.encoder.layers:
        block.self_attention.register_forward_pre_hook(keep, with_kwargs=True)
        block.self_attention.register_forward_hook(lambda module, inputs, output: kept.append(output[1]))
    logits = model(images)
    expected = rolled(kept)[:, 0, 1:].view(2, 1, 2, 2)
    torch.testing.assert_close(AttentionRollout()(model, images, Class(0)).attribution, expected)
    fresh = vision_transformer(torchvision)
    fresh.load_state_dict(model.state_dict())
    explanation = AttentionRollout()(fresh, images, Class(0))
    torch.testing.assert_close(explanation.attribution, expected)
    torch.testing.assert_close(explanation.logits, logits)
    assert GradientAttentionRollout()(fresh, images, Class(0)).attribution.any() == (not zero_head)


@pytest.mark.parametrize(
    ("options", "prefix", "rows"),
    [
        ({}, 1, slice(0, 1)),
        ({"reg_tokens": 4, "qk_norm": True, "img_size": (32, 48)}, 5, slice(0, 1)),
        ({"global_pool": "avg"}, 1, slice(1, None)),
        ({"global_pool": "avg", "class_token": False, "fc_norm": False}, 0, slice(0, None)),
    ],
)
@pytest.mark.parametrize("fused", [True, False])
def test_timm_by_hooks(
    timm: ModuleType, make_images: MakeImages, options: dict[str, Any], prefix: int, rows: slice, fused: bool
) -> None:
    sizes = {"img_size": 32, "patch_size": 8, "embed_dim": 8, "depth": 3, "num_heads": 2, "num_classes": 3}
    model = ready(timm.models.VisionTransformer(**(sizes | options)))
    images = make_images(2, 3, *options.get("img_size", (32, 32)))
    kept: list[Tensor] = []
    hooks = [
        block.attn.attn_drop.register_forward_hook(lambda module, inputs, output: kept.append(output))
        for block in model.blocks
    ]
    for block in model.blocks:
        block.attn.fused_attn = False
    gradients = torch.autograd.grad(model(images)[:, 1].sum(), kept)
    for hook, block in zip(hooks, model.blocks, strict=True):
        hook.remove()
        block.attn.fused_attn = fused
    for method, product in zip(METHODS, (rolled(kept), rolled(kept, gradients)), strict=True):
        found = method()(model, images, Class(1)).attribution
        expected = product[:, rows].mean(1)[:, prefix:].reshape(found.shape)
        assert found.shape == (2, 1, *(side // 8 for side in images.shape[2:]))
        torch.testing.assert_close(found, expected.detach())


def test_two_tokens_that_the_head_reads_count_alike(timm: ModuleType, make_images: MakeImages) -> None:
    build = timm.models.deit.VisionTransformerDistilled
    model = ready(build(64, 16, num_classes=3, embed_dim=8, depth=1, num_heads=2, qkv_bias=False))
    kept: list[Tensor] = []
    model.blocks[0].attn.fused_attn = False
    model.blocks[0].attn.attn_drop.register_forward_hook(lambda module, inputs, output: kept.append(output))
    images = make_images(2, 3, 64, 64)
    found = AttentionRollout(0)(model, images, Class(0)).attribution
    torch.testing.assert_close(found.flatten(1), kept[0].mean(1)[:, :2, 2:].mean(1))


def test_torchs_own_encoder_does_not_take_its_fast_path(make_images: MakeImages) -> None:
    class Encoder(Attending):
        def __init__(self) -> None:
            super().__init__("module", token=False)
            layers = [nn.TransformerEncoderLayer(4, 2, 8, batch_first=True, **DOUBLE) for _ in range(2)]
            self.attention = nn.ModuleList(layers).eval().requires_grad_(requires_grad=False)

        def attend(self, module: nn.Module, x: Tensor) -> Tensor:
            self.kept.append(module.self_attn(x, x, x, average_attn_weights=False)[1])
            return module(x) - x

    class Alone(Encoder):
        def attend(self, module: nn.Module, x: Tensor) -> Tensor:
            return module(x) - x

    images, reference, model = make_images(2, 3, 5), Encoder(), Alone()
    model.load_state_dict(reference.state_dict())
    with torch.no_grad():
        logits = reference(images)
        explanation = AttentionRollout()(model, images, Class(0))
    torch.testing.assert_close(explanation.attribution[:, 0], rolled(reference.kept).mean(1))
    torch.testing.assert_close(explanation.logits, logits)


@pytest.mark.parametrize("method", METHODS)
def test_attention_that_is_not_between_image_and_logits_does_not_count(
    make_images: MakeImages, method: Callable[[], Explainer]
) -> None:
    class Aside(Attending):
        def forward(self, images: Tensor) -> Tensor:
            self.extra = self.attend(self.attention[1], self.embed(images.mT))
            constant = self.attend(self.attention[0], self.first.expand(len(images), 7, -1))  # of no image
            return super().forward(images) + constant.sum((1, 2))[:, None]

    images = make_images(2, 3, 5)
    maps = [method()(build("sdpa"), images, Class(0)).attribution for build in (Attending, Aside)]
    torch.testing.assert_close(maps[1], maps[0])


class Twice(Attending):
    """Adds up two things with the same attention."""

    def attended(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        self.kept.append((q @ k.mT).softmax(-1))
        return self.kept[-1] @ v + self.kept[-1] @ q


class Gated(Attending):
    """Has gates of a softmax, which are no attention."""

    def attend(self, module: nn.MultiheadAttention, x: Tensor) -> Tensor:
        return super().attend(module, x * x.softmax(-1))


@pytest.mark.parametrize("build", [Twice, Gated])
def test_each_attention_counts_once_and_gates_do_not(make_images: MakeImages, build: type[Attending]) -> None:
    model, images = build("plain"), make_images(2, 3, 5)
    gradients = torch.autograd.grad(model(images)[:, 0].sum(), model.kept)
    for method, product in zip(METHODS, (rolled(model.kept), rolled(model.kept, gradients)), strict=True):
        found = method()(model, images, Class(0)).attribution
        torch.testing.assert_close(found, product[:, :1, 1:].detach())
        del model.kept[2:]


class Shrinking(Attending):
    """Has fewer tokens behind each layer."""

    def forward(self, images: Tensor) -> Tensor:
        x = self.embed(images.mT)
        for attention in self.attention:
            x = F.avg_pool1d((x + self.attend(attention, x)).mT, 2).mT
        return self.head(x.mean(1))


class Windows(Shrinking):
    """Attends within windows of three places."""

    def attend(self, module: nn.MultiheadAttention, x: Tensor) -> Tensor:
        return super().attend(module, x.reshape(-1, 3, 4)).view_as(x)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("build", "shapes"),
    [
        (lambda: Shrinking("sdpa"), r"\(2, 2, 12, 12\), \(2, 2, 6, 6\)"),
        (lambda: Windows("sdpa"), r"\(8, 2, 3, 3\), \(4, 2, 3, 3\)"),
    ],
)
def test_windows_and_changing_tokens_are_refused(
    make_images: MakeImages, method: Callable[[], Explainer], build: Callable[[], nn.Module], shapes: str
) -> None:
    message = rf"\(2, heads, T, T\), and not for windows or a changing number of tokens, got {shapes}; .*LRP or GradCAM"
    with pytest.raises(UnsupportedOperationError, match=message):
        method()(build(), make_images(2, 3, 12), Class(0))


def test_swin_is_refused(torchvision: ModuleType, make_images: MakeImages) -> None:
    build = torchvision.models.swin_transformer.SwinTransformer
    model = ready(build([4, 4], 8, [2, 2], [2, 2], [2, 2], num_classes=3))
    with pytest.raises(UnsupportedOperationError, match="not for windows"):
        AttentionRollout()(model, make_images(2, 3, 32, 32), Class(0))


@pytest.mark.parametrize("method", METHODS)
def test_a_model_without_attention_is_refused(
    make_net: Callable[..., nn.Module], make_images: MakeImages, method: Callable[[], Explainer]
) -> None:
    with pytest.raises(
        UnsupportedOperationError, match="no softmax of this one multiplies values; explain it with LRP"
    ):
        method()(make_net(), make_images(), Class(0))


class Changed(Attending):
    """Does something else to its features."""

    def __init__(self, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__("sdpa")
        self.change = change

    def attend(self, module: nn.MultiheadAttention, x: Tensor) -> Tensor:
        return self.change(super().attend(module, x))


def test_attention_that_cannot_be_followed_is_refused(make_images: MakeImages) -> None:
    model, images = Attending("module"), make_images(2, 3, 5)
    model.attention = nn.ModuleList([nn.MultiheadAttention(4, 2, add_bias_kv=True, batch_first=True, **DOUBLE)])
    with pytest.raises(UnsupportedOperationError, match="keys that are no tokens"):
        AttentionRollout()(model, images, Class(0))
    with pytest.raises(SightlineError, match="do not depend on any attention"):
        AttentionRollout()(Changed(Tensor.detach), images, Class(0))


def test_a_grid_that_cannot_be_inferred_must_be_named(make_images: MakeImages) -> None:
    class Patches(Attending):
        def forward(self, images: Tensor) -> Tensor:
            return super().forward(F.unfold(images, (2, 3), stride=(2, 3))[:, :3])

    model, images = Patches("sdpa"), make_images(2, 1, 8, 12)  # 4 x 4 patches, which are not square
    with pytest.raises(ShapeError, match=r"cannot tell how 17 tokens lie in images of \(8, 12\); .*grid="):
        AttentionRollout()(model, images, Class(0))
    for method in METHODS:
        assert method(grid=(4, 4))(model, images, Class(0)).attribution.shape == (2, 1, 4, 4)
    with pytest.raises(ShapeError, match="images must have a spatial axis"):
        AttentionRollout()(model, make_images(2, 3), Class(0))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: AttentionRollout(1), "residual must be a share from 0 to below 1, got 1"),
        (lambda: AttentionRollout(-0.1), "residual must be a share from 0 to below 1, got -0.1"),
        (lambda: AttentionRollout(math.nan), "residual must be a share from 0 to below 1, got nan"),
        (lambda: AttentionRollout(grid=14), "grid must be a tuple"),
        (lambda: GradientAttentionRollout(grid=(0, 2)), "grid must be a tuple"),
    ],
)
def test_wrong_settings_are_refused(build: Callable[[], Explainer], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        build()
