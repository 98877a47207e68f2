"""Watches a forward pass for feature maps: tensors with channels and places, in whatever order of axes.

Which axis holds the channels is not guessed from sizes. Convolutions, poolings and normalisations of images say that it
is the second, linear layers and layer normalisation that it is the last, and views, sums and activations keep it.
"""

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from sightline.attribution.by_tensor import ByTensor
from sightline.attribution.cam.layout import Grid
from sightline.attribution.operations import name_of, tensors_in


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Names are without the underscores that mark a method or in-place twin
_CHANNELS_SECOND = _words(
    """
    conv1d conv2d conv3d convolution conv_transpose1d conv_transpose2d conv_transpose3d batch_norm instance_norm
    group_norm max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d
    adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d lp_pool1d
    lp_pool2d lp_pool3d interpolate upsample pixel_shuffle pixel_unshuffle
    """
)
_CHANNELS_LAST = _words("linear layer_norm rms_norm")
_CHANNELS_TOLD = _CHANNELS_SECOND | _CHANNELS_LAST
_NORMALISATIONS = _words("batch_norm instance_norm group_norm layer_norm rms_norm")
_COPIES = _words("clone contiguous")
_KEPT = 64  # feature maps held on to: those of the last few blocks


@dataclass(frozen=True)
class Candidate:
    """A tensor that may be the feature map to explain at.

    Attributes:
        tensor: as the model made it, on the graph.
        channels: axis of its channels.
        function: name of the function that made it.
    """

    tensor: Tensor
    channels: int
    function: str

    @property
    def normalised(self) -> bool:
        """Whether a normalisation made it."""
        return self.function in _NORMALISATIONS


class Watch(TorchFunctionMode):
    """Records the last feature maps of a forward pass, and what is called after the last one.

    Args:
        images: what the model will be called with, `(N, C, *S)`.

    Attributes:
        candidates: the last feature maps with more than one place, in the order in which they were made.
        grids: spatial sizes of the maps whose channels are the second axis.
        head: names of the functions that the last candidate went through.
    """

    def __init__(self, images: Tensor) -> None:
        super().__init__()
        self.candidates: deque[Candidate] = deque(maxlen=_KEPT)
        self.grids: dict[Grid, None] = {}  # a set that keeps its order
        self.head: list[str] = []
        self._images, self._size = images, tuple(images.shape[2:])
        self._channels: ByTensor[int] = ByTensor()  # tensor -> axis of its channels
        self._behind: ByTensor[int] = ByTensor()  # tensor -> number of the candidate that it was made from
        self._number = 0  # of the last candidate

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever the function returns
        result = func(*args, **(kwargs or {}))
        with torch._C.DisableTorchFunction():  # other modes need not see what is looked at here
            made = [tensor for tensor in tensors_in(result) if tensor.requires_grad]
            if made:
                name, operands = name_of(func).strip("_"), tensors_in((args, kwargs) if kwargs else args)
                self._note_read(name, operands)
                behind = self._number > 0 and any(self._behind.get(operand) == self._number for operand in operands)
                if behind:
                    self.head.append(name)
                for tensor in made:
                    if behind:
                        self._behind[tensor] = self._number
                    self._note(tensor, name, operands)
        return result

    def channels_of(self, tensor: Tensor) -> int:
        """Axis of the channels; where nothing told, the second axis of a map and the last one of tokens."""
        axis = self._known(tensor)
        if axis is not None:
            return axis
        return 1 if tensor.ndim == len(self._size) + 2 else tensor.ndim - 1

    def start_head(self, tensor: Tensor, channels: int, name: str) -> None:
        """Take a tensor as the last candidate so far."""
        self._channels[tensor] = channels
        self.candidates.append(Candidate(tensor, channels, name))
        self.head = []
        self._number += 1
        self._behind[tensor] = self._number

    def _known(self, tensor: Tensor) -> int | None:
        return self._channels.get(tensor)

    def _note_read(self, name: str, operands: list[Tensor]) -> None:
        """What reads a tensor tells where its channels are, too."""
        if name in _CHANNELS_TOLD and operands and operands[0].requires_grad:
            read = operands[0]
            if read.ndim > 2 and read is not self._images and read not in self._channels:
                self._take(read, 1 if name in _CHANNELS_SECOND else read.ndim - 1, "")

    def _note(self, tensor: Tensor, name: str, operands: list[Tensor]) -> None:
        channels = self._find_channels(tensor, name, operands)
        if channels is None:
            return
        if any(self._fits(operand, self._known(operand)) for operand in _the_same(tensor, name, operands)):
            self._channels[tensor] = channels  # that one is the candidate
        else:
            self._take(tensor, channels, name)

    def _take(self, tensor: Tensor, channels: int, name: str) -> None:
        self._channels[tensor] = channels
        if channels == 1 and tensor.ndim == len(self._size) + 2:
            self.grids[tuple(tensor.shape[2:])] = None
        if self._fits(tensor, channels):
            self.start_head(tensor, channels, name)

    def _find_channels(self, tensor: Tensor, name: str, operands: list[Tensor]) -> int | None:
        if tensor.ndim < 3:
            return None
        if name in _CHANNELS_SECOND:
            return 1
        for operand in operands:
            channels = self._known(operand)
            if channels is None:
                continue
            if _shares(tensor, operand):
                return _follow(channels, operand, tensor)
            if tensor.ndim == operand.ndim and _differing(tensor, operand) <= 1:
                return channels
        return tensor.ndim - 1 if name in _CHANNELS_LAST else None

    def _fits(self, tensor: Tensor, channels: int | None) -> bool:
        if channels is None:
            return False
        places = (*tensor.shape[1:channels], *tensor.shape[channels + 1 :])
        if tensor.shape[0] != self._images.shape[0] or len(places) not in (1, len(self._size)) or prod(places) < 2:
            return False
        if channels == 1 or len(places) == 1:
            return True
        scales = [side / count for side, count in zip(self._size, places, strict=True)]
        return bool(max(scales) <= 2 * min(scales))  # and not the heads and tokens of an attention


def _follow(channels: int, before: Tensor, view: Tensor) -> int | None:
    """Axis of a view that steps through the memory as the channels did."""
    step, count = before.stride(channels), before.shape[channels]
    axes = [axis for axis in range(1, view.ndim) if view.stride(axis) == step and view.shape[axis] == count]
    return axes[0] if len(axes) == 1 else None


def _the_same(tensor: Tensor, name: str, operands: list[Tensor]) -> list[Tensor]:
    """Operands that hold the same values, in the order of other axes."""
    return [a for a in operands if name in _COPIES or (_shares(tensor, a) and tensor.numel() == a.numel())]


def _shares(tensor: Tensor, operand: Tensor) -> bool:
    base = tensor._base
    return tensor is not operand and base is not None and (base is operand or base is operand._base)


def _differing(a: Tensor, b: Tensor) -> int:
    return sum(m != n for m, n in zip(a.shape, b.shape, strict=True))
