"""Weights in and out of models: files of ours, of torchvision, timm or MONAI, or of somebody's training run."""

import hashlib
import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from sightline.errors import DataError, DataNotFoundError
from sightline.runs import atomic_path

_WRAPPERS = ("module.", "_orig_mod.")  # of DistributedDataParallel and torch.compile
_SPELLINGS = (  # of the same layers by others, and ours
    (re.compile(r"(denselayer\d+\.(?:norm|conv))\.(?=[12]\.)"), r"\1"),  # torchvision's published DenseNets
    (re.compile(r"(denselayer\d+)\.layers\."), r"\1."),  # MONAI's DenseNet
    (re.compile(r"^class_layers\.out\."), "classifier."),
    (re.compile(r"^pre_logits\.fc1\."), "classifier.0."),  # timm's VGG, whose head is of convolutions
    (re.compile(r"^pre_logits\.fc2\."), "classifier.3."),
    (re.compile(r"^head\.fc\."), "classifier.6."),
)


@dataclass(frozen=True)
class LoadedWeights:
    """What `load_weights` did.

    Attributes:
        sha256: fingerprint of the file, 64 hexadecimal digits.
        kept: state-dict names that stayed as initialised, because the head of the file is of another size or missing.
        summed: state-dict names whose input channels were summed, for a model of grey images.
    """

    sha256: str
    kept: tuple[str, ...]
    summed: tuple[str, ...]


def load_weights(model: nn.Module, path: Path) -> LoadedWeights:
    """Copy the weights in `path` into `model`; either all that fit are copied or, on an error, none.

    Two differences are allowed, and reported. The head (the last layer with a weight matrix) stays as initialised when
    the file has none or one of another size. The first convolution of a model with one input channel gets the sum over
    the channels of the file: it answers a grey image as the file's model answers that image repeated in every channel.

    Args:
        model: where to; its device and dtype stay.
        path: safetensors file (`.safetensors`), or a file of `torch.save` that can be read with `weights_only=True`: a
            state dict, bare or under the key `state_dict` or `model`.

    Returns:
        Fingerprint of the file, and what was not taken as it is.

    Raises:
        DataNotFoundError: `path` is not a file.
        DataError: it cannot be read as weights, or is of another model.
    """
    own = _state(model)
    tensors = {name: _flat(tensor, own.get(name)) for name, tensor in _read(path, own).items()}
    summed = _sum_channels(model, own, tensors)
    head = _head(model)
    kept = tuple(name for name in own if name.rpartition(".")[0] == head)
    if all(name in tensors and tensors[name].shape == own[name].shape for name in kept):
        kept = ()
    missing = [n for n in own if n not in tensors and n not in kept and not n.endswith("num_batches_tracked")]
    unknown = [name for name in tensors if name not in own]
    misshapen = [
        f"{name} {tuple(tensor.shape)} instead of {tuple(own[name].shape)}"
        for name, tensor in tensors.items()
        if name in own and name not in kept and tensor.shape != own[name].shape
    ]
    problems = [_some("missing", missing), _some("unknown", unknown), _some("of another shape", misshapen)]
    if any(problems) or len(kept) == len(own):
        what = "; ".join(filter(None, problems)) or "not one tensor fits"
        raise DataError(
            f"weights {path} do not fit {type(model).__name__}: {what}; choose the model they were made with"
        )
    model.load_state_dict({n: t for n, t in tensors.items() if n not in kept}, strict=False)
    return LoadedWeights(hashlib.sha256(path.read_bytes()).hexdigest(), kept, summed)


def save_weights(model: nn.Module | Mapping[str, Any], path: Path) -> None:
    """Write the state dict of `model` to `path` as safetensors, atomically.

    Args:
        model: where from, or its state dict; left as it is.
        path: file to write or replace, by convention `*.safetensors`.
    """
    tensors = {  # copies: safetensors refuses tensors that share memory
        name: value.detach().to("cpu", copy=True).contiguous() for name, value in _state(model).items()
    }
    with atomic_path(path) as temporary:
        safetensors.torch.save_file(tensors, temporary, metadata={"format": "pt"})


def _state(model: nn.Module | Mapping[str, Any]) -> dict[str, Tensor]:
    state = model.state_dict() if isinstance(model, nn.Module) else model
    return {name: value for name, value in state.items() if isinstance(value, Tensor)}  # no `_extra_state`


def _read(path: Path, own: Container[str]) -> dict[str, Tensor]:
    """Read the tensors of a weights file by state-dict name, wrappers removed and others' spellings made ours."""
    if not path.is_file():
        raise DataNotFoundError(f"weights file {path} does not exist")
    try:
        value: Any
        if path.suffix == ".safetensors":
            value = safetensors.torch.load_file(path)
        else:
            value = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # the two readers raise a dozen kinds for a file that is not theirs
        raise DataError(
            f"weights file {path} cannot be read ({type(error).__name__}); give a safetensors file, or a state dict "
            "saved by torch.save that holds tensors alone"
        ) from error
    for key in ("state_dict", "model"):
        if isinstance(value, dict) and isinstance(value.get(key), dict):
            value = value[key]
    if not isinstance(value, dict) or not value or not all(isinstance(tensor, Tensor) for tensor in value.values()):
        raise DataError(f"weights file {path} holds no state dict; save model.state_dict(), not the model")
    for prefix in _WRAPPERS:
        if all(name.startswith(prefix) for name in value):
            value = {name.removeprefix(prefix): tensor for name, tensor in value.items()}
    return {name if name in own else _ours(name): tensor for name, tensor in value.items()}


def _ours(name: str) -> str:
    for spelling, ours in _SPELLINGS:
        name = spelling.sub(ours, name)
    return name


def _flat(tensor: Tensor, own: Tensor | None) -> Tensor:
    """Read a convolution over all places as the fully connected layer that it is."""
    fits = own is not None and own.dim() == 2 < tensor.dim() and tensor.numel() == own.numel()
    return tensor.flatten(1) if fits else tensor


def _sum_channels(model: nn.Module, own: dict[str, Tensor], tensors: dict[str, Tensor]) -> tuple[str, ...]:
    """Sum the first convolution in `tensors` over its input channels where `model` has one; return its name."""
    convolutions = ((n, m) for n, m in model.named_modules() if isinstance(m, nn.Conv1d | nn.Conv2d | nn.Conv3d))
    module, first = next(convolutions, ("", None))
    name = f"{module}.weight".removeprefix(".")
    if first is None or first.in_channels != 1 or name not in own or name not in tensors:
        return ()
    tensor = tensors[name]
    if tensor.dim() != first.weight.dim() or tensor.shape[1] == 1:
        return ()
    tensors[name] = tensor.sum(1, keepdim=True)
    return (name,)


def _head(model: nn.Module) -> str:
    """Return the name of the last module, in order of registration, with a weight of two axes or more."""
    names = [n for n, m in model.named_modules() if isinstance(w := getattr(m, "weight", None), Tensor) and w.dim() > 1]
    return names[-1] if names else ""


def _some(what: str, names: Sequence[str]) -> str:
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return f"{len(names)} {what} ({shown})" if names else ""
