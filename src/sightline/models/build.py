"""From settings to a model: ours by name, or anybody's by dotted path."""

import importlib
import inspect
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from operator import attrgetter
from pathlib import Path
from typing import Any, get_args, get_type_hints

import torch
from torch import nn

from sightline.errors import SettingsError
from sightline.models.axialnet import axialnet
from sightline.models.body_cam import body_cam
from sightline.models.body_conv import body_conv
from sightline.models.conv3d_net import conv3d_net
from sightline.models.ctnet import ctnet
from sightline.models.densenet import densenet121, densenet169, densenet201
from sightline.models.dual_encoder import dual_encoder
from sightline.models.efficientnet import efficientnet_b0
from sightline.models.gaze_gnn import gaze_gnn, pvig_ti
from sightline.models.gaze_unet import egd_classifier, egd_unet
from sightline.models.ham import ham_resnet50
from sightline.models.inception_resnet_v2 import inception_resnet_v2
from sightline.models.mt_unet import mt_unet, res_se_unet
from sightline.models.multitask_unet import multitask_unet
from sightline.models.resnet import resnet18, resnet34, resnet50, resnet101
from sightline.models.segment_classify import segment_classify
from sightline.models.sononet import ag_sononet
from sightline.models.temporal_gaze import temporal_gaze
from sightline.models.vgg import vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn
from sightline.models.vit import vit_base, vit_large, vit_small, vit_tiny
from sightline.models.weights import load_weights

_log = logging.getLogger(__name__)

_MODELS: dict[str, Callable[..., nn.Module]] = {
    build.__name__: build
    for build in (
        *(densenet121, densenet169, densenet201),
        *(resnet18, resnet34, resnet50, resnet101),
        *(vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn),
        inception_resnet_v2,
        *(vit_tiny, vit_small, vit_base, vit_large),
        *(mt_unet, res_se_unet, dual_encoder),
        *(pvig_ti, gaze_gnn, temporal_gaze),
        *(ham_resnet50, ag_sononet),
        *(efficientnet_b0, egd_classifier, egd_unet),
        *(multitask_unet, segment_classify),
        *(axialnet, body_cam, ctnet, body_conv, conv3d_net),  # of volumes
    )
}


@dataclass(frozen=True)
class ModelSettings:
    """Which classifier to train.

    Attributes:
        name: one of `model_names()`, or `package.module:callable` for any other model; the callable takes `num_classes`
            and `options` as keywords and returns a `torch.nn.Module` that maps images `(N, C, *S)` to logits `(N, K)`.
        weights: file to start from, safetensors or a state dict of `torch.save`; None starts from random weights.
        in_channels: channels of the images, at least 1.
        dropout: chance in [0, 1) that a feature is dropped before the last layer.
        width: channels of the first stage, at least 2, from which all others follow; None: as published, 64.
        options: further keywords of the callable, such as `dimensions: 3` for our own models.

    A callable of your own is given `in_channels`, `dropout` and `width` where they differ from these defaults.
    """

    name: str = "densenet121"
    weights: Path | None = None
    in_channels: int = 3
    dropout: float = 0.0
    width: int | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if ":" not in self.name and self.name not in _MODELS:
            raise SettingsError(f"model must be one of {', '.join(_MODELS)}, or module:callable, {_came(self.name)}")
        if self.in_channels < 1:
            raise SettingsError(f"in_channels must be at least 1, got {self.in_channels}")
        if not 0 <= self.dropout < 1:
            raise SettingsError(f"dropout must be in [0, 1), got {self.dropout}")
        if self.width is not None and self.width < 2:
            raise SettingsError(f"width must be at least 2, got {self.width}")
        if twice := {"num_classes", "in_channels", "dropout", "width"} & self.options.keys():
            raise SettingsError(
                f"model options must not hold {', '.join(sorted(twice))}: each has a setting of its own"
            )


def model_names() -> tuple[str, ...]:
    """Return the names of our own architectures, families together, small to large."""
    return tuple(_MODELS)


def build_model(settings: ModelSettings, *, num_classes: int, seed: int | None = None) -> nn.Module:
    """Build the model that `settings` describe, in training mode, and load its weights where a file is named.

    Args:
        settings: which model.
        num_classes: K, number of logits.
        seed: makes the initial weights; None draws a new seed. The generator of torch is as it was afterwards.

    Returns:
        The model, on the CPU unless a callable of your own puts it elsewhere.

    Raises:
        SettingsError: the callable cannot be found, takes other options, or returns something else than a module.
        DataNotFoundError: there is no file `settings.weights`.
        DataError: the file holds no weights of this model.
    """
    if num_classes < 1:
        raise SettingsError(f"num_classes must be at least 1, got {num_classes}")
    build = _MODELS.get(settings.name) or find_callable(settings.name)
    keywords = {"num_classes": num_classes} | _options(settings)
    _check_keywords(settings.name, build, keywords)
    with torch.random.fork_rng(devices=[]):
        # not torch.manual_seed: it seeds the generators of accelerators too, and fork_rng would have to wake them
        torch.default_generator.seed() if seed is None else torch.default_generator.manual_seed(seed)
        try:
            model = build(**keywords)
        except (TypeError, ValueError) as error:
            raise SettingsError(f"model {settings.name} refused {keywords}: {error}") from error
    if not isinstance(model, nn.Module):
        raise SettingsError(f"{settings.name} must return a torch.nn.Module, got {type(model).__name__}")
    if settings.weights is not None:
        loaded = load_weights(model, settings.weights)
        _log.info("weights from %s, SHA-256 %s", settings.weights, loaded.sha256)
        if loaded.kept:
            _log.info("not in these weights, so as initialised: %s", ", ".join(loaded.kept))
        if loaded.summed:
            _log.info("summed over the colour channels: %s", ", ".join(loaded.summed))
    return model


def _options(settings: ModelSettings) -> dict[str, Any]:
    given = {"in_channels": settings.in_channels, "dropout": settings.dropout, "width": settings.width}
    default = {"in_channels": 3, "dropout": 0.0, "width": None}
    return {key: value for key, value in given.items() if value != default[key]} | settings.options


def find_callable(path: str) -> Callable[..., Any]:
    """Import what `module:callable` names."""
    module_name, _, name = path.partition(":")
    try:
        module = importlib.import_module(module_name)
    except (ImportError, TypeError, ValueError) as error:  # the last two: an empty or a relative name
        raise SettingsError(
            f"model {path}: module {module_name!r} cannot be imported ({error}); install it or add its folder to "
            "PYTHONPATH"
        ) from error
    try:
        found = attrgetter(name)(module)
    except AttributeError as error:
        public = [key for key, value in vars(module).items() if callable(value)]
        raise SettingsError(f"model {path}: {module_name} has no such callable, {_came(name, public)}") from error
    if not callable(found):
        raise SettingsError(f"model {path} must be callable, got {type(found).__name__}")
    return found  # type: ignore[no-any-return]


def _check_keywords(name: str, build: Callable[..., Any], keywords: dict[str, Any]) -> None:
    """Refuse a keyword that `build` does not take, before it runs."""
    try:
        parameters = inspect.signature(build).parameters.values()
    except (TypeError, ValueError):  # some built-in callables have no signature: calling will tell
        return
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    known = {parameter.name for parameter in parameters if parameter.kind in named}
    if rest := next((parameter.name for parameter in parameters if parameter.kind is parameter.VAR_KEYWORD), None):
        if build not in _MODELS.values():
            return
        known |= {*get_args(get_type_hints(build)[rest])[0].__annotations__}  # ours say what **options may hold
    for key in keywords:
        if key not in known:
            raise SettingsError(f"model {name} takes the options {', '.join(sorted(known))}, {_came(key, known)}")


def _came(word: str, choices: Iterable[str] = tuple(_MODELS)) -> str:
    near = get_close_matches(word, choices, n=1)
    return f"got {word!r}" + (f"; did you mean {near[0]!r}?" if near else "")
