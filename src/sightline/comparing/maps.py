"""Maps of chosen cases of a run, for looking at."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sightline.attribution import Explainer, Label, Predicted, Target
from sightline.comparing.conditions import Condition
from sightline.comparing.protocol import EXPLAINER, condition_batches, load_trained
from sightline.data import Case, Cohort, read_cohort
from sightline.errors import DataError
from sightline.evaluation import CaseMap
from sightline.evaluation.explaining import explain_batch
from sightline.evaluation.predictions import probabilities_of
from sightline.runs import RunFolder
from sightline.training import TrainSettings
from sightline.types import Batch


@dataclass(frozen=True, eq=False)
class Explained:
    """What a run saw in one case.

    Attributes:
        case: the case.
        kept: image, region and map.
        probabilities: of each class, `(K,)`.
        relevance_inside: share of the absolute relevance inside the region; NaN where unknown.
    """

    case: Case
    kept: CaseMap
    probabilities: tuple[float, ...]
    relevance_inside: float


def choose_cases(cohort: Cohort, *, number: int = 12, names: Sequence[str] = ()) -> tuple[Case, ...]:
    """Choose cases by name, or the first of each class in turn; no model has a say in it.

    Raises:
        DataError: there is no case of a name.
    """
    by_name = {case.id: case for case in cohort.cases}
    for name in names:
        if name not in by_name:
            raise DataError(f"no case {name!r} among the {len(by_name)} cases of this split")
    if names:
        return tuple(by_name[name] for name in names)
    queues: dict[int, list[Case]] = {}
    for case in cohort.cases:
        queues.setdefault(_stratum(case), []).append(case)
    turns = [queue[turn] for turn in range(number) for _, queue in sorted(queues.items()) if turn < len(queue)]
    return tuple(turns[:number])


def explain_cases(
    settings: TrainSettings,
    run: RunFolder,
    condition: Condition,
    *,
    number: int = 12,
    names: Sequence[str] = (),
    of_label: bool = False,
    explainer: Explainer = EXPLAINER,
) -> list[Explained]:
    """Explain some cases of a run.

    Args:
        settings: those of the run.
        run: a finished run.
        condition: which images.
        number: how many, spread over the classes.
        names: these cases instead.
        of_label: explain the true class instead of the predicted one; for one label an image only.
        explainer: draws the maps.

    Raises:
        RunError: the run has no final weights.
        DataError: there is no such split or case.
    """
    cohort = read_cohort(settings.data.cohort)
    model = load_trained(settings, run, num_classes=cohort.num_classes)
    cases = choose_cases(cohort.split(condition.split), number=number, names=names)
    by_name = {case.id: case for case in cases}
    found = []
    for batch in condition_batches(settings.data, replace(cohort, cases=cases), condition):
        keep = np.ones(len(batch.cases), dtype=bool)
        measured = explain_batch(explainer, _target(batch, of_label=of_label), model, batch, keep=keep)
        answers = probabilities_of(measured.logits, cohort.task, cohort.num_classes)
        found += [
            Explained(by_name[name], measured.maps[name], tuple(map(float, answer)), float(share))
            for name, answer, share in zip(batch.cases, answers, measured.relevance_inside, strict=True)
        ]
    return found


def _target(batch: Batch, *, of_label: bool) -> Target:
    return Label(batch.labels) if of_label else Predicted()


def _stratum(case: Case) -> int:
    """The class of a case; of several labels the first."""
    if isinstance(case.label, int):
        return case.label
    return next((index for index, value in enumerate(case.label) if value == 1), len(case.label))
