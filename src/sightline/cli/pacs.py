"""Answer about studies in a hospital's archive over DICOMweb, and store the results there.

Who you are to the server is read from the environment, SIGHTLINE_PACS_TOKEN, or SIGHTLINE_PACS_USER and
SIGHTLINE_PACS_PASSWORD, or from ~/.netrc (or the file that NETRC names); never from the command line.
For research; results are not for diagnosis. `sightline pacs VERB --help` says more about each.
"""

import importlib
from argparse import Namespace
from types import ModuleType

from sightline.cli.parser import Parser

VERBS = ("find", "read", "explain")


def configure(parser: Parser) -> None:
    """Add the things to do, each with its options."""
    for one in parser.add_verbs({verb: _module(verb) for verb in VERBS}):
        one.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS", help="longest wait; default: 30")
        one.add_common()


def run(arguments: Namespace) -> int:
    """Do what was asked."""
    code: int = _module(arguments.todo).run(arguments)
    return code


def _module(verb: str) -> ModuleType:
    return importlib.import_module(f"sightline.cli.pacs_verbs.{verb}")
