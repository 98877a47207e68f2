"""Attention matrices of a forward pass, caught on the graph without a hook on any module.

The interception takes `scaled_dot_product_attention` and `nn.MultiheadAttention` apart. What is left to look for, there
as in attention written by hand, is a softmax over the last axis whose values multiply something.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import Node
from torch.overrides import TorchFunctionMode

from sightline.attribution.by_tensor import ByTensor
from sightline.attribution.graph import reaches
from sightline.attribution.operations import ELEMENTWISE, PRODUCTS, name_of, tensors_in
from sightline.errors import SightlineError, UnsupportedOperationError


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Names are without the underscores that mark a method or in-place twin
_KEEPING = _words(
    """
    dropout dropout1d dropout2d dropout3d feature_dropout contiguous clone to type type_as float double half bfloat16
    view reshape flatten unflatten squeeze unsqueeze expand permute transpose swapaxes movedim T mT masked_fill
    nan_to_num
    """
)
_FUSED = _words("scaled_dot_product_attention multi_head_attention_forward")
_INSTEAD = "explain it with LRP or GradCAM"


class AttentionCatch(TorchFunctionMode):
    """Keeps the attention matrices of a forward pass, as the softmax gave them, before dropout.

    To be entered before the `Interception`, which takes fused attention apart.
    """

    def __init__(self) -> None:
        super().__init__()
        self._found: list[Tensor] = []
        self._fused: list[Tensor] = []  # what attention gave that was not taken apart
        self._softmax: ByTensor[Tensor] = ByTensor()  # tensor -> the softmax whose values it holds

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever the function returns
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        with torch._C.DisableTorchFunction():  # other modes need not see what is looked at here
            name = name_of(func).strip("_")
            if name == "softmax" and result.ndim > 2:
                if kwargs.get("dim", args[1] if len(args) > 1 else None) in (-1, result.ndim - 1):
                    self._softmax[result] = result
            elif name in _FUSED:
                self._fused += tensors_in(result)[:1]
            elif name in _KEEPING | PRODUCTS - ELEMENTWISE:
                self._follow(name, tensors_in((args, kwargs)), result)
        return result

    def _follow(self, name: str, operands: list[Tensor], result: Tensor) -> None:
        held = [self._softmax.get(operand) for operand in operands]
        if name in _KEEPING:
            if held and held[0] is not None:
                self._softmax[result] = held[0]
        elif len(operands) > 1:
            self._found += [a for a in held if a is not None and all(a is not other for other in self._found)]

    def between(self, root: Node | None, end: Node | None) -> list[Tensor]:
        """Return the matrices on the way from what `root` made to what `end` made, in the order of their use.

        Raises:
            UnsupportedOperationError: the model has no attention, or one that could not be taken apart.
            SightlineError: what `end` made depends on none.
        """

        def between(tensor: Tensor) -> bool:
            node = tensor.grad_fn
            if root is None or end is None or node is None:
                return False
            return reaches(node, [root]) and reaches(end, [node])

        if any(between(tensor) for tensor in self._fused):
            raise UnsupportedOperationError(
                f"attention rollout cannot follow attention to keys that are no tokens, as add_bias_kv and "
                f"add_zero_attn make them; {_INSTEAD}"
            )
        if not self._found and not self._fused:
            raise UnsupportedOperationError(
                f"attention rollout needs a model with attention, but no softmax of this one multiplies values; "
                f"{_INSTEAD}"
            )
        found = [matrices for matrices in self._found if between(matrices)]
        if not found:
            raise SightlineError(
                "the logits do not depend on any attention by a path that can be differentiated; "
                "let the model neither detach its features nor run under torch.no_grad()"
            )
        return found


def count_tokens(layers: list[Tensor], batch: int) -> int:
    """Return the number of tokens, which is the same in all layers.

    Args:
        layers: attention matrices, one tensor a layer.
        batch: number of images.

    Raises:
        UnsupportedOperationError: it is not the same, or queries and keys are not the same tokens of an image.
    """
    tokens = layers[0].shape[-1]
    shapes = dict.fromkeys(tuple(layer.shape) for layer in layers)
    for shape in shapes:
        whole = shape[0] == batch if len(shape) == 4 else len(shape) == 3 and shape[0] % max(batch, 1) == 0
        if not whole or shape[-2:] != (tokens, tokens):
            raise UnsupportedOperationError(
                f"attention rollout is defined for attention among the same T tokens in all layers, "
                f"({batch}, heads, T, T), and not for windows or a changing number of tokens, "
                f"got {', '.join(map(str, shapes))}; {_INSTEAD}"
            )
    return tokens


def by_head(matrices: Tensor, batch: int) -> Tensor:
    """Bring attention matrices, or their gradient, from `(N * heads, T, T)` to `(N, heads, T, T)` if they are not."""
    return matrices if matrices.ndim == 4 else matrices.view(batch, len(matrices) // max(batch, 1), *matrices.shape[1:])
