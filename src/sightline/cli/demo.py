"""Show it all on phantom X-rays: a plain and a guided classifier, and a report.

Nothing is needed and nothing is downloaded. Chest radiograph phantoms are made whose hospital marks give the class
away; both classifiers are trained on them and tested on other patients with the marks, without them, with those of
another hospital, and on a hospital never seen. Run it again to continue, or at once when all is there.
"""

import logging
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sightline.cli.output import say, say_json
from sightline.cli.parser import Parser
from sightline.cli.stopping import UsageError
from sightline.cli.talk import Stage, progress

if TYPE_CHECKING:
    from sightline.comparing import Comparison
    from sightline.training import TrainSettings

SETTINGS = ("sightline.training.settings", "TrainSettings")

_SETTINGS_FILE = Path(__file__).with_name("demo.yaml")
# Stricter than the recipe: level at the price of a lower score (docs/experiments/demo.md)
_STRICT = ("guidance.variant=stochastic", "guidance.strength=0.6", "guidance.tolerance=0.2", "guidance.margin=0.0")
_log = logging.getLogger(__name__)


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("--out", type=Path, default=Path("demo"), metavar="FOLDER", help="default: %(default)s")
    parser.add_argument("--counts", default="train=600,val=150,test=240,ood=240", help="phantoms; default: %(default)s")
    parser.add_common()


def run(arguments: Namespace) -> int:
    """Make the phantoms, train, test and report."""
    from sightline.cli.settings import to_yaml, words_to_overrides

    bare, overrides = words_to_overrides(arguments.words)
    if bare:
        raise UsageError(f"unknown argument {bare[0]}; settings look like epochs=4")
    recipes = demo_recipes(arguments.out, arguments.config, overrides)
    if arguments.print_config:
        say("---\n".join(map(to_yaml, recipes)).rstrip())
        return 0
    with progress() as stage:
        _make_cohort(arguments.out / "cohort", arguments.counts, recipes[0].data.preprocessing.size, stage)
        comparison = _compare(recipes, arguments.out, stage)
        answer = _report(recipes, comparison, arguments.out, stage)
    page = arguments.out / "report.html"
    if arguments.json:
        say_json({"report": page.as_posix(), "answer": answer, **comparison.as_dict()})
    else:
        say(f"\n{answer}\n\nThe report with pictures: {page}")
    return 0


def demo_recipes(folder: Path, files: list[str], overrides: list[str]) -> list["TrainSettings"]:
    """Settings of the plain and the guided run on the cohort in the folder of the demo."""
    from sightline.cli.settings import read_settings
    from sightline.training import TrainSettings

    cohort = f"data.cohort={(folder / 'cohort').as_posix()}"
    return [
        read_settings(TrainSettings, [recipe, str(_SETTINGS_FILE), *files], [cohort, *own, *overrides])
        for recipe, own in (("plain", ()), ("isnet", _STRICT))
    ]


def _make_cohort(folder: Path, counts: str, size: int, stage: Stage) -> None:
    from sightline.cli.preparing.pairs import pairs
    from sightline.data.phantoms import make_phantom_cohort

    wanted = pairs(counts, "--counts", int)
    if (folder / "cohort.csv").is_file():  # written last
        _log.info("phantoms: there already, in %s", folder)
        return
    make_phantom_cohort(folder, size=size, counts=wanted, progress=stage("phantoms"))


def _compare(recipes: list["TrainSettings"], folder: Path, stage: Stage) -> "Comparison":
    from sightline.cli.training import train_in_stages
    from sightline.comparing import compare

    return compare(
        recipes,
        folder,
        trainer=lambda recipe, place: train_in_stages(recipe, place, stage, resume=True),
        progress=lambda name, condition: stage(f"{name} on {condition}"),
    )


def _report(recipes: list["TrainSettings"], comparison: "Comparison", folder: Path, stage: Stage) -> str:
    from sightline.cli.contents import report_content
    from sightline.cli.gallery import usual_methods
    from sightline.comparing import read_stored
    from sightline.data import read_cohort
    from sightline.reporting import write_cards, write_report
    from sightline.reporting.words import answer
    from sightline.runs import RunFolder

    runs = {recipe.name: (recipe, RunFolder(folder / recipe.name)) for recipe in recipes}

    content = report_content(
        "Does it look at the lungs?",
        runs,
        comparison,
        read_cohort(recipes[0].data.cohort),
        summary=_summary(comparison),
        commands=("sightline demo",),
        region_name="the lungs",
        stored=read_stored(folder),
        methods=usual_methods(runs),
        stage=stage,
    )
    write_report(folder / "report.html", content)
    write_cards(folder, content.cards)
    return content.answer or answer(content.gaps, content.metric)


def _summary(comparison: "Comparison") -> tuple[str, ...]:
    """What the images are, and how much of each classifier's relevance lies where."""
    shares: Mapping[str, float] = {
        name: results[comparison.conditions[0]].metrics["relevance_inside"].value
        for name, results in comparison.evaluations.items()
    }
    told = " and ".join(f"{100 * share:.0f} % for {name}" for name, share in shares.items())
    return (
        "The images are computed chest radiographs. In training every finding comes from one hospital, whose letters "
        "and borders give it away; both classifiers saw the same images.",
        f"Share of the relevance inside the lungs, on test images with the marks: {told}.",
    )
