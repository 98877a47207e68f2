"""Train several recipes and test them all alike."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from sightline.comparing.comparison import Comparison
from sightline.comparing.conditions import Condition, conditions_of
from sightline.comparing.protocol import Progress, condition_batches, evaluate_run
from sightline.comparing.seeds import recipe_of, with_seeds
from sightline.data import Cohort, read_cohort
from sightline.errors import SettingsError
from sightline.evaluation import EvaluationSettings
from sightline.runs import RunFolder, write_json
from sightline.training import StepCost, TrainSettings, step_cost, train


def compare(
    recipes: Sequence[TrainSettings],
    folder: Path,
    *,
    splits: Sequence[str] = (),
    seeds: Sequence[int] = (),
    evaluation: EvaluationSettings | None = None,
    cost: bool = False,
    trainer: Callable[[TrainSettings, Path], RunFolder] | None = None,
    progress: Callable[[str, Condition], Progress] | None = None,
) -> Comparison:
    """Train each recipe into a folder of its name, test it, and write the table of all.

    What is there is taken as it is: finished runs and their evaluations are read, a run that was interrupted goes on.

    Args:
        recipes: settings of the runs, each with a name of its own, on the same cohort.
        folder: holds the runs and the tables, see `Comparison.write`.
        splits: what to test on; all but `train` and `val` by default.
        seeds: train each recipe once with each of them, into folders `NAME-seed-SEED`; by default once, with its own.
        evaluation: how much to explain, how to draw intervals.
        cost: also time the training step of each recipe, and count its weights.
        trainer: trains one recipe into its run folder, or continues it there; `train` by default.
        progress: asked for a function of batches done and batches in all, once a recipe and condition.

    Raises:
        SettingsError: two recipes have one name, or two seeds are the same, or the recipes are of different cohorts.
        RunError: a folder holds a run with other settings.
    """
    _check(recipes)
    recipes = with_seeds(recipes, seeds)
    start = trainer or _train
    cohort = read_cohort(recipes[0].data.cohort)
    wanted = {recipe.name: conditions_of(cohort, recipe.data.bias, splits) for recipe in recipes}
    shared = [condition for condition in wanted[recipes[0].name] if all(condition in each for each in wanted.values())]
    evaluations, costs = {}, {}
    for recipe in recipes:
        run = start(recipe, folder / recipe.name)
        evaluations[recipe.name] = evaluate_run(
            recipe,
            run,
            shared,
            evaluation=evaluation,
            progress=(lambda condition, name=recipe.name: progress(name, condition)) if progress else None,  # type: ignore[misc]
        )
        if cost and recipe_of(recipe.name) not in costs:
            costs[recipe_of(recipe.name)] = _cost(recipe, run, cohort)
    comparison = Comparison(evaluations, costs)
    comparison.write(folder)
    return comparison


def _cost(recipe: TrainSettings, run: RunFolder, cohort: Cohort) -> StepCost:
    """Read what a run's step costs, or measure it on the first batch of the training split."""
    file = run.path / "step_cost.json"
    if file.is_file():
        return StepCost(**json.loads(file.read_text(encoding="utf-8")))
    batch = next(iter(condition_batches(recipe.data, cohort, Condition("train"))))
    found = step_cost(recipe, batch, num_classes=cohort.num_classes)
    write_json(file, found.as_dict())
    return found


def _check(recipes: Sequence[TrainSettings]) -> None:
    names = [recipe.name for recipe in recipes]
    if not names:
        raise SettingsError("nothing to compare; name at least one recipe")
    if len(set(names)) < len(names):
        raise SettingsError(f"recipes need different names, got {', '.join(names)}; set name=...")
    cohorts = {recipe.data.cohort for recipe in recipes}
    if len(cohorts) > 1:
        raise SettingsError(f"recipes are compared on one cohort, got {', '.join(sorted(map(str, cohorts)))}")


def _train(recipe: TrainSettings, folder: Path) -> RunFolder:
    return train(recipe, folder, resume=(folder / "config.yaml").is_file())
