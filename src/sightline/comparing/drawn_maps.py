"""Maps of chosen cases, drawn anew from the weights of a run: by several methods, of every class."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from sightline.attribution import Explainer
from sightline.comparing.conditions import Condition
from sightline.comparing.protocol import Progress, condition_batches
from sightline.data import Cohort
from sightline.errors import SightlineError
from sightline.evaluation.explain_cases import Piece, explain_cases, images_at_once
from sightline.runs import RunFolder
from sightline.training import TrainSettings, load_trained


def draw_maps(
    settings: TrainSettings,
    run: RunFolder,
    cohort: Cohort,
    wanted: Mapping[Condition, Sequence[str]],
    methods: Mapping[str, Explainer],
    *,
    unfit: Callable[[str, SightlineError], None] | None = None,
    progress: Progress | None = None,
) -> Iterator[tuple[Condition, Piece]]:
    """Explain cases of a run by each method, one map a class.

    Args:
        settings: those of the run.
        run: a finished run.
        cohort: with these cases.
        wanted: names of cases, by the condition under which they are to be seen.
        methods: explainers by name.
        unfit: told of a method that cannot explain this model, which is left out; None raises its error.
        progress: called with how many maps are done, and how many there are.

    Yields:
        Condition and piece; the maps of a case by one method may come in several pieces, one right after the other.

    Raises:
        RunError: the run has no final weights.
        SightlineError: an image cannot be used, or a method cannot explain the model.
    """
    model = load_trained(settings, run, num_classes=cohort.num_classes)
    at_once = settings.data.batch_size
    data = replace(settings.data, batch_size=images_at_once(at_once, "every", cohort.num_classes))
    total, done = sum(map(len, wanted.values())) * len(methods), 0
    for condition, names in wanted.items():
        chosen = tuple(case for case in cohort.split(condition.split).cases if case.id in set(names))
        if not chosen:
            continue
        before: tuple[str, str] | None = None
        for piece in explain_cases(
            model,
            condition_batches(data, replace(cohort, cases=chosen), condition),
            methods,
            aim="every",
            task=cohort.task,
            num_classes=cohort.num_classes,
            maps_at_once=at_once,
            unfit=unfit,
        ):
            yield condition, piece
            if (piece.case, piece.method) != before:
                before, done = (piece.case, piece.method), done + 1
                if progress is not None:
                    progress(done, total)
