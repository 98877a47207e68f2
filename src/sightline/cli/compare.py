"""Train several recipes on one cohort and test them all alike.

  sightline compare plain isnet-stochastic data.cohort=my-xrays
  sightline compare --recipes plain,isnet,gain data.cohort=my-xrays --cost
  sightline compare runs/first runs/second
  sightline compare plain isnet data.cohort=my-xrays --seeds 0 1 2

Names and files are recipes: each is read after the files of -c and before the settings, and trained where it has not
been. Run folders are taken as they are.
"""

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from sightline.cli.output import say, say_json
from sightline.cli.parser import Parser
from sightline.cli.stopping import UsageError
from sightline.cli.talk import progress

if TYPE_CHECKING:
    from sightline.comparing import Comparison

FILES = ("comparison.csv", "comparison.tex", "comparison.json", "pairs.csv")
SETTINGS = ("sightline.training.settings", "TrainSettings")


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument(
        "--out", type=Path, default=Path("runs/comparison"), metavar="FOLDER", help="default: %(default)s"
    )
    parser.add_argument("--split", action="append", default=[], metavar="NAME", help="default: all but train and val")
    parser.add_argument("--recipes", default="", metavar="A,B,...", help="recipes to compare, as names do")
    parser.add_argument(
        "--seeds", nargs="+", type=int, default=[], metavar="SEED", help="train each recipe once with each of them"
    )
    parser.add_argument(
        "--cost", action="store_true", help="also time the training step of each, and count its weights"
    )
    parser.add_argument("--explain", type=int, metavar="N", help="explain at most N cases a condition; default: all")
    parser.add_common()


def run(arguments: Namespace) -> int:
    """Compare."""
    from sightline.cli.opening import open_runs
    from sightline.cli.scores import pairs_table, scores_table, side_by_side
    from sightline.cli.settings import read_settings, to_yaml, words_to_overrides
    from sightline.cli.training import train_in_stages
    from sightline.comparing import compare, recipe_of
    from sightline.evaluation import EvaluationSettings
    from sightline.training import TrainSettings

    names, overrides = words_to_overrides(arguments.words)
    names += [name for name in arguments.recipes.split(",") if name]
    if not names:
        raise UsageError("nothing to compare; name recipes or run folders, as in: sightline compare plain isnet")
    if arguments.seeds and any(Path(name).is_dir() for name in names):
        raise UsageError("--seeds is for recipes; a run folder was trained with a seed of its own")
    there = open_runs([Path(name) for name in names if Path(name).is_dir()])
    recipes = [settings for settings, _ in there.values()]
    recipes += [
        read_settings(TrainSettings, [*arguments.config, name], overrides) for name in names if not Path(name).is_dir()
    ]
    if arguments.print_config:
        say("---\n".join(map(to_yaml, recipes)).rstrip())
        return 0
    places = {name: folder.path for name, (_, folder) in there.items()}
    with progress() as stage:
        comparison = compare(
            recipes,
            arguments.out,
            splits=arguments.split,
            seeds=arguments.seeds,
            evaluation=EvaluationSettings(explain=arguments.explain),
            cost=arguments.cost,
            trainer=lambda recipe, folder: train_in_stages(recipe, places.get(recipe.name, folder), stage, resume=True),
            progress=lambda name, condition: stage(f"{name} on {condition}"),
        )
    guided = {recipe_of(recipe.name) for recipe in recipes if recipe.guidance is not None}
    drawn = _draw_costs(comparison, guided, arguments.out)
    if arguments.json:
        say_json(comparison.as_dict())
    else:
        say(scores_table(comparison.evaluations))
        say(f"\n{side_by_side(comparison)}")
        if len(comparison.recipes) > 1:
            say(f"\n{pairs_table(comparison)}")
        say("\n" + ", ".join(str(arguments.out / name) for name in (*FILES, *drawn)))
        elsewhere = [str(place) for place in places.values() if place.parent != arguments.out]
        say(f"next: sightline report {' '.join([str(arguments.out), *elsewhere])}")
    return 0


def _draw_costs(comparison: "Comparison", guided: set[str], folder: Path) -> list[str]:
    """Draw scores against costs, for the condition furthest from training; return the names of the files."""
    from sightline.cli.compared import priced
    from sightline.cli.score_tables import condition_words
    from sightline.reporting import pareto_figure, save_figure

    if not comparison.costs:
        return []
    hardest = comparison.hardest
    scores = {
        name: {metric: found.interval for metric, found in several.items()}
        for name, several in comparison.scores[hardest].items()
    }
    figure = pareto_figure(priced(scores, comparison.costs, guided), where=condition_words(hardest))
    save_figure(figure, folder / "costs.png")
    return ["costs.png"]
