"""Vision transformers, 2-D and 3-D, with timm's state-dict keys.

Attention is torch's own function, so its rules apply and attention rollout finds its matrices; the tokens lie in the
image as the grid of the patch embedding, so Grad-CAM finds them, at `blocks.<last>.norm1`: behind the last attention
the class token alone is read.

Reference:
    Dosovitskiy et al. 2021, arXiv:2010.11929 (table 1: base, large); Touvron et al. 2021, arXiv:2012.12877 (table 1:
    tiny, small).
"""

from collections import OrderedDict
from typing import Unpack

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.errors import SettingsError, ShapeError
from sightline.models.layers import ModelOptions, layers_for

_HEAD = 64  # features of each attention head
_EPS = 1e-6  # of the layer normalisations


class _PatchEmbedding(nn.Module):
    def __init__(self, channels: int, width: int, patch: int, dimensions: int) -> None:
        super().__init__()
        self.proj = layers_for(dimensions).conv(channels, width, patch, stride=patch)

    def forward(self, images: Tensor) -> Tensor:
        places: Tensor = self.proj(images)
        return places


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        n, t, width = tokens.shape
        qkv = self.qkv(tokens).reshape(n, t, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        query, key, value = qkv.unbind(0)  # (N, heads, T, width / heads)
        seen = F.scaled_dot_product_attention(query, key, value)
        result: Tensor = self.proj(seen.transpose(1, 2).reshape(n, t, width))
        return result


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=_EPS)
        self.attn = _Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=_EPS)
        self.mlp = nn.Sequential(
            OrderedDict(fc1=nn.Linear(width, 4 * width), act=nn.GELU(), fc2=nn.Linear(4 * width, width))
        )

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attn(self.norm1(tokens))
        result: Tensor = tokens + self.mlp(self.norm2(tokens))
        return result


class VisionTransformerOptions(ModelOptions, total=False):
    """Options of every ViT, those of `ModelOptions` among them; see `VisionTransformer`."""

    depth: int
    heads: int | None
    patch: int
    image_size: int


class VisionTransformer(nn.Module):
    """Transformer over patches of the image, read at a class token: images `(N, C, *S)` to logits `(N, K)`.

    Images may have another size than `image_size`: the position embeddings are interpolated (cubically in 2-D, linearly
    in 3-D), so weights need no conversion either.

    Args:
        num_classes: K.
        depth: number of blocks.
        heads: attention heads of a block; one for 64 features when None, as published.
        patch: pixels along each side of a patch.
        image_size: pixels along each side of the images whose grid the position embeddings have.
        in_channels: C.
        dimensions: number of spatial axes, 2 or 3.
        dropout: chance that a feature is dropped before the last layer.
        width: features of a token.

    Raises:
        SettingsError: `dimensions` is neither 2 nor 3, `heads` does not divide `width`, or `patch` not `image_size`.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        depth: int = 12,
        heads: int | None = None,
        patch: int = 16,
        image_size: int = 224,
        in_channels: int = 3,
        dimensions: int = 2,
        dropout: float = 0.0,
        width: int = 768,
    ) -> None:
        super().__init__()
        heads = max(1, width // _HEAD) if heads is None else heads
        if heads < 1 or width % heads:
            raise SettingsError(f"heads must divide the width {width}, got {heads}")
        if patch < 1 or image_size < patch or image_size % patch:
            raise SettingsError(f"patch must divide the image_size {image_size}, got {patch}")
        self.patch, self.grid = patch, (image_size // patch,) * dimensions
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + self.grid[0] ** dimensions, width))
        self.patch_embed = _PatchEmbedding(in_channels, width, patch, dimensions)
        self.blocks = nn.Sequential(*(_Block(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=_EPS)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, num_classes)
        self._initialise()

    def _initialise(self) -> None:
        nn.init.normal_(self.cls_token, std=1e-6)
        nn.init.trunc_normal_(self.pos_embed, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits `(N, K)` of `images` `(N, C, *S)`, whole patches along each axis.

        Raises:
            ShapeError: a side of the images is no multiple of the patch.
        """
        tokens: Tensor = self.norm(self.blocks(self._embed(images)))
        logits: Tensor = self.head(self.dropout(tokens[:, 0]))
        return logits

    def _embed(self, images: Tensor) -> Tensor:
        """Class token and patches, each with its position, `(N, 1 + T, width)`."""
        if any(side % self.patch for side in images.shape[2:]):
            size = tuple(images.shape[2:])
            raise ShapeError(f"images must have sides that are multiples of the patch {self.patch}, got {size}")
        places = self.patch_embed(images)  # (N, width, *grid)
        patches = places.flatten(2).transpose(1, 2)
        class_token = self.cls_token.expand(len(images), -1, -1)
        return torch.cat((class_token, patches), 1) + self._positions(tuple(places.shape[2:]))

    def _positions(self, grid: tuple[int, ...]) -> Tensor:
        """Position embeddings of a grid of patches, `(1, 1 + T, width)`."""
        if grid == self.grid:
            return self.pos_embed
        own, places = self.pos_embed[:, :1], self.pos_embed[:, 1:]
        maps = places.transpose(1, 2).reshape(1, -1, *self.grid)
        if len(grid) == 2:
            maps = F.interpolate(maps, size=grid, mode="bicubic", antialias=True)
        else:
            maps = F.interpolate(maps, size=grid, mode="trilinear")
        return torch.cat((own, maps.flatten(2).transpose(1, 2)), 1)


def vit_tiny(num_classes: int, **options: Unpack[VisionTransformerOptions]) -> VisionTransformer:
    """ViT-Ti, 192 features; options as of `VisionTransformer`."""
    options.setdefault("width", 192)
    return VisionTransformer(num_classes, **options)


def vit_small(num_classes: int, **options: Unpack[VisionTransformerOptions]) -> VisionTransformer:
    """ViT-S, 384 features; options as of `VisionTransformer`."""
    options.setdefault("width", 384)
    return VisionTransformer(num_classes, **options)


def vit_base(num_classes: int, **options: Unpack[VisionTransformerOptions]) -> VisionTransformer:
    """ViT-B, 768 features; options as of `VisionTransformer`."""
    options.setdefault("width", 768)
    return VisionTransformer(num_classes, **options)


def vit_large(num_classes: int, **options: Unpack[VisionTransformerOptions]) -> VisionTransformer:
    """ViT-L, 1024 features, 24 blocks; options as of `VisionTransformer`."""
    options.setdefault("width", 1024)
    options.setdefault("depth", 24)
    return VisionTransformer(num_classes, **options)
