"""Maps carried back from what the model sees to the pixels of the source, as its files store them.

Forwards an image is turned upright, padded to a square, and resized (`sightline.data.prepared`); a volume is turned to
slices from head to feet, resampled, and padded or cut to a shape (`sightline.data.volume_input`). Here the same steps
are undone in the other order, each by its own inverse, so that a place of the source comes back to itself. Between
pixels a map is interpolated along straight lines, and averaged where it shrinks, over the same extents as the image
was. Values stay what they are, relevance a pixel of the model's input: the sum over the source is another one. What the
model was not shown, such as the cut ends of a volume, is 0.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from sightline.data import Preprocessing
from sightline.data.readers.series import ordered_planes
from sightline.data.readers.upright import Turn, turn_of
from sightline.data.readers.volume import reorient
from sightline.data.volume_input import VolumeInput
from sightline.errors import ShapeError
from sightline.regions.masks import resize_region
from sightline.reporting.dicom.source import Source

Floats = NDArray[np.float32]
_PROBE = (2, 3, 4)  # three lengths that tell axes apart


def place_map(drawn: Floats, source: Source, seen: Preprocessing | VolumeInput) -> Floats:
    """Carry a map back to the pixels of its source.

    Args:
        drawn: at the size of the model's input, `(S, S)`, or `(D, H, W)` of a volume.
        source: what it is of.
        seen: how the source became the model's input, when it came in order, as in evaluation.

    Returns:
        `(frames, rows, columns)` float32, in the order of the source's headers.

    Raises:
        ShapeError: the map is not of the size that the model's input has.
    """
    expected = seen.shape if isinstance(seen, VolumeInput) else (seen.size, seen.size)
    if drawn.shape != tuple(expected):
        raise ShapeError(f"a map of {source.name} must be {tuple(expected)}, got {drawn.shape}")
    if isinstance(seen, VolumeInput):
        return _placed_volume(drawn, source, seen)
    return place_image(drawn, source.shape[1:], turn_of(source.first), pad=seen.pad_to_square != "never")[None]


def place_image(drawn: Floats, shape: tuple[int, int], turn: Turn, *, pad: bool) -> Floats:
    """Undo resizing, padding and turning of an image.

    Args:
        drawn: `(S, S)`.
        shape: rows and columns of the source as stored.
        turn: what put it upright.
        pad: whether it was padded to a square.

    Returns:
        `shape`, float32.
    """
    height, width = shape[::-1] if turn.transpose else shape
    side = max(height, width)
    square = _resized(drawn, (side, side) if pad else (height, width))
    if pad:
        top, left = (side - height) // 2, (side - width) // 2
        square = square[top : top + height, left : left + width]
    return turned_back(square, turn)


def turned_back(pixels: NDArray[Any], turn: Turn) -> NDArray[Any]:
    """Undo `Turn.apply` of `(H, W)` pixels."""
    pixels = pixels[:, ::-1] if turn.flip_columns else pixels
    pixels = pixels[::-1] if turn.flip_rows else pixels
    return np.ascontiguousarray(pixels.T if turn.transpose else pixels)


def unfit(volume: NDArray[Any], shape: Sequence[int]) -> NDArray[Any]:
    """Undo `volume_input.fit`: cut the padding off, and put 0 where ends had been cut."""
    full = np.zeros(tuple(shape), volume.dtype)
    inner, outer = [], []
    for have, want in zip(shape, volume.shape, strict=True):
        padded, cut = max(want - have, 0) // 2, max(have - want, 0) // 2
        length = min(have, want)
        inner.append(slice(padded, padded + length))
        outer.append(slice(cut, cut + length))
    full[tuple(outer)] = volume[tuple(inner)]
    return full


def reoriented_back(volume: NDArray[Any], affine: NDArray[Any]) -> NDArray[Any]:
    """Undo `reorient`: `(D, H, W)` to axes that lead as `affine` says."""
    turned, _ = reorient(np.arange(np.prod(_PROBE)).reshape(_PROBE), affine)
    order = [_PROBE.index(length) for length in turned.shape]
    corner = np.unravel_index(int(turned[0, 0, 0]), _PROBE)
    flipped = tuple(axis for axis, along in enumerate(order) if corner[along] != 0)
    return np.ascontiguousarray(np.flip(volume, flipped).transpose(np.argsort(order)))


def _placed_volume(drawn: Floats, source: Source, seen: VolumeInput) -> Floats:
    _, affine = ordered_planes(source.path, name=source.name)
    turned, upright = reorient(np.empty(source.shape, bool), affine)
    shape, have = turned.shape, np.linalg.norm(upright[:3, :3], axis=0)
    if seen.spacing_mm is None:
        return reoriented_back(unfit(drawn, shape), affine)
    # as many voxels as volume_input resamples to
    size = [max(round(n * float(h) / w), 1) for n, h, w in zip(shape, have, seen.spacing_mm, strict=True)]
    volume = torch.from_numpy(unfit(drawn, size))
    covered = _averaged(volume, [min(new, old) for new, old in zip(shape, size, strict=True)])
    finer = F.interpolate(covered[None, None], size=shape, mode="trilinear", align_corners=False)[0, 0]
    return reoriented_back(finer.numpy(), affine)


def _averaged(volume: Tensor, size: Sequence[int]) -> Tensor:
    """Return the means of what each new voxel covers; `resize_region` is for [0, 1], and its weights add up to 1."""
    low, high = float(volume.min()), float(volume.max())
    if low == high or list(volume.shape) == list(size):
        return volume.new_full(tuple(size), low) if low == high else volume
    return resize_region((volume - low) / (high - low), size) * (high - low) + low


def _resized(drawn: Floats, target: tuple[int, int]) -> Floats:
    if drawn.shape == target:
        return drawn
    picture = Image.fromarray(np.ascontiguousarray(drawn, np.float32))
    return np.asarray(picture.resize(target[::-1], Image.Resampling.BILINEAR), np.float32)
