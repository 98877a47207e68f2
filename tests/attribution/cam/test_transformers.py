"""Tokens and channels that come last, in the transformers of torchvision and timm."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sightline.attribution import Class, EveryClass, Explainer
from sightline.attribution.cam import (
    CAM,
    GradCAM,
    GradCAMPlusPlus,
    HiResCAM,
    LayerCAM,
    ScoreCAM,
    XGradCAM,
    upsample_to,
)
from sightline.errors import ShapeError, UnsupportedOperationError

MakeImages = Callable[..., Tensor]
METHODS = [GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM, ScoreCAM, XGradCAM]


def ready(model: nn.Module) -> nn.Module:
    """In float64, and without weights that start at zero, as those of the heads do."""
    for parameter in model.parameters():
        nn.init.normal_(parameter, 0, 0.3)
    return model.double().eval()


@pytest.fixture
def vit(torchvision: ModuleType) -> nn.Module:
    sizes = {"image_size": 32, "patch_size": 16, "num_layers": 2, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 16}
    return ready(torchvision.models.vision_transformer.VisionTransformer(**sizes, num_classes=3))


@pytest.fixture
def swin(torchvision: ModuleType) -> nn.Module:
    build = torchvision.models.swin_transformer.SwinTransformer
    return ready(build([4, 4], 8, [2, 2], [2, 2], [2, 2], num_classes=3))


@pytest.fixture
def timm_vit(timm: ModuleType) -> Callable[..., nn.Module]:
    def build(**options: Any) -> nn.Module:
        sizes = {"img_size": 32, "patch_size": 8, "embed_dim": 8, "depth": 2, "num_heads": 2, "num_classes": 3}
        return ready(timm.models.VisionTransformer(**(sizes | options)))

    return build


def features_and_gradient(model: nn.Module, images: Tensor, layer: str, k: int) -> tuple[Tensor, Tensor]:
    """What a layer gives and the gradient there, as torch has it."""
    kept: list[Tensor] = []
    hook = model.get_submodule(layer).register_forward_hook(lambda module, inputs, output: kept.append(output))
    logits = model(images)
    hook.remove()
    return kept[0], torch.autograd.grad(logits[:, k].sum(), kept[0])[0]


@pytest.mark.parametrize("method", METHODS)
def test_behind_a_class_token_the_input_of_the_last_attention_is_found(
    vit: nn.Module, make_images: MakeImages, method: type[Explainer]
) -> None:
    images = make_images(2, 3, 32, 32)
    layer = "encoder.layers.encoder_layer_1.ln_1"
    found, by_name = (method(name, rectify=False)(vit, images, EveryClass()) for name in (None, layer))
    assert found.attribution.shape == (2, 3, 1, 2, 2)
    assert found.attribution.any()
    torch.testing.assert_close(found.attribution, by_name.attribution)
    torch.testing.assert_close(found.logits, vit(images))
    if method is HiResCAM:
        features, gradient = features_and_gradient(vit, images, layer, 1)
        expected = (features * gradient).sum(2)[:, 1:].view(2, 2, 2)  # without the class token
        torch.testing.assert_close(found.attribution[:, 1, 0], expected)
        assert not features_and_gradient(vit, images, "encoder.layers.encoder_layer_1", 1)[1][:, 1:].any()


def test_classes_whose_gradients_cancel_do_not_hide_it(vit: nn.Module, make_images: MakeImages) -> None:
    images = make_images(2, 3, 32, 32)
    with torch.no_grad():
        weight = vit.heads.head.weight
        weight[1], weight[2] = -weight[0], 0
    every = HiResCAM()(vit, images, EveryClass()).attribution
    assert every[:, 0].any()
    torch.testing.assert_close(every[:, 0], HiResCAM()(vit, images, Class(0)).attribution)


@pytest.mark.parametrize(
    ("options", "layer", "prefix"),
    [
        ({}, "blocks.1.norm1", 1),
        ({"reg_tokens": 4}, "blocks.1.norm1", 5),
        ({"qk_norm": True}, "blocks.1.norm1", 1),
        ({"img_size": (32, 48)}, "blocks.1.norm1", 1),
        ({"global_pool": "avg"}, "blocks.1", 1),
        ({"global_pool": "avg", "class_token": False, "reg_tokens": 3}, "blocks.1", 3),
        ({"global_pool": "avg", "class_token": False}, "blocks.1", 0),
        ({"global_pool": "avg", "class_token": False, "final_norm": True, "fc_norm": False}, "norm", 0),
        ({"global_pool": "map"}, "norm", 1),
    ],
)
def test_vision_transformers_of_timm(
    timm_vit: Callable[..., nn.Module], make_images: MakeImages, options: dict[str, Any], layer: str, prefix: int
) -> None:
    model = timm_vit(**options)
    sides = options.get("img_size", (32, 32))
    images = make_images(2, 3, *sides)
    features, gradient = features_and_gradient(model, images, layer, 2)
    expected = (features * gradient).sum(2)[:, prefix:].view(2, sides[0] // 8, sides[1] // 8)
    assert expected.any()
    for name in (None, layer):
        explanation = HiResCAM(name)(model, images, Class(2))
        torch.testing.assert_close(explanation.attribution[:, 0], expected)
        torch.testing.assert_close(explanation.logits, model(images))
    several = HiResCAM(("blocks.0", layer))(model, images, Class(2)).attribution
    assert several.shape == explanation.attribution.shape


@pytest.mark.parametrize("method", [*METHODS, CAM])
def test_swin_has_its_channels_last(swin: nn.Module, make_images: MakeImages, method: type[Explainer]) -> None:
    images = make_images(2, 3, 32, 64)
    found, by_name = (method(name)(swin, images, Class(1)).attribution for name in (None, "norm"))
    assert found.shape == (2, 1, 4, 8)
    torch.testing.assert_close(found, by_name)
    if method in (CAM, HiResCAM):
        features, gradient = features_and_gradient(swin, images, "norm", 1)
        expected = (features * gradient).sum(3)[:, None]
        torch.testing.assert_close(found, expected * (32 if method is CAM else 1))
        early = method is HiResCAM and HiResCAM("features.1.0")(swin, images, Class(1)).attribution
        assert early is False or early.shape == (2, 1, 8, 16)


OTHERS: dict[str, tuple[Callable[[Any], nn.Module], str, slice]] = {
    "swin": (
        lambda of: of.SwinTransformer(64, window_size=4, embed_dim=8, depths=(2, 2), num_heads=(2, 2), num_classes=3),
        "norm",
        slice(0, None),
    ),
    "mixer": (lambda of: of.MlpMixer(3, 64, patch_size=16, num_blocks=2, embed_dim=8), "norm", slice(0, None)),
    "deit": (
        lambda of: of.deit.VisionTransformerDistilled(64, 16, num_classes=3, embed_dim=8, depth=2, num_heads=2),
        "blocks.1.norm1",
        slice(2, None),  # a class and a distillation token
    ),
    "cait": (
        lambda of: of.cait.Cait(64, 16, num_classes=3, embed_dim=8, depth=2, num_heads=2),
        "blocks_token_only.1.norm1",
        slice(1, None),
    ),
}


@pytest.mark.parametrize("other", OTHERS)
def test_other_transformers_of_timm(timm: ModuleType, make_images: MakeImages, other: str) -> None:
    build, layer, places = OTHERS[other]
    model, images = ready(build(timm.models)), make_images(2, 3, 64, 64)
    features, gradient = features_and_gradient(model, images, layer, 0)
    expected = (features * gradient).sum(-1).flatten(1)[:, places]
    found = HiResCAM()(model, images, Class(0)).attribution
    assert found.shape[2] == found.shape[3]
    assert found.any()
    torch.testing.assert_close(found.flatten(1), expected)


def test_channels_that_come_last_in_between_do_not_mislead(timm: ModuleType, make_images: MakeImages) -> None:
    model, images = (
        ready(timm.models.ConvNeXt(num_classes=3, depths=(1,) * 4, dims=(8,) * 4)),
        make_images(2, 3, 64, 64),
    )
    features, gradient = features_and_gradient(model, images, "stages.3", 0)
    found = HiResCAM()(model, images, Class(0)).attribution
    torch.testing.assert_close(found[:, 0], (features * gradient).sum(1))


def test_cam_takes_a_mixer_and_no_class_token(
    timm: ModuleType, timm_vit: Callable[..., nn.Module], make_images: MakeImages
) -> None:
    images = make_images(2, 3, 32, 32)
    mixer = ready(timm.models.MlpMixer(img_size=32, patch_size=8, embed_dim=8, num_blocks=2, num_classes=3))
    explanation = CAM()(mixer, images, EveryClass())
    torch.testing.assert_close(explanation.attribution.mean((2, 3, 4)) + mixer.head.bias, explanation.logits)
    with pytest.raises(UnsupportedOperationError, match="other features are between it and the logits"):
        CAM()(timm_vit(), images, Class(0))
    with pytest.raises(UnsupportedOperationError, match="and places alone"):
        CAM()(timm_vit(global_pool="avg", pool_include_prefix=True, fc_norm=False), images, Class(0))


class Unfolds(nn.Module):
    """Cuts its patches without a convolution, and reads a token of its own at the end."""

    def __init__(self, patch: tuple[int, int], tokens: int, *, before: int) -> None:
        super().__init__()
        self.patch, self.first = patch, nn.Parameter(torch.rand(1, before, 8))
        self.embed, self.norm, self.fc = nn.Linear(patch[0] * patch[1], 8), nn.LayerNorm(8), nn.Linear(8, 3)
        self.mix = nn.Linear(tokens + before, tokens + before)
        self.double()

    def forward(self, images: Tensor) -> Tensor:
        x = self.embed(nn.functional.unfold(images, self.patch, stride=self.patch).mT)
        x = self.norm(torch.cat([self.first.expand(len(x), -1, -1), x], 1))
        return self.fc(self.mix(x.mT).mT.relu()[:, 0])


def test_a_grid_that_cannot_be_inferred_must_be_named(make_images: MakeImages) -> None:
    images = make_images(2, 1, 16, 24)
    for before in (0, 1):
        model = Unfolds((8, 8), 6, before=before)
        assert GradCAM()(model, images, Class(0)).attribution.shape == (2, 1, 2, 3)
    model = Unfolds((4, 8), 12, before=2)
    for layer in (None, "norm"):
        with pytest.raises(ShapeError, match=r"cannot tell how 14 tokens lie in images of \(16, 24\); .*grid="):
            GradCAM(layer)(model, images, Class(0))
        explanation = HiResCAM(layer, grid=(4, 3))(model, images, Class(0))
        features, gradient = features_and_gradient(model, images, "norm", 0)
        expected = (features * gradient).sum(2)[:, 2:].view(2, 4, 3)
        torch.testing.assert_close(explanation.attribution[:, 0], expected)


@pytest.mark.parametrize("method", METHODS)
def test_a_loss_on_the_map_of_a_transformer_trains_it(
    vit: nn.Module, timm_vit: Callable[..., nn.Module], make_images: MakeImages, method: type[Explainer]
) -> None:
    images = make_images(1, 3, 32, 32)
    for model, name in ((vit, "conv_proj"), (timm_vit(qk_norm=True), "patch_embed.proj")):
        weight = model.get_submodule(name).weight

        def loss(model: nn.Module = model) -> Tensor:
            return upsample_to(method(rectify=False)(model, images, Class(0)).attribution, (8, 8)).square().sum()

        (gradient,) = torch.autograd.grad(loss(), weight)
        direction = torch.randn(weight.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        with torch.no_grad():
            weight.add_(direction, alpha=1e-6)
            above = loss()
            weight.sub_(direction, alpha=2e-6)
            slope = (above - loss()) / 2e-6
        assert slope != 0
        torch.testing.assert_close((gradient * direction).sum(), slope, rtol=1e-4, atol=1e-9)


class Encodes(nn.Module):
    """The encoder of torch itself, on patches of a signal, an image or a volume."""

    def __init__(self, dimensions: int, *, class_token: bool) -> None:
        super().__init__()
        self.embed = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dimensions - 1](1, 8, 4, 4)
        self.first = nn.Parameter(torch.randn(1, int(class_token), 8))
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.encoder, self.fc = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), nn.Linear(8, 3)
        self.requires_grad_(False).double().eval()  # frozen, as for the fast path

    def forward(self, images: Tensor) -> Tensor:
        x = torch.cat([self.first.expand(len(images), -1, -1), self.embed(images).flatten(2).mT], 1)
        x = self.encoder(x)
        return self.fc(x[:, 0] if self.first.numel() else x.mean(1))


@pytest.mark.parametrize("class_token", [False, True])
@pytest.mark.parametrize("sides", [(20,), (8, 12), (8, 4, 12)])
def test_the_encoder_of_torch_does_not_take_its_fast_path(
    make_images: MakeImages, sides: tuple[int, ...], class_token: bool
) -> None:
    model, images = Encodes(len(sides), class_token=class_token), make_images(2, 1, *sides)
    with torch.no_grad():
        explanation = HiResCAM()(model, images, EveryClass())
        torch.testing.assert_close(explanation.logits, model(images))
    assert explanation.attribution.shape == (2, 3, 1, *(side // 4 for side in sides))
    if class_token:  # it is normalised behind the attention, so the last one reads what the layer before gives
        by_name = HiResCAM("encoder.layers.0")(model, images, EveryClass())
        torch.testing.assert_close(explanation.attribution, by_name.attribution.detach())
        assert explanation.attribution.any()
    else:
        torch.testing.assert_close(explanation.attribution.flatten(2).sum(2) + model.fc.bias, explanation.logits)
