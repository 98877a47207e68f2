"""Make a cohort that can be trusted: from a download, of a study, of phantoms; check it, split it by patient.

A cohort is a folder with `cohort.csv` and `cohort.yaml`, or a folder of class folders with a parallel `masks/` tree.
`sightline prepare VERB --help` says more about each.
"""

import importlib
from argparse import Namespace
from types import ModuleType

from sightline.cli.parser import Parser

VERBS = {  # verb: module of `sightline.cli.preparing`
    "check": "check",
    "split": "split",
    "from": "adapted",
    "cohort": "cohort",
    "ct": "ct",
    "masks": "masks",
    "phantoms": "phantoms",
    "reports": "reports",
}


def configure(parser: Parser) -> None:
    """Add the things to do, each with its options."""
    todo = parser.add_subparsers(dest="todo", required=True, metavar=" | ".join(VERBS))
    for verb in VERBS:
        module = _module(verb)
        about = (module.__doc__ or "").strip()
        one = todo.add_parser(verb, help=about.splitlines()[0].removesuffix("."), description=about)
        module.configure(one)


def run(arguments: Namespace) -> int:
    """Do what was asked."""
    code: int = _module(arguments.todo).run(arguments)
    return code


def _module(verb: str) -> ModuleType:
    return importlib.import_module(f"sightline.cli.preparing.{VERBS[verb]}")
