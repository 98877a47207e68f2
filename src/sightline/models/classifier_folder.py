"""A classifier as a folder of two files, weights and words: written from a run, read without one.

`model.safetensors` holds tensors alone; `model.json` says the architecture, the classes, what the images must be, and
the checksum of the weights. A folder for the Hugging Face Hub has the same words in its `config.json`.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
from safetensors import SafetensorError
from torch import nn

from sightline import __version__
from sightline.errors import DataError, DataNotFoundError, SettingsError
from sightline.models.build import ModelSettings, build_model, model_names
from sightline.models.unread import leave_out
from sightline.models.weights import save_weights
from sightline.plain import to_plain
from sightline.runs import write_json

WEIGHTS, WORDS, HUB_WORDS = "model.safetensors", "model.json", "config.json"
FORMAT = "sightline classifier 1"
# Options that name files to start from
_BEGUN_FROM = ("weights", "encoder_weights", "densenet_weights", "trunk_weights", "backbone")


@dataclass(frozen=True, eq=False)
class Classifier:
    """A trained network and what its use takes beside it.

    Attributes:
        model: images `(N, C, *S)` to logits `(N, K)`, in evaluation mode.
        name: of the run it comes from.
        architecture: how it is built; where its training began is no part of it.
        task: `multiclass`, `binary` or `multilabel`.
        classes: K names, in the order of the logits.
        shape: of one image as the model takes it, `(C, *S)`, values in [0, 1].
        channels: what each of the C is.
        preprocessing: how files become such images, as plain values.
        left_out: parts of the architecture that are not there, because the logits do not need them.
    """

    model: nn.Module
    name: str
    architecture: ModelSettings
    task: str
    classes: tuple[str, ...]
    shape: tuple[int, ...]
    channels: tuple[str, ...] = ()
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    def words(self) -> dict[str, Any]:
        """Everything but the weights, as JSON holds it."""
        return {
            "format": FORMAT,
            "sightline": __version__,
            "name": self.name,
            "architecture": plain_architecture(self.architecture),
            "left_out": list(self.left_out),
            "task": self.task,
            "classes": list(self.classes),
            "answers": "logits, " + ("a sigmoid each" if self.task == "multilabel" else "a softmax over all"),
            "input": {"shape": list(self.shape), "channels": list(self.channels), "values": [0, 1]},
            "preprocessing": dict(self.preprocessing),
        }


def plain_architecture(settings: ModelSettings) -> dict[str, Any]:
    """Return what builds a model as plain values, without the files that a training began from."""
    plain: dict[str, Any] = _without(to_plain(settings), _BEGUN_FROM)
    return plain


def save_classifier(classifier: Classifier, folder: Path) -> None:
    """Write the two files into a folder, each atomically, the words last."""
    save_weights(classifier.model, folder / WEIGHTS)
    write_json(folder / WORDS, {**classifier.words(), "weights": checksum(folder / WEIGHTS)})


def checksum(file: Path) -> dict[str, Any]:
    """Return what `model.json` says of a file: its name, SHA-256 and size in bytes."""
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"file": file.name, "sha256": digest, "bytes": file.stat().st_size}


def open_classifier(folder: Path, *, trusted: bool = False) -> Classifier:
    """Read what `save_classifier` or an export for the Hugging Face Hub wrote; no run is needed.

    Nothing is unpickled, and only architectures of `model_names()` are built: `model.json` may come from a stranger,
    and a dotted path in it would import what they named.

    Args:
        folder: with the two files.
        trusted: also build models of others, by the dotted path that the folder names.

    Returns:
        The classifier on the CPU, in evaluation mode.

    Raises:
        DataNotFoundError: a file is not there.
        DataError: the words are damaged or of another version, the weights are not those that they tell of, or an
            architecture of others is named and not trusted.
    """
    words = _read_words(folder)
    try:
        architecture = words["architecture"]
        settings = ModelSettings(**architecture)
        classes, left_out = tuple(map(str, words["classes"])), tuple(map(str, words["left_out"]))
        shape = tuple(map(int, words["input"]["shape"]))
        known, preprocessing = words["weights"], dict(words["preprocessing"])
        name, task, channels = str(words["name"]), str(words["task"]), tuple(map(str, words["input"]["channels"]))
        told = known["sha256"]
    except (KeyError, TypeError, ValueError, SettingsError) as error:
        raise DataError(f"{folder} does not describe a classifier ({error!s}); export it again") from error
    if not trusted:
        _check_ours(folder, architecture)
    file = folder / WEIGHTS
    if not file.is_file():
        raise DataNotFoundError(f"{folder} holds no {WEIGHTS}")
    if checksum(file)["sha256"] != told:
        raise DataError(f"{file} is not the file that {folder.name} tells of (its SHA-256 differs); fetch it again")
    model = build_network(architecture, num_classes=len(classes), left_out=left_out)
    try:
        model.load_state_dict(safetensors.torch.load_file(file))
    except (RuntimeError, SafetensorError) as error:
        raise DataError(f"{file} holds other weights than those of {settings.name}") from error
    return Classifier(
        model.eval(), name, settings, task, classes, shape, channels=channels, preprocessing=preprocessing,
        left_out=left_out,
    )  # fmt: skip


def build_network(architecture: Mapping[str, Any], *, num_classes: int, left_out: Sequence[str] = ()) -> nn.Module:
    """Build the network that an exported classifier tells of, with initial weights.

    Args:
        architecture: options of `ModelSettings`, plain.
        num_classes: K.
        left_out: parts that are not there.

    Raises:
        SettingsError: there is no such architecture, or it takes other options.
        DataError: it has no such part.
    """
    return leave_out(build_model(ModelSettings(**architecture), num_classes=num_classes, seed=0), left_out)


def _read_words(folder: Path) -> dict[str, Any]:
    file = next((folder / name for name in (WORDS, HUB_WORDS) if (folder / name).is_file()), None)
    if file is None:
        raise DataNotFoundError(f"{folder} holds no {WORDS}; name a folder that `sightline export` wrote")
    try:
        words = json.loads(file.read_text(encoding="utf-8"))
        words = words["sightline"] if file.name == HUB_WORDS else words
        version = words["format"]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file} does not describe a classifier of Sightline") from error
    if version != FORMAT:
        raise DataError(f"{file} is {version!r}, but this version reads {FORMAT!r}; export it again")
    return dict(words)


def _check_ours(folder: Path, architecture: Mapping[str, Any]) -> None:
    """Refuse to import what a file names, also as an option, as the classifier behind a segmenter is."""
    for value in _strings(architecture):
        if ":" in value:
            raise DataError(
                f"{folder} wants to import {value!r}, which runs code that is not Sightline's; where you trust it, "
                "open it with trusted=True"
            )
    if architecture["name"] not in model_names() or architecture != _without(architecture, _BEGUN_FROM):
        raise DataError(f"{folder} names an architecture or a file that is not Sightline's own; export it again")


def _strings(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _strings(item)


def _without(value: Any, keys: Sequence[str]) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, Mapping):
        return {key: _without(item, keys) for key, item in value.items() if key not in keys}
    return value
