"""Models of others, as they are: by library and name, or by where they are defined.

Nothing is downloaded: weights are files that are there already, or random ones that were asked for.
"""

import importlib.util
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sightline.errors import DataError, MissingExtraError, SettingsError
from sightline.models.build import find_callable
from sightline.models.weights import load_weights

LIBRARIES = ("torchvision", "timm", "monai", "torchxrayvision")
_NAMES: Mapping[str, tuple[str, ...]] = {  # what libraries call the same keyword
    "outputs": ("num_classes", "out_channels", "n_classes"),
    "channels": ("in_channels", "in_chans", "n_input_channels"),
    "axes": ("spatial_dims", "dimensions"),
}


@dataclass(frozen=True)
class Wanted:
    """What a model is to be built for.

    Attributes:
        outputs: logits; None leaves the number that its author chose.
        channels: of the images.
        axes: spatial axes of the images.
    """

    outputs: int | None
    channels: int
    axes: int


def find_model(
    words: str, wanted: Wanted, *, weights: Path | None = None, random_weights: bool = False, seed: int = 0
) -> nn.Module:
    """Build a model that is named by its library, `timm:resnet18`, or by where it is defined, `package.module:name`.

    Of a library's model, and of a callable, keywords for the number of outputs, channels and axes are given what is
    wanted, if it has such keywords by name.

    Args:
        words: the name.
        wanted: what it is to be built for.
        weights: safetensors file or state dict of `torch.save`; all of the model's tensors must be in it.
        random_weights: take the initial weights, on purpose. What is found by a dotted path may have its own.
        seed: makes the initial weights.

    Raises:
        SettingsError: it cannot be found or built, or weights and random weights are both or neither given.
        MissingExtraError: its library is not installed, or not to be imported.
        DataError, DataNotFoundError: the weights cannot be used.
    """
    library, _, name = words.partition(":")
    known = library in LIBRARIES
    if weights is not None and random_weights:
        raise SettingsError("--weights and --random-weights exclude each other; give one")
    if known and weights is None and not random_weights:
        raise SettingsError(
            f"{words} has no weights, and none are downloaded: give a file with --weights, or say --random-weights"
        )
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        made = _of_library(library, name, wanted) if known else _of_path(words, wanted)
    if not isinstance(made, nn.Module):
        raise SettingsError(f"{words} must be a torch.nn.Module or return one, got {type(made).__name__}")
    if weights is not None:
        loaded = load_weights(made, weights)
        if loaded.kept:  # fine for a start of training, not for its end
            raise DataError(
                f"weights {weights} have no {', '.join(loaded.kept)} of this size; does {words} have other outputs? "
                "Say which of them are the classes with --outputs"
            )
    return made


def _of_library(library: str, name: str, wanted: Wanted) -> Any:  # noqa: ANN401 - checked by the caller
    package = _import(library, f"install it, as in: pip install {library}")
    outputs = {} if wanted.outputs is None else {"num_classes": wanted.outputs}
    try:
        if library == "torchvision":
            return package.models.get_model(name, weights=None, **outputs)
        if library == "timm" and package.is_model(name):  # of others it would ask the hub
            return package.create_model(name, pretrained=False, in_chans=wanted.channels, **outputs)
        place = {"monai": "monai.networks.nets", "torchxrayvision": "torchxrayvision.models"}.get(library)
        found = getattr(_import(place, f"install {library}"), name, None) if place else None
        if found is not None:
            return found(**_keywords(found, wanted))
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        raise SettingsError(f"{library}:{name} cannot be built: {' '.join(str(error).split())}") from error
    raise SettingsError(f"{library} has no model {name!r}")


def _of_path(words: str, wanted: Wanted) -> Any:  # noqa: ANN401 - checked by the caller
    if ":" not in words:
        raise SettingsError(
            f"{words} is no run folder, no .pt2 or .onnx file, no LIBRARY:NAME ({', '.join(LIBRARIES)}) and no "
            "package.module:attribute"
        )
    found = find_callable(words)
    if isinstance(found, nn.Module):
        return found
    try:
        return found(**_keywords(found, wanted))
    except (TypeError, ValueError) as error:
        raise SettingsError(f"model {words} refused {_keywords(found, wanted)}: {error}") from error


def _keywords(build: Callable[..., Any], wanted: Wanted) -> dict[str, int]:
    """What is wanted, by the names that a callable has for it."""
    there = inspect.signature(build).parameters
    given = {what: getattr(wanted, what) for what in _NAMES}
    found = {name: given[what] for what, names in _NAMES.items() for name in names if name in there}
    return {name: value for name, value in found.items() if value is not None}


def _import(name: str, hint: str) -> Any:  # noqa: ANN401 - a module
    try:
        return importlib.import_module(name)
    except (ImportError, RuntimeError) as error:  # RuntimeError: torchvision beside another build of torch
        library = name.partition(".")[0]
        if importlib.util.find_spec(library) is not None:
            hint = f"it is installed, but maybe for another torch than {torch.__version__}, it or what it imports"
        raise MissingExtraError(f"{name} cannot be imported ({error}); {hint}") from error
