"""Draw where a run looks: heatmaps over the images, red for the class and blue against it.

sightline explain runs/isnet --split test --number 12
"""

from argparse import Namespace
from pathlib import Path
from typing import Any

from sightline.cli.output import say, say_json, table
from sightline.cli.parser import Parser

SIDE = 448  # pixels of a picture


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("run", type=Path, metavar="RUN", help="run folder")
    parser.add_argument("--split", default="test", help="default: %(default)s")
    parser.add_argument("--bias", default="on", choices=("on", "off", "swapped"), help="default: %(default)s")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--number", type=int, default=12, metavar="N", help="images, spread over classes; default: 12")
    which.add_argument("--cases", nargs="+", default=[], metavar="CASE", help="these images")
    parser.add_argument("--label", action="store_true", help="explain the true class, not the predicted one")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="default: maps/SPLIT in the run folder")
    parser.add_common()


def run(arguments: Namespace) -> int:
    """Draw."""
    from sightline.cli.opening import open_run
    from sightline.comparing import Condition, explain_cases
    from sightline.data import read_cohort
    from sightline.reporting import heatmap_overlay, save_image

    settings, folder = open_run(arguments.run)
    classes = read_cohort(settings.data.cohort).classes
    condition = Condition(arguments.split, arguments.bias)
    out = arguments.out or folder.path / "maps" / str(condition)
    told = []
    for explained in explain_cases(
        settings, folder, condition, number=arguments.number, names=arguments.cases, of_label=arguments.label
    ):
        kept, name = explained.kept, _file_name(explained.case.id)
        picture = heatmap_overlay(kept.image, kept.attribution, kept.region, size=SIDE)
        save_image(picture, out / f"{name}.png")
        told.append(
            {
                "case": explained.case.id,
                "file": (out / f"{name}.png").as_posix(),
                "explained": classes[kept.explained] if kept.explained >= 0 else None,
                "probabilities": dict(zip(classes, explained.probabilities, strict=True)),
                "relevance_inside": explained.relevance_inside,
            }
        )
    if arguments.json:
        say_json(told)
    else:
        say(table(["case", "explained", "inside"], [_row(line) for line in told]))
        say(f"\n{len(told)} heatmaps in {out}")
    return 0


def _row(line: dict[str, Any]) -> list[str]:
    share = line["relevance_inside"]
    return [line["case"], line["explained"] or "-", "-" if share != share else f"{100 * share:.0f} %"]


def _file_name(case: str) -> str:
    """A case's name without what a file's name may not hold."""
    return "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in case)
