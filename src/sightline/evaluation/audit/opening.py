"""From words to a subject: a model of somebody, what is to be shown to it, and how its answers are read."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from sightline.attribution.explainer import evaluation_mode
from sightline.data.cohort import Cohort, Task, did_you_mean
from sightline.errors import DataError, SettingsError, SightlineError
from sightline.evaluation.audit.store import fingerprint
from sightline.evaluation.audit.subject import Subject
from sightline.models.exported import Asked, exported_program, onnx_model
from sightline.models.foreign import Wanted, find_model
from sightline.models.reading import Answers, Reading, Values

FILES = (".pt2", ".onnx")


@dataclass(frozen=True)
class Opening:
    """How a model that is no run of ours is opened.

    Attributes:
        weights: file of its weights; None where it has its own, or random ones are wanted.
        random_weights: take initial weights, on purpose.
        values: numbers that it has for black and white, or `imagenet`.
        outputs: which of its outputs belongs to each class, by name; empty for all of them, in order.
        probabilities: it answers with probabilities, not logits.
        threshold: least probability to answer yes, for `binary` and `multilabel`.
    """

    weights: Path | None = None
    random_weights: bool = False
    values: Values = (0.0, 1.0)
    outputs: tuple[tuple[str, int], ...] = ()
    probabilities: bool = False
    threshold: float = 0.5

    def __post_init__(self) -> None:
        if not 0 < self.threshold < 1:
            raise SettingsError(f"threshold must be a probability between 0 and 1, got {self.threshold}")


def open_model(words: str, cohort: Cohort, images: Tensor, opening: Opening, *, device: torch.device) -> Subject:
    """Open a model and see that it answers.

    Args:
        words: a `.pt2` or `.onnx` file, `LIBRARY:NAME`, or `package.module:attribute`.
        cohort: its task and classes.
        images: as it will be given them, in [0, 1], one at least, `(N, C, *S)`.
        opening: how.
        device: where it is to run; a file always runs on the CPU.

    Raises:
        SettingsError: an option does not fit, or the model cannot be found.
        DataError, DataNotFoundError: a file cannot be used, or the model does not take the images.
        MissingExtraError: what it needs is not installed.
    """
    outputs = _order(opening.outputs, cohort)
    suffix = Path(words).suffix.lower()
    answers: Answers = "logits"
    if opening.probabilities:
        answers = "sigmoid" if cohort.task == "multilabel" else "softmax"
    if suffix in FILES:
        if opening.weights is not None or opening.random_weights:
            raise SettingsError(f"{words} holds its own weights; leave --weights and --random-weights out")
        path, device = Path(words), torch.device("cpu")
        inner: nn.Module = Asked(exported_program(path) if suffix == ".pt2" else onnx_model(path))
        own = hashlib.sha256(path.read_bytes()).hexdigest()
    else:
        wanted = Wanted(None if outputs else cohort.num_classes, images.shape[1], images.ndim - 2)
        inner = find_model(words, wanted, weights=opening.weights, random_weights=opening.random_weights)
        own = ""
    model = Reading(inner, values=opening.values, outputs=outputs, answers=answers)
    how = f"{opening.values} {outputs} {answers}"
    return subject_of(
        words,
        model,
        cohort,
        images,
        device=device,
        only_answers=suffix in FILES,
        threshold=opening.threshold,
        checksum=hashlib.sha256(f"{how} {own or weights_fingerprint(inner)}".encode()).hexdigest(),
    )


def subject_of(
    name: str,
    model: nn.Module,
    cohort: Cohort,
    images: Tensor,
    *,
    device: torch.device,
    only_answers: bool = False,
    threshold: float = 0.5,
    checksum: str = "",
) -> Subject:
    """Make a subject of a module, and see that it answers.

    Args:
        name: as the reader shall see it.
        model: from images in [0, 1] to logits `(N, K)`, or `(N, 1)` of the second of two classes; it is moved to the
            device.
        cohort: its task and classes.
        images: as it will be given them, one at least, `(N, C, *S)`.
        device: where it is to run.
        only_answers: it cannot be looked into.
        threshold: least probability to answer yes, for `binary` and `multilabel`.
        checksum: its fingerprint; that of its weights by default.

    Raises:
        DataError: it does not take the images, or has another number of outputs than there are classes.
    """
    model = model.to(device)

    def answer(given: Tensor) -> Tensor:
        found: Tensor = model(given)
        return found

    with evaluation_mode(model), torch.no_grad():
        try:
            logits = answer(images[[0, 0]].to(device))
        except SightlineError:
            raise
        except Exception as error:  # whatever a model of somebody raises
            text = " ".join(str(error).split())
            raise DataError(
                f"{name} does not take images {tuple(images.shape[1:])}, (channels, *size): {text}; choose them with "
                "--channels and --size"
            ) from error
    if logits.ndim != 2 or not _fits(logits.shape[1], cohort.task, cohort.num_classes):
        raise DataError(
            f"{name} has {logits.shape[-1]} outputs, but the classes are {cohort.num_classes} "
            f"({', '.join(cohort.classes)}); say which output is which with --outputs NAME=INDEX"
        )
    return Subject(
        name,
        cohort.task,
        cohort.classes,
        answer,
        None if only_answers else model,
        checksum or weights_fingerprint(model),
        logits.shape[1],
        device,
        threshold,
        not only_answers and _takes_channels_last(model, images[[0, 0]], logits),
        images[0, 0].numel(),
    )


def _takes_channels_last(model: nn.Module, images: Tensor, logits: Tensor) -> bool:
    """Whether a model on the CPU answers planes that lie channels last as it does others; `view` may prevent it."""
    if images.ndim != 4 or images.shape[1] == 1 or logits.device.type != "cpu":
        return False
    with evaluation_mode(model), torch.no_grad():
        try:
            found = model(images.contiguous(memory_format=torch.channels_last))
        except Exception:  # whatever a model of somebody raises
            return False
    return torch.allclose(found, logits, rtol=1e-3, atol=1e-4)


def weights_fingerprint(model: nn.Module) -> str:
    """Return a checksum of the tensors of a module, hexadecimal."""
    tensors = {name: value for name, value in model.state_dict().items() if isinstance(value, Tensor)}
    return fingerprint({name: value.detach().cpu().numpy() for name, value in tensors.items()})


def _fits(outputs: int, task: Task, classes: int) -> bool:
    return outputs == classes or (task == "binary" and outputs == 1)


def _order(named: tuple[tuple[str, int], ...], cohort: Cohort) -> tuple[int, ...] | None:
    """Return the output of each class in turn; of `binary` that of the second class alone will do."""
    if not named:
        return None
    by_name = dict(named)
    for name, index in named:
        if name not in cohort.classes:
            near = did_you_mean(name, cohort.classes)
            raise SettingsError(f"--outputs {name}: the classes are {', '.join(cohort.classes)}{near}")
        if index < 0:
            raise SettingsError(f"--outputs {name}={index}: outputs count from 0")
    if len(by_name) < len(named):
        raise SettingsError("--outputs names a class twice")
    if cohort.task == "binary" and list(by_name) == [cohort.classes[1]]:
        return (by_name[cohort.classes[1]],)
    missing = [name for name in cohort.classes if name not in by_name]
    if missing:
        raise SettingsError(f"--outputs must name every class, got none for {', '.join(missing)}")
    return tuple(by_name[name] for name in cohort.classes)
