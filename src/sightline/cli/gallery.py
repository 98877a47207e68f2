"""The heatmap gallery of a report: which cases, and what each run saw in them."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sightline.attribution import Explainer
from sightline.attribution.methods import methods as all_methods
from sightline.cli.talk import Stage
from sightline.comparing import EXPLAINER, Comparison, Condition, choose_cases
from sightline.comparing.drawn_maps import draw_maps
from sightline.comparing.worst_cases import explained_class, worst_cases
from sightline.data import Case, Cohort
from sightline.errors import SightlineError
from sightline.evaluation import Evaluation
from sightline.reporting import GalleryMap, GalleryRow
from sightline.reporting.gallery_rows import CONFIDENT
from sightline.reporting.planes import best_slice
from sightline.runs import RunFolder
from sightline.training import TrainSettings

Runs = Mapping[str, tuple[TrainSettings, RunFolder]]
Array = NDArray[np.float32]

METHODS = ("lrp", "grad_cam")
_FEW = 4  # classes that are all shown; of more, those that the answer or the label names
_MOST = 5
_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class _Seen:
    """A map of a case, whether it was kept or drawn: arrays `(C, *S)`, `(*S)` and `(*S)`."""

    method: str
    of: int
    image: Array
    attribution: Array
    region: Array
    share: float


_Place = tuple[Condition, str]  # a condition and a case
_Found = dict[_Place, dict[str, list[_Seen]]]


def usual_methods(runs: Runs) -> dict[str, Explainer]:
    """Name the methods that a report draws by unless told otherwise; none for volumes, which take minutes."""
    if any(settings.data.volume is not None for settings, _ in runs.values()):
        return {}
    return {name: EXPLAINER if name == "lrp" else all_methods()[name].explainer() for name in METHODS}


def gallery_rows(
    runs: Runs,
    comparison: Comparison,
    cohort: Cohort,
    *,
    methods: Mapping[str, Explainer],
    number: int,
    stage: Stage | None = None,
) -> tuple[GalleryRow, ...]:
    """Show cases as every run sees them, with their bias and without it.

    Half of them come from each class in turn, whatever the models answered; the others are the worst.

    Args:
        runs: settings and folder of each, by name.
        comparison: their evaluations.
        cohort: what they were tested on.
        methods: draw the maps, by name; without any, or where they cannot be drawn, those that were kept are shown.
        number: most cases.
        stage: begins a stage of the work, see `talk.progress`.
    """
    split = comparison.conditions[0].split
    conditions = [c for c in comparison.conditions if c.split == split and c.bias in ("on", "off")]
    cases = {case.id: case for case in cohort.split(split).cases}
    in_turn = [case.id for case in choose_cases(cohort.split(split), number=len(cases))]
    given = in_turn[: -(-number // 2)]
    worst: tuple[str, ...] = ()
    found: _Found = {}
    if methods:
        results = [each[conditions[0]].predictions for each in comparison.evaluations.values()]
        worst = worst_cases(results, number=number - len(given), sure=CONFIDENT, without=given)
        wanted = {c: [*given, *worst] if c == conditions[0] else given for c in conditions}
        try:
            found = _of_all_runs(_drawn(runs, comparison, cohort, wanted, methods, stage), runs)
        except SightlineError as error:
            _log.warning("the gallery shows the maps that evaluate kept, as no others can be drawn: %s", error)
    if not found:
        found = _of_all_runs(_kept(comparison, conditions), runs)
        given, worst = [case for case in in_turn if any((c, case) in found for c in conditions)][:number], ()
    return tuple(
        _row(cases[case], condition, found[condition, case], comparison, cohort, given=case in given)
        for case in (*given, *worst)
        for condition in conditions
        if (condition, case) in found
    )


def _of_all_runs(found: _Found, runs: Runs) -> _Found:
    return {place: seen for place, seen in found.items() if len(seen) == len(runs)}


def _kept(comparison: Comparison, conditions: Sequence[Condition]) -> _Found:
    """Maps that `evaluate` kept, which were chosen without asking a model."""
    found: _Found = {}
    for name, results in comparison.evaluations.items():
        for condition in conditions:
            result = results[condition]
            by = result.explained_by.partition("(")[0]
            for case, kept in result.maps.items():
                row = result.predictions.cases.index(case)
                of = int(explained_class(result.predictions)[row])
                share = float(result.predictions.relevance_inside[row])
                seen = _Seen(by, of, kept.image, kept.attribution, kept.region[0], share)
                found.setdefault((condition, case), {})[name] = [seen]
    return found


def _drawn(
    runs: Runs,
    comparison: Comparison,
    cohort: Cohort,
    wanted: Mapping[Condition, Sequence[str]],
    methods: Mapping[str, Explainer],
    stage: Stage | None,
) -> _Found:
    found: _Found = {}
    titles = {name: method.title for name, method in all_methods().items()}

    def leave_out(method: str, error: SightlineError) -> None:
        _log.warning("%s is left out of the gallery: %s", method, error)

    for name, (settings, run) in runs.items():
        advance = stage(f"maps of {name}") if stage else None
        for condition, piece in draw_maps(settings, run, cohort, wanted, methods, unfit=leave_out, progress=advance):
            shown = _shown_classes(comparison.evaluations[name][condition], piece.case)
            mine = found.setdefault((condition, piece.case), {}).setdefault(name, [])
            for index, of in enumerate(piece.classes.tolist()):
                if of in shown:
                    share = float(piece.relevance_inside[index])
                    title = titles.get(piece.method, piece.method)
                    mine.append(_Seen(title, of, piece.image, piece.maps[index], piece.regions[index], share))
            mine.sort(key=lambda seen: shown.index(seen.of))  # which leaves the methods in their order
    return found


def _shown_classes(result: Evaluation, case: str) -> list[int]:
    """Classes whose maps are shown, that of the answer first: all of a few, else those answered and true."""
    known = result.predictions
    row = known.cases.index(case)
    of = int(explained_class(known)[row])
    if known.task == "multilabel":
        named = [*np.flatnonzero(known.labels[row] == 1), *np.flatnonzero(known.predicted[row] == 1)]
    else:
        named = [known.predicted[row], known.labels[row]]
    others = range(len(known.classes)) if len(known.classes) <= _FEW else map(int, named)
    return list(dict.fromkeys([of, *others]))[:_MOST]


def _row(
    case: Case,
    condition: Condition,
    seen: Mapping[str, Sequence[_Seen]],
    comparison: Comparison,
    cohort: Cohort,
    *,
    given: bool,
) -> GalleryRow:
    slices = _slices(seen)
    maps = tuple(
        _gallery_map(name, comparison.evaluations[name][condition], case.id, each, slices)
        for name, several in seen.items()
        for each in several
    )
    first = next(iter(seen.values()))[0]
    image, region, _ = _flat(first, slices)
    one = cohort.task != "multilabel"
    return GalleryRow(
        case.id,
        image,
        _label_words(case, cohort),
        maps,
        region if one else None,  # of several labels each may have its own
        condition.bias,
        as_it_comes=given,
        note=slices[first.of][1].partition(",")[0] if slices else "",
        labels=_labels(case, cohort),
    )


def _gallery_map(
    name: str, result: Evaluation, case: str, seen: _Seen, slices: Mapping[int, tuple[int, str]]
) -> GalleryMap:
    known = result.predictions
    row = known.cases.index(case)
    image, region, attribution = _flat(seen, slices)
    probability = float(known.probabilities[row, seen.of])
    if known.task == "multilabel":
        yes, truth = bool(known.predicted[row, seen.of]), known.labels[row, seen.of]
        predicted = f"{'' if yes else 'no '}{known.classes[seen.of]}"
        truth_known = truth in (0, 1)
        right = yes == bool(truth == 1)
        confident = max(probability, 1 - probability) >= CONFIDENT
    else:
        predicted = known.classes[int(known.predicted[row])]
        truth_known = True
        right = bool(known.predicted[row] == known.labels[row])
        confident = float(known.probabilities[row, known.predicted[row]]) >= CONFIDENT
    return GalleryMap(
        name,
        attribution,
        predicted,
        seen.share,
        probability,
        known.classes[seen.of],
        seen.method,
        right=right,
        truth_known=truth_known,
        confident=confident,
        image=image,
        region=region,
        note=slices[seen.of][1] if slices else "",
    )


def _slices(seen: Mapping[str, Sequence[_Seen]]) -> dict[int, tuple[int, str]]:
    """Of volumes, the slice to show for each class, the same for all runs, and what it is; empty of images."""
    found: dict[int, tuple[int, str]] = {}
    for each in (each for several in seen.values() for each in several):
        if each.attribution.ndim == 3 and each.of not in found:
            found[each.of] = best_slice(each.attribution, each.region)
    return found


def _flat(seen: _Seen, slices: Mapping[int, tuple[int, str]]) -> tuple[Array, Array, Array]:
    """Image, region and map in two axes."""
    if not slices:
        return seen.image, seen.region, seen.attribution
    depth, _ = slices[seen.of]
    return seen.image[:, depth], seen.region[depth], seen.attribution[depth]


def _labels(case: Case, cohort: Cohort) -> tuple[str, ...]:
    """Classes that a case has."""
    if isinstance(case.label, int):
        return (cohort.classes[case.label],)
    return tuple(name for name, value in zip(cohort.classes, case.label, strict=True) if value == 1)


def _label_words(case: Case, cohort: Cohort) -> str:
    """Say the label of a case."""
    without = "not known" if isinstance(case.label, int) or any(value != 0 for value in case.label) else "none"
    return ", ".join(_labels(case, cohort)) or without
