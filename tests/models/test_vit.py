from collections.abc import Callable
from types import ModuleType

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.attribution import LRP, AttentionRollout, Class, GradCAM
from sightline.errors import SettingsError, ShapeError
from sightline.models import vit
from sightline.models.vit import VisionTransformer, vit_small

# parameters, entries of the state dict, digest of its names and shapes: of timm 1.0 with 1000 classes
TIMM = {
    "vit_tiny": (5717416, 152, "1d65166950a30e9c"),
    "vit_small": (22050664, 152, "fbab3dc48cc8b516"),
    "vit_base": (86567656, 152, "44990fd9c1aa1a7d"),
    "vit_large": (304326632, 296, "164da55853fc8108"),
}
SMALL = {"depth": 2, "heads": 2, "image_size": 64, "width": 8}


@pytest.mark.parametrize("name", TIMM)
def test_state_dict_has_timms_names_and_shapes(name: str, fingerprint: Callable[[nn.Module], str]) -> None:
    with torch.device("meta"):
        model = getattr(vit, name)(1000)
    parameters = sum(p.numel() for p in model.parameters())
    assert (parameters, len(model.state_dict()), fingerprint(model)) == TIMM[name]


@torch.no_grad()
@pytest.mark.parametrize("size", [(64, 64), (96, 96), (32, 48)])
def test_logits_are_timms_at_every_size(size: tuple[int, ...], timm: ModuleType) -> None:
    theirs = timm.models.VisionTransformer(
        img_size=64, embed_dim=8, depth=2, num_heads=2, num_classes=4, dynamic_img_size=True
    ).eval()
    for parameter in theirs.parameters():
        parameter.uniform_(-0.5, 0.5)
    ours = VisionTransformer(4, **SMALL).eval()
    ours.load_state_dict(theirs.state_dict())
    images = torch.rand(2, 3, *size)
    torch.testing.assert_close(ours(images), theirs(images))


@torch.no_grad()
def test_logits_are_the_paper_written_out(images: Tensor, randomise: Callable[[nn.Module], None]) -> None:
    model = VisionTransformer(4, **SMALL).double().eval()
    randomise(model)
    state = model.state_dict()

    def linear(x: Tensor, name: str) -> Tensor:
        return x @ state[f"{name}.weight"].T + state[f"{name}.bias"]

    def norm(x: Tensor, name: str) -> Tensor:
        x = (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, correction=0) + 1e-6).sqrt()
        return x * state[f"{name}.weight"] + state[f"{name}.bias"]

    patches = F.unfold(images.double(), 16, stride=16).mT  # (N, 16, 3 * 16 * 16)
    kernel = state["patch_embed.proj.weight"].flatten(1)
    x = torch.cat((state["cls_token"].expand(2, -1, -1), patches @ kernel.T + state["patch_embed.proj.bias"]), 1)
    x = x + state["pos_embed"]
    for block in ("blocks.0", "blocks.1"):
        heads = [
            (q @ k.mT / 2).softmax(-1) @ v  # the root of the 4 features of each head
            for q, k, v in zip(
                *(part.split(4, -1) for part in linear(norm(x, f"{block}.norm1"), f"{block}.attn.qkv").split(8, -1)),
                strict=True,
            )
        ]
        x = x + linear(torch.cat(heads, -1), f"{block}.attn.proj")
        x = x + linear(F.gelu(linear(norm(x, f"{block}.norm2"), f"{block}.mlp.fc1")), f"{block}.mlp.fc2")
    torch.testing.assert_close(model(images.double()), linear(norm(x, "norm")[:, 0], "head"))


@torch.no_grad()
def test_volumes_of_one_slice_of_patches_are_images(images: Tensor) -> None:
    flat = VisionTransformer(4, **SMALL).eval()
    deep = VisionTransformer(4, **SMALL, dimensions=3).eval()
    state = flat.state_dict()
    kernel = torch.zeros_like(deep.patch_embed.proj.weight)
    kernel[:, :, 5] = state["patch_embed.proj.weight"]
    grid = state["pos_embed"][:, 1:].repeat(1, 4, 1)
    position = torch.cat((state["pos_embed"][:, :1], grid), 1)
    deep.load_state_dict(state | {"patch_embed.proj.weight": kernel, "pos_embed": position})
    volumes = images.unsqueeze(2).expand(-1, -1, 16, -1, -1)
    torch.testing.assert_close(deep(volumes), flat(images), rtol=1e-4, atol=1e-5)


def test_grad_cam_is_drawn_at_what_the_last_attention_reads(images: Tensor) -> None:
    model = VisionTransformer(4, **SMALL).eval()
    found, named = (GradCAM(layer)(model, images, Class(1)).attribution for layer in (None, "blocks.1.norm1"))
    assert found.shape == (2, 1, 4, 4)
    assert found.any()
    torch.testing.assert_close(found, named)


@pytest.mark.parametrize("explainer", [LRP(), AttentionRollout()])
def test_the_rules_of_attention_apply_and_can_be_trained_through(
    explainer: LRP | AttentionRollout, images: Tensor
) -> None:
    model = VisionTransformer(4, **SMALL)
    explanation = explainer(model, images, Class(1))
    explanation.attribution.square().sum().backward()
    torch.testing.assert_close(explanation.logits, model(images))
    weight = model.blocks[0].attn.qkv.weight
    assert weight.grad is not None
    assert weight.grad.any()


def test_width_alone_gives_a_head_for_64_features() -> None:
    assert vit_small(3, width=128, depth=1).blocks[0].attn.heads == 2
    assert vit_small(3, width=16, depth=1).blocks[0].attn.heads == 1


def test_dropout_acts_on_what_the_last_layer_sees_and_in_training_only(images: Tensor) -> None:
    model = VisionTransformer(4, **SMALL, dropout=1.0)
    nn.init.constant_(model.head.bias, 7.0)
    assert (model(images) == 7).all()
    assert (model.eval()(images) != 7).any()


def test_wrong_sizes_are_named(images: Tensor) -> None:
    with pytest.raises(SettingsError, match="heads must divide the width 8, got 3"):
        VisionTransformer(4, width=8, heads=3)
    with pytest.raises(SettingsError, match="patch must divide the image_size 224, got 15"):
        VisionTransformer(4, patch=15)
    with pytest.raises(ShapeError, match=r"multiples of the patch 16, got \(64, 60\)"):
        VisionTransformer(4, **SMALL)(images[..., :60])
