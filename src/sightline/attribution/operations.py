"""What torch's functions are to an explanation: linear, a product, an activation, a gate, or unknown."""

from collections.abc import Callable, Iterable
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from sightline.attribution.rules.concatenation import concatenate


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Maps that are linear in the one operand that depends on the images: their transpose is their gradient. Max pooling is
# here because winner-takes-all is its gradient, and its soft form logsumexp because its gradient is a mean. Names are
# without the underscores that mark a method or in-place twin.
LINEAR = _words(
    """
    add radd iadd sub rsub isub subtract neg positive cat concat concatenate stack hstack vstack dstack
    sum mean view view_as reshape reshape_as flatten unflatten ravel squeeze unsqueeze permute transpose swapaxes
    swapdims movedim moveaxis t T mT H mH real adjoint contiguous clone to type type_as float double half bfloat16 cpu
    cuda expand expand_as broadcast_to repeat repeat_interleave tile chunk split split_with_sizes tensor_split unbind
    getitem setitem index_select gather take_along_dim narrow select slice diagonal roll flip rot90 pad constant_pad_nd
    unfold fold interpolate upsample pixel_shuffle pixel_unshuffle channel_shuffle copy masked_fill where
    avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d
    max_pool1d max_pool2d max_pool3d max_pool1d_with_indices max_pool2d_with_indices max_pool3d_with_indices
    adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d adaptive_max_pool1d_with_indices
    adaptive_max_pool2d_with_indices adaptive_max_pool3d_with_indices amax logsumexp
    dropout dropout1d dropout2d dropout3d feature_dropout alpha_dropout stochastic_depth
    detach requires_grad retain_grad register_hook
    """
)
# Of the second operand they read nothing but its shape or type
SHAPED_AS = _words("view_as reshape_as expand_as type_as")
# Linear in each operand
BILINEAR = _words(
    """
    conv1d conv2d conv3d convolution conv_transpose1d conv_transpose2d conv_transpose3d linear
    mul rmul imul multiply matmul rmatmul mm bmm addmm addbmm baddbmm einsum tensordot mv dot inner bilinear
    """
)
ELEMENTWISE = _words("mul rmul imul multiply")
# What they make of a gate is a gate
KEEP_GATE = LINEAR | ELEMENTWISE
# Products of activations whose relevance is shared between the two
PRODUCTS = ELEMENTWISE | _words("matmul rmatmul bmm einsum")
# Linear in what is divided
QUOTIENT = _words("div idiv truediv itruediv divide true_divide")
# Between 0 and 1: what they multiply is the signal, and they are its gate; passed by their gradient
GATES = _words("sigmoid hardsigmoid softmax")
# Never below 0
NONNEGATIVE = _words("relu relu6 hardsigmoid sigmoid softmax abs square exp softplus")
# Not below 0 where nothing that they read is
KEEP_NONNEGATIVE = _words(
    """
    cat concat concatenate stack sum mean view view_as reshape flatten squeeze unsqueeze permute transpose movedim
    contiguous clone to float double half bfloat16 expand chunk split unbind getitem index_select narrow select
    avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d
    max_pool1d max_pool2d max_pool3d adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d
    dropout dropout1d dropout2d dropout3d
    """
)
# The same values in the same or another layout: what is still "the images" for the input rule
IMAGE_KEEPING = _words("contiguous clone to type float double half bfloat16 cpu cuda flatten reshape view")
CONVOLUTIONS = _words("conv1d conv2d conv3d")
# Layers with weights, which a composite gives its rules
LAYERS = CONVOLUTIONS | _words("linear conv_transpose1d conv_transpose2d conv_transpose3d")
NORMALISATIONS = _words("layer_norm group_norm instance_norm rms_norm normalize")


def _hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:  # noqa: A002 - torch's name
    y = F.relu6(input + 3) / 6
    return input.copy_(y) if inplace else y


# What torch cannot differentiate twice, or only slowly
TWICE_DIFFERENTIABLE: dict[str, Callable[..., Any]] = {
    "hardsigmoid": _hardsigmoid,
    **dict.fromkeys(("cat", "concat", "concatenate"), concatenate),
}


def name_of(func: Callable[..., Any]) -> str:
    """Name of a function, method or property."""
    name: str = getattr(func, "__name__", str(func))
    if name == "__get__":  # a property such as x.T: the descriptor knows its own name
        name = getattr(getattr(func, "__self__", None), "__name__", name)
    return name


def writes_in_place(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether an activation or product writes its result over its first operand."""
    if name.endswith("__"):
        return name in ("__imul__", "__itruediv__", "__idiv__")
    return name.endswith("_") or kwargs.get("inplace") is True or any(value is True for value in args)


_SEQUENCES = (list, tuple)  # a union would be made at each look


def tensors_in(value: Any) -> list[Tensor]:  # noqa: ANN401 - arguments or results of any function
    """All tensors among arguments or results, in order."""
    found: list[Tensor] = []
    _collect((value,), found)
    return found


def _collect(values: Iterable[Any], found: list[Tensor]) -> None:
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, _SEQUENCES):
            _collect(value, found)
        elif isinstance(value, dict):
            _collect(value.values(), found)


def replaced(value: Any, changes: Callable[[Tensor], Tensor]) -> Any:  # noqa: ANN401 - as above
    """The same arguments with each tensor changed."""
    if isinstance(value, Tensor):
        return changes(value)
    if isinstance(value, dict):
        return {key: replaced(item, changes) for key, item in value.items()}
    return type(value)(replaced(item, changes) for item in value) if type(value) in (list, tuple) else value
