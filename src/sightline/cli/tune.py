"""Search for the strength of guidance at which a known bias no longer helps.

  sightline tune -c isnet-stochastic data.cohort=my-xrays data.bias={}
  sightline tune -c isnet-stochastic data.cohort=my-xrays --setting guidance.tolerance --values 0.2,0.35,0.5

A classifier is trained for each value and tested on the validation images with the known bias and without it. Chosen is
the value that scores best among those at which the two scores are the same; a classifier that gives every image the
same answer does not count. The test images are not looked at. Run it again to continue.
"""

import logging
import shlex
from argparse import Namespace
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sightline.cli.output import say, say_json, table
from sightline.cli.parser import Parser
from sightline.cli.stopping import UsageError
from sightline.cli.talk import progress

if TYPE_CHECKING:
    from sightline.comparing.tune import Tuning
    from sightline.training import TrainSettings

SETTINGS = ("sightline.training.settings", "TrainSettings")

_STRENGTH, _STRENGTHS = "guidance.strength", "0.3,0.5,0.7"  # the paper's
_METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "auroc")
_log = logging.getLogger(__name__)


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("--out", type=Path, default=Path("runs/tuning"), metavar="FOLDER", help="default: %(default)s")
    parser.add_argument("--setting", default=_STRENGTH, metavar="KEY", help="what to vary; default: %(default)s")
    parser.add_argument("--values", metavar="A,B,...", help=f"its values; of {_STRENGTH} by default {_STRENGTHS}")
    parser.add_argument("--metric", choices=_METRICS, default="accuracy", help="to compare; default: %(default)s")
    parser.add_argument(
        "--tolerance",
        type=float,
        default=0.02,
        metavar="X",
        help="difference that counts as none; default: %(default)s",
    )
    parser.add_argument("--explain", type=int, metavar="N", help="explain at most N cases a condition; default: all")
    parser.add_common()


def run(arguments: Namespace) -> int:
    """Tune."""
    from sightline.cli.settings import to_yaml, words_to_overrides
    from sightline.cli.training import train_in_stages
    from sightline.comparing.tune import tune
    from sightline.evaluation import EvaluationSettings

    bare, overrides = words_to_overrides(arguments.words)
    if bare:
        raise UsageError(f"unknown argument {bare[0]}; files and recipes are given as -c {bare[0]}")
    candidates = _candidates(arguments, overrides)
    if arguments.print_config:
        say("---\n".join(map(to_yaml, candidates.values())).rstrip())
        return 0
    with progress() as stage:
        tuning = tune(
            candidates,
            arguments.out,
            setting=arguments.setting,
            metric=arguments.metric,
            tolerance=arguments.tolerance,
            evaluation=EvaluationSettings(explain=arguments.explain),
            trainer=lambda settings, folder: train_in_stages(settings, folder, stage, resume=True),
            progress=lambda name, condition: stage(f"{name} on {condition}"),
        )
    if not tuning.is_level(tuning.chosen):
        _log.warning("at none of these values are both scores the same and better than a guess; the nearest is shown")
    if arguments.json:
        say_json(tuning.as_dict())
    else:
        say(_table(tuning))
        again = _command(arguments.config, [*overrides, f"{tuning.setting}={tuning.chosen.value}"])
        say(f"\n{tuning.setting}={tuning.chosen.value}; next: sightline evaluate {tuning.chosen.run}")
        say(f"another seed: {again} seed=1")
    return 0


def _candidates(arguments: Namespace, overrides: list[str]) -> dict[str, "TrainSettings"]:
    """The settings of each value, by that value."""
    from sightline.cli.settings import read_settings
    from sightline.training import TrainSettings

    given = arguments.values or (_STRENGTHS if arguments.setting == _STRENGTH else "")
    values = [value.strip() for value in given.split(",") if value.strip()]
    if not values:
        raise UsageError(f"no values for {arguments.setting}; name them as in --values 0.3,0.5")
    if twice := next((value for value in values if values.count(value) > 1), None):
        raise UsageError(f"--values holds {twice} more than once")
    if any(word.partition("=")[0].replace("-", "_") == arguments.setting for word in overrides):
        raise UsageError(f"{arguments.setting} is what is varied; give its values by --values")
    leaf = arguments.setting.rpartition(".")[2]
    return {
        value: read_settings(
            TrainSettings,
            arguments.config,
            [*overrides, f"{arguments.setting}={value}", f"name={leaf}-{value.replace('/', '_')}"],
        )
        for value in values
    }


def _table(tuning: "Tuning") -> str:
    """Lay out a line a value; an asterisk marks the chosen one."""
    rows = [
        [
            f"{each.value}{' *' if each is tuning.chosen else ''}",
            f"{each.on:.3f}",
            f"{each.off:.3f}",
            f"{each.gap:.3f}",
            "yes" if tuning.is_level(each) else "guesses" if each.guesses else "no",
            "-" if each.inside != each.inside else f"{each.inside:.2f}",
        ]
        for each in tuning.candidates
    ]
    metric = tuning.metric.replace("_", " ")
    return table([tuning.setting, f"{metric}, bias on", "off", "gap", "level", "inside"], rows)


def _command(files: Sequence[str], overrides: Iterable[str]) -> str:
    words = ["sightline", "train", *(word for file in files for word in ("-c", file)), *overrides]
    return shlex.join(words)
