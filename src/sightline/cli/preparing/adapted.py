"""Make a cohort from the folder of a download: a public data set, or images of your own.

  sightline prepare from --list
  sightline prepare from chexpert --list
  sightline prepare from chexpert CheXpert-v1.0 --out cohort --set uncertain=negative min_age=18

The folder gets cohort.csv, cohort.yaml, census.csv (how many images each rule left) and left_out.csv (the others, with
the reason). The download is only read. Every file is looked at: what cannot be read is left out and listed. Run the
same command again to continue where it stopped.
"""

import json
import textwrap
import types
import typing
from argparse import Namespace
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightline.cli.output import say, say_json, table
from sightline.cli.parser import Parser
from sightline.cli.stopping import StoppedError, UsageError
from sightline.cli.talk import Advance, progress

if TYPE_CHECKING:
    from sightline.data.adapters import Adapter, Count

_SHOWN = 5  # unusable files that are told one by one


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.usage = (
        "sightline prepare from ADAPTER ROOT --out DIR [options]\n       sightline prepare from [ADAPTER] --list"
    )
    parser.add_argument("adapter", nargs="?", metavar="ADAPTER", help="name from --list")
    parser.add_argument("root", nargs="?", type=Path, metavar="ROOT", help="folder of the download")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for the cohort")
    parser.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="OPTION=VALUE", help="options of the adapter"
    )
    parser.add_argument(
        "--list", action="store_true", help="list the adapters, where to get their data and what must lie there"
    )
    parser.add_argument("--strict", action="store_true", help="end with exit code 2 when a file cannot be used")
    parser.add_common()


def run(arguments: Namespace) -> int:
    """Make the cohort, or list the adapters."""
    if arguments.list:
        return _list(arguments.adapter, as_json=arguments.json)
    if None in (arguments.adapter, arguments.root, arguments.out):
        raise UsageError("name an adapter, the folder of the download, and --out DIR; --list shows the adapters")
    from sightline.cli.preparing.looking import look_at_files, write_left_out
    from sightline.cli.settings import read_settings
    from sightline.data import write_cohort
    from sightline.data.adapters import Count, find_adapter
    from sightline.runs import write_text

    adapter: Adapter = read_settings(find_adapter(arguments.adapter), [], arguments.set)
    out = arguments.out
    try:
        with progress() as stage:
            adapted = adapter.read(arguments.root, out, progress=watched(stage("reading the tables")))
            cohort, problems = look_at_files(
                adapted.cohort, out, strict=arguments.strict, advance=stage("looking at every file")
            )
    except KeyboardInterrupt:
        raise StoppedError("stopped; the same command continues", exit_code=130) from None
    readable = Count("file can be used", len(cohort.cases), *_counted(cohort))
    census = [*adapted.census, readable]
    write_text(out / "census.csv", _census_csv(census))
    left_out = write_left_out(out, adapted.left_out, problems)
    made = write_cohort(cohort, out)
    if arguments.json:
        say_json(
            {
                "cohort": out.as_posix(),
                "images": len(cohort.cases),
                "census": [vars(count) for count in census],
                "left_out": len(adapted.left_out),
                "unusable": [{"case": problem.case, "what": problem.what} for problem in problems],
            }
        )
    else:
        say(table(*_census_rows(census)))
        say("\n" + "\n".join([*told(problems, left_out), f"{made}: {len(cohort.cases)} images"]))
    return 0


def watched(advance: Advance) -> Any:  # noqa: ANN401 - `Progress` of the adapters
    """Return a function that shows how far a loop has come."""

    def watch(items: Iterable[Any]) -> Iterator[Any]:
        total = len(items) if isinstance(items, Sequence) else None
        for done, item in enumerate(items, start=1):
            yield item
            advance(done, total)

    return watch


def told(problems: Sequence[Any], left_out: Path) -> list[str]:
    """Say which files cannot be used, the first few of many."""
    lines = [f"left out: {problem.what}" for problem in problems[:_SHOWN]]
    more = len(problems) - _SHOWN
    return lines + ([f"left out: {more} more, listed in {left_out}"] if more > 0 else [])


def _counted(cohort: Any) -> tuple[int, dict[str, int]]:  # noqa: ANN401 - a Cohort, which is not imported for help
    from sightline.data.adapters import Selection

    count = Selection(cohort.cases, cohort.classes, "").census[0]
    return count.patients, dict(count.classes)


def _census_rows(census: Sequence["Count"]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of a table: each rule with what it left, and with what it took."""
    classes = list(census[0].classes)
    rows = []
    for index, count in enumerate(census):
        before = census[index - 1].images if index else count.images
        cells = [count.rule, f"{count.images:,}", f"{count.images - before:+,}" if index else ""]
        rows.append([*cells, f"{count.patients:,}", *(f"{count.classes.get(name, 0):,}" for name in classes)])
    return ["rule", "images", "change", "patients", *classes], rows


def _census_csv(census: Sequence["Count"]) -> str:
    import csv
    import io

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    classes = list(census[0].classes)
    writer.writerow(("rule", "images", "patients", *classes))
    for count in census:
        writer.writerow((count.rule, count.images, count.patients, *(count.classes.get(name, 0) for name in classes)))
    return text.getvalue()


def _list(name: str | None, *, as_json: bool) -> int:
    from sightline.data.adapters import adapters, find_adapter

    known = {name: find_adapter(name)} if name else adapters()
    if as_json:
        say_json(
            [
                {
                    "name": each,
                    "title": kind.title,
                    "where": kind.home,
                    "layout": kind.layout.splitlines(),
                    "options": _options(kind),
                }
                for each, kind in known.items()
            ]
        )
        return 0
    for each, kind in known.items():
        say(f"{each}: {kind.title}")
        say(f"  from  {kind.home}")
        for index, line in enumerate(kind.layout.splitlines()):
            say(f"  {'with' if index == 0 else '    '}  {line}")
    for option in _options(known[name]) if name else ():
        say(f"  --set {option['name']}  ({option['type']}; default {option['default']})")
        for line in textwrap.wrap(option["about"], 110):
            say(f"      {line}")
    return 0


def _options(kind: type["Adapter"]) -> list[dict[str, str]]:
    """Name, type, default and meaning of each option of an adapter, as the settings of runs have them."""
    from sightline.cli.describe import describe

    abouts = {setting.key: setting.about for setting in describe(kind.__module__, kind.__name__)}
    abouts |= {"partial": "go on with what is there of a download that was unpacked in part"}
    hints = typing.get_type_hints(kind)
    options = []
    for item in sorted(fields(kind), key=lambda item: item.name == "partial"):
        default = item.default if item.default is not MISSING else "required"
        options.append(
            {
                "name": item.name,
                "type": _words(hints[item.name]),
                "default": json.dumps(default, default=str),
                "about": abouts.get(item.name, ""),
            }
        )
    return options


def _words(hint: Any) -> str:  # noqa: ANN401 - any annotation
    """Return a type in words of the command line: `Literal["a", "b"]` is `a | b`."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return " | ".join(_words(each) for each in typing.get_args(hint))
    if typing.get_origin(hint) is typing.Literal:
        return " | ".join(map(str, typing.get_args(hint)))
    if typing.get_origin(hint) is tuple:
        return f"list of {_words(typing.get_args(hint)[0])}"
    return {type(None): "null", Path: "path"}.get(hint, str(getattr(hint, "__name__", hint)))
