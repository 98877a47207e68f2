"""Write one HTML page about runs that were evaluated: the answer, the numbers, the heatmaps, and cards beside it.

Of the folder of a comparison it also shows every two recipes against each other, and what they cost. Runs that share
a name are called by their folders.

The maps of the gallery are drawn from the weights of the runs, by every method named and of every class. Beside the
page stand a model card of each run and the data sheet of their cohort, in Markdown.

sightline report runs/comparison
sightline report runs/plain runs/isnet --out plain-or-isnet.html --method lrp hirescam
"""

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from sightline.cli.output import say, say_json
from sightline.cli.parser import Parser
from sightline.cli.stopping import UsageError
from sightline.cli.talk import progress

if TYPE_CHECKING:
    from sightline.attribution import Explainer
    from sightline.cli.gallery import Runs


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="runs, or the folder of a comparison")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: report.html in the (first) folder")
    parser.add_argument("--title", help="default: names the runs")
    parser.add_argument(
        "--method",
        nargs="+",
        default=[],
        metavar="NAME",
        help="how maps are drawn, see explain --list; default: lrp grad_cam, of volumes the maps that evaluate kept",
    )
    parser.add_argument("--kept", action="store_true", help="draw no maps, show those that evaluate kept")
    parser.add_argument("--cases", type=int, metavar="N", help="most cases in the gallery; default: 12")
    parser.add_common()


def run(arguments: Namespace) -> int:
    """Write the report."""
    from sightline.cli.compared import find_stored
    from sightline.cli.contents import GALLERY_CASES, read_comparison, report_content
    from sightline.cli.opening import open_runs
    from sightline.data import read_cohort
    from sightline.reporting import write_cards, write_report
    from sightline.reporting.words import answer

    if arguments.cases is not None and arguments.cases < 1:
        raise UsageError(f"--cases must be at least 1, got {arguments.cases}")
    if arguments.kept and arguments.method:
        raise UsageError("--kept shows the maps that are there; leave out --method, or draw with it")
    runs = open_runs(_with_runs(arguments.folders), rename=True)
    settings, _ = next(iter(runs.values()))
    out = arguments.out or arguments.folders[0] / "report.html"
    folders = " ".join(folder.as_posix() for folder in arguments.folders)
    names, comparison = list(runs), read_comparison(runs)
    with progress() as stage:
        content = report_content(
            arguments.title or " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))),
            runs,
            comparison,
            read_cohort(settings.data.cohort),
            commands=(f"sightline report {folders}",),
            stored=find_stored(arguments.folders, runs, comparison),
            methods=_methods(arguments, runs),
            cases=arguments.cases or GALLERY_CASES,
            stage=stage,
        )
    write_report(out, content)
    cards = write_cards(out.parent, content.cards)
    sentence = content.answer or answer(content.gaps, content.metric)
    if arguments.json:
        told = {"report": out.as_posix(), "answer": sentence, "cards": [file.as_posix() for file in cards]}
        say_json(told)
    else:
        say(f"{out}\n{sentence}\nbeside it: {', '.join(file.name for file in cards)}")
    return 0


def _with_runs(folders: list[Path]) -> list[Path]:
    """Leave out the folders of comparisons whose runs lie elsewhere."""
    from sightline.cli.opening import runs_in
    from sightline.comparing.stored import FILE
    from sightline.errors import RunError

    bare = [folder for folder in folders if (folder / FILE).is_file() and not runs_in(folder)]
    if len(bare) == len(folders):
        raise RunError(f"{bare[0]} holds a comparison of runs that lie elsewhere; name them too, behind it")
    return [folder for folder in folders if folder not in bare]


def _methods(arguments: Namespace, runs: "Runs") -> "dict[str, Explainer]":
    from sightline.cli.gallery import usual_methods
    from sightline.cli.method_words import chosen_methods

    if arguments.kept:
        return {}
    if not arguments.method:
        return usual_methods(runs)
    return chosen_methods(arguments.method, (), layers=(), batch_size=None)
