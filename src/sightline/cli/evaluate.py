"""Test runs: scores with intervals, and the share of relevance inside the region.

Of a model that draws maps, trained on gaze, also how well the maps fit the gaze; of volumes whose organs are known, how
much of what the model looks at for a finding lies in the right organ.

sightline evaluate runs/isnet
sightline evaluate runs/isnet --split test ood --bias on off
"""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightline.cli.output import say, say_json
from sightline.cli.parser import Parser
from sightline.cli.stopping import UsageError
from sightline.cli.talk import progress

if TYPE_CHECKING:
    from sightline.cli.saliency import Found
    from sightline.comparing import Condition
    from sightline.evaluation import Evaluation


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folder")
    parser.add_argument("--split", nargs="+", default=[], metavar="NAME", help="default: all but train and val")
    parser.add_argument("--bias", nargs="+", choices=("on", "off", "swapped"), metavar="on|off|swapped")
    parser.add_argument("--explain", type=int, metavar="N", help="explain at most N cases a condition; default: all")
    parser.add_argument("--keep", type=int, default=12, metavar="N", help="maps to keep for reports; default: 12")
    parser.add_argument("--again", action="store_true", help="compute anew what was computed before")
    parser.add_common()


def run(arguments: Namespace) -> int:
    """Evaluate."""
    from sightline.cli.opening import open_runs
    from sightline.cli.organ_iou import find_organ_iou, organ_iou_table
    from sightline.cli.saliency import find_saliency, saliency_table
    from sightline.cli.scores import scores_table
    from sightline.comparing import conditions_of, evaluate_run
    from sightline.data import read_cohort
    from sightline.evaluation import EvaluationSettings

    options = EvaluationSettings(explain=arguments.explain, keep=arguments.keep)
    found: dict[str, dict[Condition, Evaluation]] = {}
    runs = open_runs(arguments.runs)
    with progress() as stage:
        for name, (settings, folder) in runs.items():
            cohort = read_cohort(settings.data.cohort)
            found[name] = evaluate_run(
                settings,
                folder,
                _chosen(conditions_of(cohort, settings.data.bias, arguments.split), arguments.bias),
                cohort=cohort,
                evaluation=options,
                again=arguments.again,
                progress=lambda condition, name=name: stage(f"{name} on {condition}"),  # type: ignore[misc]
            )
    folders = {name: folder for name, (_, folder) in runs.items()}
    drawn, organs = find_saliency(folders, found), find_organ_iou(folders, found)
    if arguments.json:
        say_json(
            {
                name: {
                    str(c): result.as_dict() | _more("saliency", drawn, name, c) | _more("organ_iou", organs, name, c)
                    for c, result in results.items()
                }
                for name, results in found.items()
            }
        )
    else:
        say(scores_table(found))
        if drawn:
            say(f"\n{saliency_table(drawn)}")
        if organs:
            say(f"\n{organ_iou_table(organs)}")
    return 0


def _more(key: str, measured: "Found", name: str, condition: "Condition") -> dict[str, Any]:
    """What was measured besides the scores of a run under a condition, if it was."""
    found = measured.get(name, {}).get(condition)
    return {} if found is None else {key: found}


def _chosen(conditions: Sequence["Condition"], biases: Sequence[str] | None) -> list["Condition"]:
    found = [condition for condition in conditions if biases is None or condition.bias in biases]
    if not found:
        raise UsageError(f"--bias {' '.join(biases or ())}: there is {', '.join(map(str, conditions))} only")
    return found
