"""What is looked at: a cohort, and any number of runs that were trained on it."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sightline.answering import Answerer, Ready
from sightline.comparing import Condition
from sightline.data import Case, Cohort, DataSettings, ImageCache, Preprocessing, VolumeInput, chosen_batches, read_gaze
from sightline.data.batches import ImageBatches
from sightline.data.epochs import Batches
from sightline.data.planted_bias import Bias
from sightline.data.readers.volume import is_volume, read_volume
from sightline.errors import DataError, SightlineError
from sightline.evaluation import Evaluation, read_evaluation
from sightline.regions.gaze.scanpath import Fixations
from sightline.runs import RunFolder
from sightline.training import TrainSettings
from sightline.viewer.pictures import Gaze, Picture, make_picture

_SIDE = 512  # pixels of an image that no model looks at
_MOST_FIXATIONS = 2000


@dataclass(frozen=True, eq=False)
class Run:
    """A run as the viewer sees it; its model is opened when it is first asked.

    Attributes:
        name: unique among the runs.
        folder: where it is.
        data: how its images become the model's input.
        evaluations: what `sightline evaluate` kept, by condition.
        answerer: the model, opened by `open`.
    """

    name: str
    folder: RunFolder
    data: DataSettings
    evaluations: Mapping[Condition, Evaluation]
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @cached_property
    def _answerer(self) -> Answerer:
        return Answerer.open(self.folder.path)

    @property
    def answerer(self) -> Answerer:
        """The model of the run, opened when it is first asked for.

        Raises:
            SightlineError: it cannot be opened.
        """
        with self.lock:
            return self._answerer

    def evaluation_of(self, case: Case, bias: Bias) -> Evaluation | None:
        """Return the evaluation that holds a case, if there is one."""
        return self.evaluations.get(Condition(case.split, bias))


@dataclass(frozen=True, eq=False)
class View:
    """A cohort and its runs.

    Attributes:
        title: what to call it.
        cohort: the cases.
        runs: by name; none where a cohort alone is looked at.
        is_volume: whether the images are volumes.
    """

    title: str
    cohort: Cohort
    runs: Mapping[str, Run]
    is_volume: bool

    @property
    def biases(self) -> tuple[Bias, ...]:
        """Under which forms of the known bias the images can be seen."""
        tested = {condition.bias for run in self.runs.values() for condition in run.evaluations}
        there = {name for case in self.cohort.cases[:100] for name in case.variants} | tested
        planted = any(run.data.bias is not None for run in self.runs.values())
        return ("on", *(bias for bias in ("off", "swapped") if bias in there or planted))

    def run(self, name: str) -> Run:
        """Return a run by its name.

        Raises:
            DataError: there is none of this name.
        """
        if name not in self.runs:
            raise DataError(f"no run {name!r}; there is {', '.join(self.runs) or 'none, a cohort alone is shown'}")
        return self.runs[name]

    def picture(self, case: Case, bias: Bias, run: Run | None) -> Picture:
        """Read and prepare a case as a run sees it, or else as it is.

        Raises:
            DataNotFoundError, DataError: a file of the case is missing or cannot be used.
        """
        cohort = replace(self.cohort, cases=(case,))
        data = self._data(case) if run is None else run.data
        if data.volume is not None:  # where a finding that is absent may be seen, nobody knows
            data = replace(data, volume=replace(data.volume, absent="unknown"))
        cache = ImageCache(4096, data.cache_dir)
        made = chosen_batches(replace(data, workers=0), cohort, bias=bias, batch_size=1, cache=cache)
        batch = made.make([0])
        window = data.volume.window if data.volume else data.preprocessing.window
        exact = data.volume is not None or _keeps_values(data.preprocessing)
        limits = (window or self.cohort.value_range) if exact else None
        return make_picture(
            batch.images[0],
            batch.regions[0],
            spacing_mm=self._spacing(case, data),
            limits=limits or (0.0, 1.0),
            units=self.cohort.units if limits else "",
            gaze=_gaze(made, case, bias),
            ready=None if run is None else Ready(case.id, batch.images[0]),
        )

    def _data(self, case: Case) -> DataSettings:
        """How images are prepared that no model looks at: whole, as large as they are needed."""
        if not self.is_volume:
            steps = Preprocessing(size=_SIDE, channels=1, equalise=False, pad_to_square="always")
            return DataSettings(self.cohort.root, preprocessing=steps)
        values = read_volume(case.image, name=self.cohort.name(case.image)).values
        low, high = self.cohort.value_range or (float(values.min()), float(values.max()))
        depth, rows, columns = values.shape
        steps_3d = VolumeInput(shape=(depth, rows, columns), window=(low, max(high, low + 1)), augmentation=None)
        return DataSettings(self.cohort.root, volume=steps_3d)

    def _spacing(self, case: Case, data: DataSettings) -> tuple[float, float, float] | None:
        if data.volume is None:
            return None
        return data.volume.spacing_mm or read_volume(case.image, name=self.cohort.name(case.image)).spacing_mm


def open_view(runs: Mapping[str, tuple[TrainSettings, RunFolder]], cohort: Cohort) -> View:
    """Open runs that were trained on one cohort, or with no run the cohort alone.

    Args:
        runs: settings and folder, by name.
        cohort: of all of them.

    Raises:
        DataError: an evaluation is damaged, or of other classes; or the cohort is empty.
    """
    if not cohort.cases:
        raise DataError("the cohort has no case; there is nothing to look at")
    opened = {
        name: Run(name, folder, settings.data, _evaluations(folder, cohort))
        for name, (settings, folder) in runs.items()
    }
    first = next(iter(opened.values()), None)
    volumes = first.data.volume is not None if first else _are_volumes(cohort.cases)
    title = " and ".join(opened) or cohort.root.name
    built = replace(cohort, cases=tuple(cohort.cases))  # the page asks for them again and again
    return View(title, built, opened, volumes)


def _evaluations(folder: RunFolder, cohort: Cohort) -> dict[Condition, Evaluation]:
    found = {}
    for file in sorted((folder.path / "evaluation").glob("*/metrics.json")):
        evaluation = read_evaluation(file.parent)
        if evaluation.predictions.classes != cohort.classes:
            told = ", ".join(evaluation.predictions.classes)
            raise DataError(
                f"{file.parent} is of {told}, but the cohort has {', '.join(cohort.classes)}; evaluate again"
            )
        found[Condition.parse(file.parent.name)] = evaluation
    order = ("on", "off", "swapped")
    return dict(
        sorted(found.items(), key=lambda item: (item[0].split != "test", item[0].split, order.index(item[0].bias)))
    )


def _are_volumes(cases: Sequence[Case]) -> bool:
    try:
        return is_volume(cases[0].image, name=cases[0].id)
    except (SightlineError, OSError):  # a case that cannot be read says so when it is looked at
        return False


def _keeps_values(steps: Preprocessing) -> bool:
    """Whether grey values stand for what was measured."""
    return not steps.equalise and steps.percentiles is None and steps.z_score is None


def _gaze(made: Batches, case: Case, bias: Bias) -> Gaze | None:
    """Read where a reader looked on an image, on the picture as it was prepared."""
    if case.gaze is None or not isinstance(made, ImageBatches):
        return None
    loader = made.loader
    high, wide = original = loader.image(case, "" if bias == "on" else bias).original
    region = loader.gaze(case, original)
    read = read_gaze(case.gaze, original, name=made.cohort.name(case.gaze))
    points: NDArray[np.float64] = np.zeros((0, 3))
    if isinstance(read, Fixations):
        side = max(original)
        down, across = (high, wide) if not loader.pad else (side, side)
        left, top = (across - wide) // 2, (down - high) // 2
        columns = ((read.x + left) / across, (read.y + top) / down, read.duration)
        points = np.stack(columns, axis=1)[:_MOST_FIXATIONS].astype(np.float64)
    return Gaze(region, points)
