"""Class and source from what surrounds the region: how biased a data set is, before anything is trained on it."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import numpy as np

from sightline.data.cohort import Case, Cohort
from sightline.data.images import Array
from sightline.data.prepared import Loader, Preprocessing, masks_of
from sightline.data.prepared_cache import ImageCache
from sightline.data.splits import drawn, split_by_patient
from sightline.errors import DataError, DataNotFoundError, SettingsError, ShapeError
from sightline.evaluation.background_probe.erasing import Shape, coverage, frame, hidden_area, seen_only
from sightline.evaluation.background_probe.linear import linear_scores
from sightline.metrics import Interval, Resampling, auroc, bootstrap, mean_defined

View = Literal["background", "outline", "border", "region", "whole"]
VIEWS: Mapping[View, str] = MappingProxyType(
    {
        "background": "the image with the region erased",
        "outline": "the outline of what was erased, and no pixel",
        "border": "the outer frame of the image",
        "region": "the region and nothing else",
        "whole": "the whole image",
    }
)
Target: TypeAlias = tuple[str, str]  # `class` or `source`, and which
MEAN = "mean"
_FINE = 4  # pixels a side that are averaged into one
_SHUFFLES, _NETWORK_SHUFFLES = 20, 3
_LEAST = 3.0  # pixels that what is erased grows at least: after resizing, neighbours hold something of the region


@dataclass(frozen=True)
class ProbeSettings:
    """What the probe sees and how it is tried.

    Attributes:
        erase: the region as it is drawn, its convex hull, or the box around it; the first tells its outline, too.
        margin: how far it grows before, a share of the image's side.
        border: width of the outer frame, a share of the image's side.
        size: side of what the probe sees, pixels.
        network: a small network in place of the linear probe.
        images: most images; more are drawn at random by patient.
        folds: parts of the patients, each answered by a probe that was fitted on the others.
        resampling: of the intervals; its seed also steers folds, draws and weights.
    """

    erase: Shape = "hull"
    margin: float = 0.03
    border: float = 0.1
    size: int = 32
    network: bool = False
    images: int = 5000
    folds: int = 5
    resampling: Resampling = field(default_factory=Resampling)

    def __post_init__(self) -> None:
        for name, least in (("size", 4), ("images", 1), ("folds", 3)):
            if getattr(self, name) < least:
                raise SettingsError(f"{name} must be at least {least}, got {getattr(self, name)}")
        if self.network and self.size % 16:
            raise SettingsError(f"size must be a multiple of 16 for a network, got {self.size}")
        for name in ("margin", "border"):
            if not 0 <= getattr(self, name) < 0.5:
                raise SettingsError(f"{name} must be a share of the side in [0, 0.5), got {getattr(self, name)}")


@dataclass(frozen=True)
class ProbeScore:
    """How well one thing can be told from one view.

    Attributes:
        view: what was seen, one of `VIEWS`.
        target: `class` or `source`.
        of: which class or source against the others; `mean` for the mean over them.
        shuffled: whether the labels were dealt out anew among the images, which leaves about a half.
        auroc: area under the curve on unseen patients, with its interval; of shuffled labels the mean of several deals,
            between the least and the largest.
    """

    view: View
    target: str
    of: str
    shuffled: bool
    auroc: Interval

    def as_dict(self) -> dict[str, Any]:
        """Fields by name, for JSON."""
        return {**asdict(self), "auroc": self.auroc.as_dict()}


@dataclass(frozen=True)
class Probe:
    """What came of a probe.

    Attributes:
        settings: how it was done.
        scores: by view, target and what is told.
        images: how many it saw.
        patients: who is on them.
        without_region: further images that have no region, or none left inside of the image, and take part in the
            views of border and whole image only.
        unreadable: images that could not be read.
    """

    settings: ProbeSettings
    scores: tuple[ProbeScore, ...]
    images: int
    patients: int
    without_region: int
    unreadable: int

    def score(self, view: View, target: str, of: str = MEAN, *, shuffled: bool = False) -> ProbeScore:
        """Return one of the scores.

        Raises:
            DataError: it was not tried.
        """
        wanted = (view, target, of, shuffled)
        for score in self.scores:
            if (score.view, score.target, score.of, score.shuffled) == wanted:
                return score
        raise DataError(f"no score of {target} {of!r} from the {view}; the cohort has no regions, or a single {target}")


def background_probe(
    cohort: Cohort, settings: ProbeSettings | None = None, *, progress: Callable[[int, int], None] | None = None
) -> Probe:
    """Try how well class and source can be told from parts of the images.

    What is seen is standardised image by image, so that brightness and contrast of an image as a whole do not count.
    Patients who share an identical file stay in one fold.

    Args:
        cohort: the images; give the split that is trained on.
        settings: how.
        progress: called with the number of images read and their total.

    Returns:
        Areas under the curve on patients whom the probe has not seen, with percentile intervals over patients. Of two
        classes only the second is scored, since the first has the same area.

    Raises:
        DataError: there is neither a class nor a source to tell apart, or there are too few patients.
    """
    settings = settings or ProbeSettings()
    cohort = replace(cohort, cases=_drawn(cohort.cases, settings))
    targets = _targets(cohort)
    if len({_person(case) for case in cohort.cases}) < 2 * settings.folds:
        raise DataError(f"a probe of {settings.folds} folds needs at least {2 * settings.folds} patients")
    seen = _read(cohort, settings, progress)
    usable = [index for index, views in enumerate(seen) if views]
    complete = [index for index in usable if len(seen[index]) == len(VIEWS)]
    scores: list[ProbeScore] = []
    for view in VIEWS:
        rows = usable if view in ("border", "whole") else complete
        part = replace(cohort, cases=tuple(cohort.cases[index] for index in rows))
        if len({_person(case) for case in part.cases}) >= 2 * settings.folds:
            pixels = np.stack([seen[index][view] for index in rows])
            scores += _tried(view, pixels, {name: values[rows] for name, values in targets.items()}, part, settings)
    if not scores:
        raise DataError(f"only {len(usable)} of {len(seen)} images can be read; see `sightline prepare check`")
    patients = len({_person(cohort.cases[index]) for index in usable})
    return Probe(settings, tuple(scores), len(usable), patients, len(usable) - len(complete), len(seen) - len(usable))


def _drawn(cases: Sequence[Case], settings: ProbeSettings) -> tuple[Case, ...]:
    """Draw patients until there are enough images."""
    if len(cases) <= settings.images:
        return tuple(cases)
    seed = settings.resampling.seed
    order = sorted(cases, key=lambda case: (drawn(seed, case.source, case.patient), case.source, case.patient))
    kept = {case.id for case in order[: settings.images]}
    return tuple(case for case in cases if case.id in kept)


def _targets(cohort: Cohort) -> dict[Target, Array]:
    """Return 1, 0 or NaN of each image, `(N,)`, for each class and source that can be told from others."""
    sources = sorted({case.source for case in cohort.cases})
    found: dict[Target, Array] = {}
    for index, name in enumerate(cohort.classes):
        found["class", name] = np.asarray([_has(case, index) for case in cohort.cases])
    for name in sources:
        found["source", name] = np.asarray([float(case.source == name) for case in cohort.cases])
    found = {target: column for target, column in found.items() if {0.0, 1.0} <= set(column.tolist())}
    if not found:
        raise DataError("nothing to tell apart: all images are of one class and one source")
    for kind, exclusive in (("class", cohort.task != "multilabel"), ("source", True)):
        both = [target for target in found if target[0] == kind]
        if exclusive and len(both) == 2:  # the first is the second, turned round
            del found[both[0]]
    return found


def _has(case: Case, index: int) -> float:
    if isinstance(case.label, int):
        return float(case.label == index)
    value = case.label[index]
    return value if math.isnan(value) else float(value > 0.5)


def _person(case: Case) -> tuple[str, str]:
    return case.source, case.patient


def _read(
    cohort: Cohort, settings: ProbeSettings, progress: Callable[[int, int], None] | None
) -> list[dict[View, Array]]:
    """Return the views of each image; none of what cannot be read."""
    side = settings.size * _FINE
    preprocessing = Preprocessing(size=side, channels=1, equalise=False, pad_to_square="never")
    loader = Loader(cohort, preprocessing, pad=False, cache=ImageCache(budget_mib=0))

    def views(case: Case) -> dict[View, Array]:
        try:
            prepared = loader.image(case)
            regions = [loader.region(file, case, prepared.original) for file in masks_of(case)]
        except (DataError, DataNotFoundError, ShapeError):
            return {}
        return views_of(prepared.pixels[0] / 65535, np.any(regions, axis=0) if regions else None, settings)

    found: list[dict[View, Array]] = []
    with ThreadPoolExecutor(min(8, (os.cpu_count() or 1) + 4)) as pool:
        for each in pool.map(views, cohort.cases):
            found.append(each)
            if progress is not None:
                progress(len(found), len(cohort.cases))
    return found


def views_of(image: Array, region: Array | None, settings: ProbeSettings) -> dict[View, Array]:
    """Return what a probe sees of an image.

    Args:
        image: `(4 size, 4 size)`.
        region: where a model may look, of the same shape, bool; None if unknown.
        settings: what is erased.

    Returns:
        `(size, size)` float32 by view; without a region, or where nothing is left beside it, of border and whole only.
    """
    size, side = settings.size, len(image)
    everywhere = np.ones(image.shape, bool)
    views: dict[View, Array] = {
        "border": seen_only(image, frame(side, settings.border), size),
        "whole": seen_only(image, everywhere, size),
    }
    if region is None or not region.any():
        return views
    margin = max(settings.margin, _LEAST / side)
    seen = ~hidden_area(region, shape=settings.erase, margin=margin)
    if not seen.any():
        return views
    outline = coverage(seen, size).astype(np.float32)
    return {
        "background": seen_only(image, seen, size),
        "outline": outline,
        "region": seen_only(image, region, size),
        **views,
    }


def _tried(
    view: View, pixels: Array, targets: Mapping[Target, Array], part: Cohort, settings: ProbeSettings
) -> list[ProbeScore]:
    """Score one view for all targets, and the background also for labels that were dealt out anew."""
    names = list(targets)
    truth = np.stack(list(targets.values()), axis=1)  # (N, T)
    folds = _folds(truth, part, settings)
    generator = np.random.default_rng(settings.resampling.seed)
    shuffles = (_NETWORK_SHUFFLES if settings.network else _SHUFFLES) if view == "background" else 0
    runs = [truth, *(generator.permutation(truth) for _ in range(shuffles))]
    answers = _answers(pixels, runs, folds, settings)
    patients = ["\0".join(_person(case)) for case in part.cases]
    found = bootstrap(
        lambda weights: _areas(names, truth, answers[0], weights), patients, resampling=settings.resampling
    )
    scores = [ProbeScore(view, kind, name, False, area) for (kind, name), area in found.items()]
    if shuffles:
        weights = np.ones((1, len(truth)))
        drawn_areas = [_areas(names, *run, weights) for run in zip(runs[1:], answers[1:], strict=True)]
        for kind, name in found:
            values = [float(areas[kind, name][0]) for areas in drawn_areas]
            scores.append(ProbeScore(view, kind, name, True, _range(values, found[kind, name], settings)))
    return scores


def _answers(pixels: Array, runs: Sequence[Array], folds: Array, settings: ProbeSettings) -> list[Array]:
    """Score all images for each of some tables of labels, `(N, T)` each."""
    if settings.network:
        from sightline.evaluation.background_probe.network import network_scores

        return [network_scores(pixels, labels, folds, seed=settings.resampling.seed) for labels in runs]
    together = linear_scores(pixels.reshape(len(pixels), -1), np.concatenate(runs, axis=1), folds)
    return np.split(together, len(runs), axis=1)


def _range(values: list[float], like: Interval, settings: ProbeSettings) -> Interval:
    """Return the mean of some draws between the least and the largest, where a further one is by (n - 1) / (n + 1)."""
    number = len(values)
    method = f"least and largest of {number} shuffles"
    level = (number - 1) / (number + 1)
    mean, low, high = float(np.mean(values)), min(values), max(values)
    return Interval(mean, low, high, like.n, method, level, like.n_patients, number, settings.resampling.seed)


def _folds(truth: Array, part: Cohort, settings: ProbeSettings) -> Array:
    """Deal the patients out to folds that have each their share of every class or source."""
    labels = [tuple(row) for row in truth.tolist()]
    cases = tuple(replace(case, label=label, split="") for case, label in zip(part.cases, labels, strict=True))
    stratified = Cohort(part.root, "multilabel", tuple(map(str, range(truth.shape[1]))), cases)
    fractions = {str(fold): 1 / settings.folds for fold in range(settings.folds)}
    dealt = split_by_patient(stratified, fractions=fractions, seed=settings.resampling.seed)
    return np.asarray([int(case.split) for case in dealt.cases])


def _areas(targets: list[Target], labels: Array, answers: Array, weights: Array) -> dict[Target, Array]:
    """Return of each kind the mean area, and the area of each target."""
    each = {target: auroc(labels[:, index], answers[:, index], weights=weights) for index, target in enumerate(targets)}
    of_kind = {kind: [area for (other, _), area in each.items() if other == kind] for kind, _ in targets}
    return {(kind, MEAN): mean_defined(np.stack(found, axis=-1)) for kind, found in of_kind.items()} | each
