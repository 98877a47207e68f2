"""A trained run that is opened once and answers for images as they come: which class, and where it looked.

Files are read and prepared as by `sightline explain RUN IMAGE`, so the numbers are the same. Reading needs no model and
may go on in many threads; one lock lets one of them at a time to the model.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sightline.answering.asked import class_index, method_with
from sightline.answering.image_reader import ImageReader, Ready
from sightline.answering.time_limit import limited
from sightline.attribution.explainer import Explainer, classify
from sightline.attribution.methods import options_of
from sightline.data import Cohort, DataSettings, read_cohort
from sightline.data.cohort import Task
from sightline.data.readers import sha256_of
from sightline.errors import SettingsError
from sightline.evaluation.explain_cases import Aim, explain_cases
from sightline.evaluation.given_images import spatial_axes
from sightline.evaluation.predictions import probabilities_of
from sightline.training import load_trained, open_run
from sightline.types import Batch


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the model answers for an image.

    Attributes:
        name: of the image.
        logits: of all K' outputs of the model, `(K',)`; one output is that of the second of two classes.
        probabilities: of all classes, `(K,)`: a softmax, of `multilabel` a sigmoid each.
        warnings: what is odd about the image, in words.
    """

    name: str
    logits: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Explained:
    """Where the model looked in an image.

    Attributes:
        name: of the image.
        image: as the model sees it, `(C, *S)` float32 in [0, 1].
        attribution: signed, channels summed, at the size of the image, `(*S)` float32.
        method: name of the method.
        options: of the method, those that the map depends on, as plain values.
        target: index of the class explained.
        drawn_at: spatial size at which the method drew.
        logits: see `Prediction`.
        probabilities: see `Prediction`.
        warnings: what is odd about the image, in words.
    """

    name: str
    image: NDArray[np.float32]
    attribution: NDArray[np.float32]
    method: str
    options: Mapping[str, Any]
    target: int
    drawn_at: tuple[int, ...]
    logits: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Answerer:
    """The model of a run with all that it needs to answer; safe to use from several threads.

    Attributes:
        name: of the run.
        checksum: SHA-256 of its weights, hexadecimal; empty where they come from no file.
        model: in evaluation mode, on its device.
        cohort: of the run, without its cases: task, classes and value range.
        data: how images become the model's input.
    """

    name: str
    checksum: str
    model: nn.Module
    cohort: Cohort
    data: DataSettings
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def __post_init__(self) -> None:
        if self.data.erase_background:
            raise SettingsError(
                f"run {self.name} sees images without their background, for which it needs masks; "
                "explain it on a cohort that has them"
            )

    @classmethod
    def open(cls, folder: Path) -> "Answerer":
        """Open a finished run. Its cohort must be there, which says what the classes are; no image of it is read.

        Raises:
            RunError: it is no run folder, or has no final weights.
            SettingsError: its settings do not fit this version, or it needs masks of every image.
            DataError, DataNotFoundError: its cohort is gone, or has other classes than the weights.
        """
        settings, run = open_run(Path(folder))
        cohort = read_cohort(settings.data.cohort)
        model = load_trained(settings, run, num_classes=cohort.num_classes)
        return cls(settings.name, sha256_of(run.weights), model, replace(cohort, cases=()), settings.data)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of their indices."""
        return self.cohort.classes

    @property
    def task(self) -> Task:
        """What is answered: one class (`multiclass`, `binary`) or any number of them (`multilabel`)."""
        return self.cohort.task

    @property
    def axes(self) -> int:
        """Spatial axes of what the model takes: 2 for images, 3 for volumes."""
        return 3 if self.data.volume is not None else spatial_axes(self.model) or 2

    @property
    def channels(self) -> int:
        """Channels of the model's input."""
        return self.data.channels

    @property
    def reader(self) -> ImageReader:
        """What reads image files for the model."""
        return ImageReader(self.cohort, self.data, spatial_axes(self.model))

    def read(self, file: Path, *, name: str = "") -> Ready:
        """Read and prepare an image as `ImageReader` does; the model is not asked."""
        return self.reader(file, name=name)

    def classify(self, images: Sequence[Ready]) -> tuple[Prediction, ...]:
        """Answer for prepared images in one pass through the model.

        The number of images in a pass changes the order in which floating point numbers are added, and nothing else.
        """
        if not images:
            return ()
        with self._lock, torch.no_grad():
            logits = classify(self.model, torch.stack([each.image for each in images]).to(self._device)).cpu()
        probabilities = probabilities_of(logits, self.task, len(self.classes))
        rows = zip(images, logits.double().numpy(), probabilities, strict=True)
        return tuple(Prediction(each.name, row, shares, each.warnings) for each, row, shares in rows)

    def predict(self, files: Sequence[Path]) -> tuple[Prediction, ...]:
        """Answer for image files, in their order; errors as `read`."""
        size = self.data.batch_size
        parts = (files[start : start + size] for start in range(0, len(files), size))
        return tuple(answer for part in parts for answer in self.classify([self.read(file) for file in part]))

    def explain(
        self,
        file: Path | Ready,
        method: str = "lrp",
        target: int | str | None = None,
        options: Mapping[str, Any] | None = None,
        *,
        within_s: float | None = None,
    ) -> Explained:
        """Draw where the model looks in an image.

        Args:
            file: the image, or what `read` made of it.
            method: name of an explanation method, see `sightline.attribution.methods`.
            target: class to explain by its index or its name; None for the likeliest one.
            options: of the method, as `{"steps": 100}`.
            within_s: time after which to give up, s; it is looked at whenever the model is asked again.

        Raises:
            SettingsError: there is no such method, option or class.
            TimeLimitError: it took longer than it may.
            SightlineError: as `read`, or the method cannot explain this model.
        """
        aim: Aim = "predicted" if target is None else class_index(target, self.classes)
        explainer: Explainer = method_with(method, options or {})
        ready = file if isinstance(file, Ready) else self.read(file)
        batch = Batch(
            ready.image[None], self._label(), torch.full_like(ready.image[None, :1], torch.nan), (ready.name,)
        )
        with self._lock, limited(self.model, within_s, f"{method} of {ready.name}"):
            (piece,) = explain_cases(
                self.model,
                [batch],
                {method: explainer},
                aim=aim,
                task=self.task,
                num_classes=len(self.classes),
                maps_at_once=1,
            )
        return Explained(
            ready.name,
            ready.image.numpy().copy(),
            piece.maps[0],
            method,
            options_of(explainer),
            int(piece.classes[0]),
            piece.drawn_at,
            piece.logits,
            piece.probabilities,
            ready.warnings,
        )

    @property
    def _device(self) -> torch.device:
        return next((parameter.device for parameter in self.model.parameters()), torch.device("cpu"))

    def _label(self) -> Tensor:
        unknown = [torch.nan] * len(self.classes) if self.task == "multilabel" else -1
        return torch.tensor([unknown])
