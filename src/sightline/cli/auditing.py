"""From the words of `sightline audit` to a model and the images it is audited on."""

import json
import logging
import re
from argparse import Namespace
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import numpy as np
import torch

from sightline.cli.settings import read_settings, words_to_overrides
from sightline.cli.stopping import UsageError
from sightline.data import Case, Cohort, DataSettings, ImageCache, chosen_batches, read_cohort
from sightline.data.case_table import has_file
from sightline.data.planted_bias import Bias
from sightline.errors import SightlineError
from sightline.evaluation.audit import Material, Subject
from sightline.evaluation.audit.opening import Opening, open_model, subject_of
from sightline.metrics import Resampling
from sightline.models.reading import Values
from sightline.plain import to_plain
from sightline.runs import RunFolder
from sightline.training import TrainSettings, load_trained, open_run
from sightline.types import Batch
from sightline.urls import url_of

_log = logging.getLogger(__name__)

_FOR_OTHERS = ("weights", "random_weights", "values", "outputs", "probabilities", "threshold", "size", "channels")
_SPEED = ("cohort", "batch_size", "workers", "cache_mib", "cache_dir", "augmentation")  # what images do not depend on


@dataclass(frozen=True)
class Work:
    """What is audited on what.

    Attributes:
        arguments: of the command.
        data: how images become the model's input.
        folder: of the audit.
        run: settings and folder of a run; None for a model of others.
    """

    arguments: Namespace
    data: DataSettings
    folder: Path
    run: tuple[TrainSettings, RunFolder] | None

    @property
    def facts(self) -> dict[str, str]:
        """What the page says about the images."""
        images = self.data.preprocessing
        volume = self.data.volume
        size = " x ".join(map(str, volume.shape)) if volume else f"{images.size} x {images.size}"
        return {
            "Cohort": self.data.cohort.name,
            "Split": self.arguments.split or "test, or all where there are no splits",
            "Size of the images": f"{size}, {self.data.channels} channels",
        }

    def open(self) -> tuple[Subject, Material]:
        """Open the model, and find its images.

        Raises:
            SightlineError: model or images cannot be used.
        """
        material = self._material()
        first = material.load(material.cases[:1]).images
        device = _device(self.arguments.device)
        if self.run is None:
            opening = _opening(self.arguments)
            return open_model(self.arguments.model, material.cohort, first, opening, device=device), material
        settings, folder = self.run
        _check_classes(settings.data.cohort, material.cohort)
        model = load_trained(replace(settings, device="cpu"), folder, num_classes=material.cohort.num_classes)
        return subject_of(settings.name, model, material.cohort, first, device=device), material

    def _material(self) -> Material:
        seed = self.arguments.seed
        cohort = _drawn(_split(read_cohort(self.data.cohort), self.arguments.split), self.arguments.limit, seed)
        data = self.data
        if data.volume is not None:  # nowhere is a right place for a finding that is absent
            data = replace(data, volume=replace(data.volume, absent="unknown"))
        cache = ImageCache(data.cache_mib, data.cache_dir)

        def batches_of(bias: Bias) -> Callable[[Cohort], Iterable[Batch]]:
            return lambda some: chosen_batches(data, some, bias=bias, cache=cache)

        biases: tuple[Bias, ...] = get_args(Bias)
        there = [bias for bias in biases if data.bias or has_file(cohort.cases, "variants", bias).all()]
        settings = {name: value for name, value in to_plain(data).items() if name not in _SPEED}
        return Material(
            cohort,
            batches_of("on"),
            seed=seed,
            resampling=Resampling(seed=seed),
            biased={bias: batches_of(bias) for bias in there if bias != "on"},
            made=json.dumps(settings, sort_keys=True),
        )


def prepare(arguments: Namespace) -> Work:
    """Read the words of the command.

    Raises:
        UsageError: an option does not go with the model.
        SettingsError: a setting is wrong.
        RunError: the run cannot be used.
    """
    words = list(arguments.words)
    cohort = arguments.cohort
    if (
        cohort and "=" in cohort and url_of(cohort) is None and not Path(cohort).exists()
    ):  # a setting, since the cohort may be left out
        words, cohort = [cohort, *words], None
    bare, overrides = words_to_overrides(words)
    if bare:
        raise UsageError(f"unknown argument {bare[0]}; one MODEL and one COHORT are audited")
    if arguments.limit is not None and arguments.limit < 1:
        raise UsageError(f"--limit must be at least 1, got {arguments.limit}")
    path = Path(arguments.model)
    if cohort:
        overrides.insert(0, f"cohort={cohort}")
    if path.is_dir():
        foreign = [name for name in _FOR_OTHERS if getattr(arguments, name) not in (None, False, [])]
        if foreign or arguments.config:
            option = f"--{foreign[0].replace('_', '-')}" if foreign else "--config"
            raise UsageError(f"{option} is for models that are no run; a run says it in its config.yaml")
        settings, folder = open_run(path)
        given = read_settings(TrainSettings, [str(path / "config.yaml")], [f"data.{word}" for word in overrides])
        return Work(arguments, given.data, arguments.out or path / "audit", (settings, folder))
    if not any(word.startswith("cohort=") for word in overrides) and not arguments.config:
        raise UsageError(f"name the cohort to audit on: sightline audit {arguments.model} COHORT")
    overrides += [
        f"preprocessing.{name}={value}" for name in ("size", "channels") if (value := getattr(arguments, name))
    ]
    data = read_settings(DataSettings, arguments.config, overrides)
    name = re.sub(r"[^\w.-]+", "-", path.name if path.suffix else arguments.model)
    return Work(arguments, data, arguments.out or Path("audits") / name, None)


def _opening(arguments: Namespace) -> Opening:
    options = {} if arguments.threshold is None else {"threshold": arguments.threshold}
    return Opening(
        arguments.weights,
        arguments.random_weights,
        _values(arguments.values),
        tuple(_output(word) for word in arguments.outputs),
        arguments.probabilities,
        **options,
    )


def _values(text: str | None) -> Values:
    """Read `imagenet`, `[-1024,1024]` or `-1024,1024`."""
    if text is None:
        return 0.0, 1.0
    if text == "imagenet":
        return "imagenet"
    try:
        low, high = (float(word) for word in text.strip("[]()").split(","))
    except ValueError:
        raise UsageError(f"--values must be imagenet or two numbers as in [-1024,1024], got {text!r}") from None
    return low, high


def _output(word: str) -> tuple[str, int]:
    name, _, index = word.rpartition("=")
    if not name or not index.isdecimal():
        raise UsageError(f"--outputs must be CLASS=INDEX, counted from 0, as in pneumonia=3; got {word!r}")
    return name, int(index)


def _split(cohort: Cohort, name: str | None) -> Cohort:
    return cohort.split(name or "test") if name or cohort.splits else cohort


def _drawn(cohort: Cohort, limit: int | None, seed: int) -> Cohort:
    """Draw patients until there are as many cases as wanted, and keep the cases in their order."""
    if limit is None or limit >= len(cohort.cases):
        return cohort
    patients = sorted({case.patient for case in cohort.cases})
    order = {patients[index]: rank for rank, index in enumerate(np.random.default_rng(seed).permutation(len(patients)))}
    ranked: list[Case] = sorted(cohort.cases, key=lambda case: order[case.patient])
    wanted = {case.id for case in ranked[:limit]}
    return replace(cohort, cases=tuple(case for case in cohort.cases if case.id in wanted))


def _check_classes(trained_on: Path, cohort: Cohort) -> None:
    """See that a run answers with the classes of a cohort, if its own cohort is still there to tell."""
    try:
        own = read_cohort(trained_on)
    except SightlineError as error:
        _log.warning("the cohort that the run was trained on cannot be read (%s); are its classes the same?", error)
        return
    if (own.task, own.classes) != (cohort.task, cohort.classes):
        raise UsageError(
            f"the run answers {own.task} with {', '.join(own.classes)}, but the cohort has {cohort.task} with "
            f"{', '.join(cohort.classes)}; name and order its classes alike"
        )


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:  # an unknown word, or one that is not there
        raise UsageError(f"--device {name} cannot be used: {str(error).splitlines()[0]}") from error
    return device
