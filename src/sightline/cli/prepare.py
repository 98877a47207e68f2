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
    parser.add_verbs({verb: _module(verb) for verb in VERBS})


def run(arguments: Namespace) -> int:
    """Do what was asked."""
    code: int = _module(arguments.todo).run(arguments)
    return code


def _module(verb: str) -> ModuleType:
    return importlib.import_module(f"sightline.cli.preparing.{VERBS[verb]}")
