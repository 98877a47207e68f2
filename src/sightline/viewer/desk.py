"""All that the page asks for, in one place: pictures, answers, maps and reviews, each worked out once."""

import hashlib
import json
import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray

from sightline.attribution.explainer import evaluation_mode
from sightline.attribution.methods import find_method, options_of
from sightline.data import Case
from sightline.data.planted_bias import Bias
from sightline.errors import DataError, SightlineError
from sightline.evaluation import Predictions
from sightline.plain import to_plain
from sightline.viewer.judging import Observed, observed
from sightline.viewer.maps import HeatMap, MapStore, draw
from sightline.viewer.memory import Memory
from sightline.viewer.pictures import Picture, make_picture
from sightline.viewer.reviews import Review, Reviews
from sightline.viewer.table import Table
from sightline.viewer.uploads import Uploads
from sightline.viewer.view import Run, View

LONGEST_S = 600.0  # that a map may take
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Subject:
    """What one question is about.

    Attributes:
        key: number of a case of the cohort, or key of an upload.
        run: name; empty for none.
        bias: form of the known bias.
    """

    key: str
    run: str
    bias: Bias


@dataclass(frozen=True, eq=False)
class Answer:
    """What a run answers for an image.

    Attributes:
        probabilities: `(K,)`.
        source: `evaluation` where it is what `sightline evaluate` kept, `now` where the model was asked.
        observed: of each class, how answers like this one fared; None where that is not known.
        observed_in: condition of the images that were counted; empty for none.
        slice_scores: of each class and group of slices, `(K, S)`; None where the model has none.
        warnings: what is odd about the image.
    """

    probabilities: NDArray[np.float64]
    source: str
    observed: tuple[Observed | None, ...]
    observed_in: str
    slice_scores: NDArray[np.float64] | None
    warnings: tuple[str, ...]

    @property
    def nbytes(self) -> int:
        """Memory it takes."""
        return self.probabilities.nbytes + (0 if self.slice_scores is None else self.slice_scores.nbytes)


@dataclass(frozen=True, eq=False)
class Desk:
    """Answers the questions of the page.

    Attributes:
        view: what is looked at.
        uploads: images that were dropped in.
        reviews: by name of the run; those of a cohort alone under an empty name.
        stores: where maps are kept, by name of the run.
        reviewer: whose marks they are until the page is told otherwise.
    """

    view: View
    uploads: Uploads
    reviews: Mapping[str, Reviews]
    stores: Mapping[str, MapStore]
    reviewer: str = ""
    _pictures: Memory[Picture] = field(default_factory=lambda: Memory(768 * 2**20), repr=False)
    _answers: Memory[Answer] = field(default_factory=lambda: Memory(32 * 2**20), repr=False)
    _maps: Memory[HeatMap] = field(default_factory=lambda: Memory(512 * 2**20), repr=False)
    _apart: dict[str, NDArray[np.float64]] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @cached_property
    def table(self) -> Table:
        """The list of cases."""
        return Table.of(self.view)

    def apart(self, bias: Bias) -> NDArray[np.float64]:
        """How far the runs are apart in each case, `(N,)`; worked out once."""
        with self._lock:
            if bias not in self._apart:
                self._apart[bias] = self.table.apart(bias)
        return self._apart[bias]

    def case(self, key: str) -> Case | None:
        """Return the case of a key; None for an upload.

        Raises:
            DataError: there is no such case.
        """
        if not key.isdecimal():
            return None
        if len(key) > 9 or int(key) >= len(self.view.cohort.cases):
            raise DataError(f"no case {key[:20]}; there are {len(self.view.cohort.cases)}")
        return self.view.cohort.cases[int(key)]

    def run(self, subject: Subject) -> Run | None:
        """Return the run that looks; None where there is none."""
        return self.view.run(subject.run) if subject.run else None

    def picture(self, subject: Subject) -> Picture:
        """Return the picture of a subject.

        Raises:
            SightlineError: it cannot be read.
        """
        return self._pictures.get(subject, lambda: self._picture(subject))

    def answer(self, subject: Subject) -> Answer:
        """Return what a run answers.

        Raises:
            SightlineError: the model cannot be asked.
        """
        return self._answers.get(subject, lambda: self._answer(subject))

    def heat(self, subject: Subject, method: str, target: int, *, smooth: bool = False) -> HeatMap:
        """Return a map, drawn if need be.

        Raises:
            SightlineError: the method cannot explain this model.
        """
        if not 0 <= target < self.view.cohort.num_classes:
            raise DataError(f"class must lie in 0 to {self.view.cohort.num_classes - 1}, got {target}")
        if smooth:
            whole = self.heat(subject, method, target)
            return self._maps.get((subject, method, target, "smooth"), whole.smoothed)
        return self._maps.get((subject, method, target, ""), lambda: self._heat(subject, method, target))

    def put(self, review: Review) -> Review:
        """Keep a review."""
        if review.run not in self.reviews:
            raise DataError(f"no run {review.run!r} to say something about")
        return self.reviews[review.run].put(review)

    def all_reviews(self) -> list[Review]:
        """Return the reviews of what is looked at."""
        found = {each.file: each.all() for each in self.reviews.values()}
        return [review for several in found.values() for review in several if review.run in self.reviews]

    def forget_upload(self, key: str) -> None:
        """Remove an upload and all that was made of it."""
        self.uploads.drop(key)
        self._pictures.forget(lambda kept: isinstance(kept, Subject) and kept.key == key)
        self._answers.forget(lambda kept: isinstance(kept, Subject) and kept.key == key)
        self._maps.forget(lambda kept: isinstance(kept, tuple) and kept[0].key == key)

    def warm_up(self) -> None:
        """Open the models before they are asked for; one that cannot be opened says so when it is asked."""
        for run in self.view.runs.values():
            try:
                _ = run.answerer
            except SightlineError as error:
                _log.warning("%s: %s", run.name, error)

    def close(self) -> None:
        """Remove what was dropped in."""
        self.uploads.close()

    def _picture(self, subject: Subject) -> Picture:
        case, run = self.case(subject.key), self.run(subject)
        if case is not None:
            return self.view.picture(case, subject.bias, run)
        if run is None:
            raise DataError("an image that is dropped in needs a run that looks at it")
        upload = self.uploads.find(subject.key)
        ready = run.answerer.read(upload.file, name=upload.name)
        volume = run.data.volume
        window = volume.window or self.view.cohort.value_range if volume else None
        return make_picture(
            ready.image,
            None,
            spacing_mm=volume.spacing_mm if volume else None,
            limits=window or (0.0, 1.0),
            units=self.view.cohort.units if window else "",
            ready=ready,
        )

    def _answer(self, subject: Subject) -> Answer:
        case, run = self.case(subject.key), self.run(subject)
        if run is None:
            raise DataError("an answer needs a model; name a run")
        evaluation = run.evaluation_of(case, subject.bias) if case else None
        warnings: tuple[str, ...] = ()
        kept = _probabilities(evaluation.predictions, case.id) if evaluation and case else None
        ready = None if kept is not None else self.picture(subject).ready
        if kept is not None:
            probabilities, source = kept, "evaluation"
        elif ready is None:
            raise DataError("an answer needs a model; name a run")
        else:
            (prediction,) = run.answerer.classify([ready])
            probabilities, source, warnings = prediction.probabilities, "now", prediction.warnings
        counted, where = self._counted(run, case, subject.bias)
        patient = case.patient if case else ""
        fared = tuple(
            observed(counted, of, float(value), without_patient=patient) if counted is not None else None
            for of, value in enumerate(probabilities)
        )
        return Answer(probabilities, source, fared, where, self._slice_scores(run, subject), warnings)

    @staticmethod
    def _counted(run: Run, case: Case | None, bias: Bias) -> tuple[Predictions | None, str]:
        """The evaluated images that an answer is compared with: those of its own condition, else the first tested."""
        evaluation = run.evaluation_of(case, bias) if case else None
        for condition, each in run.evaluations.items():
            if evaluation is None or each is evaluation:
                return each.predictions, str(condition)
        return None, ""

    def _slice_scores(self, run: Run, subject: Subject) -> NDArray[np.float64] | None:
        if run.data.volume is None:
            return None
        answerer = run.answerer
        scores = getattr(answerer.model, "slice_scores", None)
        ready = self.picture(subject).ready
        if scores is None or ready is None:
            return None
        with self._lock, evaluation_mode(answerer.model), torch.no_grad():
            device = next(answerer.model.parameters()).device
            found: NDArray[np.float64] = scores(ready.image[None].to(device))[0].double().cpu().numpy()
        return found

    def _heat(self, subject: Subject, method: str, target: int) -> HeatMap:
        run = self.run(subject)
        if run is None:
            raise DataError("a map needs a model; name a run")
        explainer = find_method(method).explainer()
        picture, case = self.picture(subject), self.case(subject.key)

        def make() -> HeatMap:
            return draw(run.answerer, picture, method, target, within_s=LONGEST_S)

        if case is None or picture.ready is None:
            return make()
        pixels = np.ascontiguousarray(picture.ready.image.numpy())
        asked = {
            "weights": run.answerer.checksum,
            "image": hashlib.sha256(pixels.tobytes()).hexdigest(),
            "shape": pixels.shape,
            "method": method,
            "explainer": type(explainer).__name__,
            "options": options_of(explainer),
            "target": target,
            "region": hashlib.sha256(picture.regions.tobytes() + bytes(picture.known)).hexdigest(),
        }
        return self.stores[run.name].get(json.loads(json.dumps(to_plain(asked), default=str)), make)


def _probabilities(predictions: Predictions, case: str) -> NDArray[np.float64] | None:
    try:
        row = predictions.cases.index(case)
    except ValueError:
        return None
    return np.asarray(predictions.probabilities[row])


def bias_named(name: str) -> Bias:
    """Read a form of the known bias.

    Raises:
        DataError: there is none of this name.
    """
    if name not in get_args(Bias):
        raise DataError(f"bias must be one of {', '.join(get_args(Bias))}, got {name[:40]!r}")
    return name  # type: ignore[return-value]  # one of the words, as just checked


def store_folder(run: Run, otherwise: Path) -> Path:
    """Return where maps of a run are kept: in its folder, or where that cannot be written, elsewhere."""
    folder = run.folder.path / "maps" / "viewer"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".probe"
        probe.touch()
        probe.unlink()
    except OSError:
        return otherwise / run.name
    return folder
