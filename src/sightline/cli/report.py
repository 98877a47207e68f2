"""Write one HTML page about runs that were evaluated: the answer, the numbers, the heatmaps.

sightline report runs/comparison
sightline report runs/plain runs/isnet --out plain-or-isnet.html
"""

from argparse import Namespace
from pathlib import Path

from sightline.cli.output import say, say_json
from sightline.cli.parser import Parser


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="runs, or the folder of a comparison")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: report.html in the (first) folder")
    parser.add_argument("--title", help="default: names the runs")
    parser.add_common()


def run(arguments: Namespace) -> int:
    """Write the report."""
    from sightline.cli.contents import read_comparison, report_content
    from sightline.cli.opening import open_runs
    from sightline.data import read_cohort
    from sightline.reporting import write_report
    from sightline.reporting.words import answer

    runs = open_runs(arguments.folders)
    settings, _ = next(iter(runs.values()))
    out = arguments.out or arguments.folders[0] / "report.html"
    folders = " ".join(folder.as_posix() for folder in arguments.folders)
    content = report_content(
        arguments.title or " and ".join(runs),
        runs,
        read_comparison(runs),
        read_cohort(settings.data.cohort),
        commands=(f"sightline report {folders}",),
    )
    write_report(out, content)
    sentence = content.answer or answer(content.gaps, content.metric)
    if arguments.json:
        say_json({"report": out.as_posix(), "answer": sentence})
    else:
        say(f"{out}\n{sentence}")
    return 0
