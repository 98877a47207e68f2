"""What a report says about finished and tested runs."""

import json
from collections.abc import Mapping, Sequence

from sightline.attribution import Explainer
from sightline.cli.cards import make_cards
from sightline.cli.compared import cost_table, guided_recipes, pair_tables, priced
from sightline.cli.gallery import Runs, gallery_rows
from sightline.cli.score_tables import METRICS, attention_tables, condition_words, detail_tables, score
from sightline.cli.settings import to_yaml
from sightline.cli.talk import Stage
from sightline.comparing import Comparison, Condition, StoredComparison, maps_folder
from sightline.data import Cohort
from sightline.errors import RunError
from sightline.evaluation import read_evaluation
from sightline.reporting import Confusion, GapRow, ReportContent, ScoreRow, curves_of
from sightline.runs import RunFolder

GALLERY_CASES = 12
_ONE_SEED = (
    "Trained with one seed. The intervals say what other patients would have changed, not what another seed would."
)
_SEEDS = "The intervals say what other patients would have changed; what other seeds would, the runs of a recipe do."
_MAPS = "A map shows what moved this answer of this model. It says nothing about the patient."


def read_comparison(runs: Runs) -> Comparison:
    """Read the evaluations that all runs have.

    Raises:
        RunError: there is none.
    """
    there = {name: _tested(run) for name, (_, run) in runs.items()}
    first = next(iter(there.values()), [])
    shared = [condition for condition in first if all(condition in tested for tested in there.values())]
    if not shared:
        raise RunError(f"no evaluation that all of {', '.join(runs)} have; run sightline evaluate first")
    return Comparison(
        {
            name: {
                condition: read_evaluation(
                    run.evaluation(condition.split, condition.bias), maps=maps_folder(run, condition)
                )
                for condition in shared
            }
            for name, (_, run) in runs.items()
        }
    )


def report_content(
    title: str,
    runs: Runs,
    comparison: Comparison,
    cohort: Cohort,
    *,
    summary: Sequence[str] = (),
    commands: Sequence[str] = (),
    region_name: str = "the region",
    stored: StoredComparison | None = None,
    methods: Mapping[str, Explainer] | None = None,
    cases: int = GALLERY_CASES,
    stage: Stage | None = None,
) -> ReportContent:
    """Gather everything that the report of these runs shows.

    Args:
        title: heading of the page.
        runs: settings and folder of each, by name.
        comparison: their evaluations.
        cohort: what they were tested on.
        summary: sentences after the answer.
        commands: what makes the report again.
        region_name: what is inside the region, with its article.
        stored: what the folder of a comparison tells of every two recipes and of costs.
        methods: draw the maps of the gallery anew, by name; None shows those that evaluate kept.
        cases: most cases in the gallery.
        stage: begins a stage of the work, see `talk.progress`.
    """
    guided = {name: settings.guidance is not None for name, (settings, _) in runs.items()}
    limits = (_ONE_SEED if len(comparison.recipes) == len(runs) else _SEEDS, _MAPS)
    return ReportContent(
        title=title,
        gaps=_gaps(comparison, guided),
        table=_table(comparison),
        details=detail_tables(comparison),
        pairs=pair_tables(stored) if stored else (),
        costs=priced(stored.scores[stored.hardest], stored.costs, guided_recipes(runs)) if stored else (),
        costs_where=condition_words(stored.hardest) if stored else "",
        costs_table=cost_table(stored) if stored else None,
        attention=attention_tables(runs, comparison),
        gallery=gallery_rows(runs, comparison, cohort, methods=methods or {}, number=cases, stage=stage),
        curves=tuple(
            curve for name, (_, run) in runs.items() for curve in curves_of(name, run.metrics, guided=guided[name])
        ),
        confusions=_confusions(comparison),
        summary=tuple(summary),
        chance=None if cohort.task == "multilabel" else 1 / cohort.num_classes,
        region_name=region_name,
        settings={name: to_yaml(settings) for name, (settings, _) in runs.items()},
        facts=_facts(runs, cohort),
        commands=tuple(commands),
        environment=_environment(next(iter(runs.values()))[1]),
        limits=limits,
        cards=make_cards(runs, comparison, cohort, limits=limits),
    )


def _tested(run: RunFolder) -> list[Condition]:
    """Conditions that a run was tested under: the test split first, each with its bias on, off, swapped."""
    found = [Condition.parse(file.parent.name) for file in (run.path / "evaluation").glob("*/metrics.json")]
    order = ("on", "off", "swapped")
    return sorted(found, key=lambda c: (c.split != "test", c.split, order.index(c.bias)))


def _label(condition: Condition, main: str) -> str:
    """Name of a condition in figures: the bias on the main split, the name of any other split."""
    return condition.bias if condition.split == main else str(condition)


def _gaps(comparison: Comparison, guided: Mapping[str, bool]) -> tuple[GapRow, ...]:
    main = comparison.conditions[0].split
    changes = comparison.changes()
    rows = []
    for name, results in comparison.evaluations.items():
        shown = {
            _label(c, main): score(r.metrics["macro_f1"])
            for c, r in results.items()
            if c.bias == "on" or c.split == main
        }
        moved = {_label(c, main): score(m["macro_f1"]) for c, m in changes[name].items() if c.split == main}
        rows.append(GapRow(name, shown, guided[name], moved))
    return tuple(rows)


def _table(comparison: Comparison) -> tuple[ScoreRow, ...]:
    return tuple(
        ScoreRow(
            name,
            condition_words(condition),
            {title: score(result.metrics[key]) for key, title in METRICS.items() if key in result.metrics},
            len(result.predictions),
        )
        for name, results in comparison.evaluations.items()
        for condition, result in results.items()
    )


def _confusions(comparison: Comparison) -> tuple[Confusion, ...]:
    main = comparison.conditions[0].split
    return tuple(
        Confusion(name, condition.bias, result.scores.confusion, result.predictions.classes)
        for name, results in comparison.evaluations.items()
        for condition, result in results.items()
        if condition.split == main and condition.bias in ("on", "off") and result.predictions.task != "multilabel"
    )


def _facts(runs: Runs, cohort: Cohort) -> dict[str, str]:
    counts = ", ".join(f"{name} {len(cohort.split(name).cases)}" for name in cohort.splits)
    seeds = ", ".join(f"{name} {settings.seed}" for name, (settings, _) in runs.items())
    return {"Images": counts, "Classes": ", ".join(cohort.classes), "Seeds": seeds}


def _environment(run: RunFolder) -> dict[str, str]:
    """On what a run was trained."""
    file = run.path / "environment.json"
    facts = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    shown = {
        name: ", ".join(map(str, value)) if isinstance(value, list) else str(value) for name, value in facts.items()
    }
    return {name: value for name, value in shown.items() if value and name != "command"}
