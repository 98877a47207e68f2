"""The help of every verb, as the command prints it, on the page of the command."""

import argparse
import importlib
import os
from collections.abc import Iterator

from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

from sightline.cli.main import VERBS
from sightline.cli.parser import Parser
from sightline.cli.train import SETTINGS

PAGE = "reference/command"


def helps(parser: argparse.ArgumentParser, depth: int = 2) -> Iterator[str]:
    """Yield a section for a parser, and one for each verb below it."""
    yield f"{'#' * depth} {parser.prog}\n\n```text\n{_help(parser).rstrip()}\n```\n"
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from helps(below, depth + 1)


def _help(parser: argparse.ArgumentParser) -> str:
    """The help of a parser; the settings of a training are told once, below `train`."""
    if isinstance(parser, Parser) and parser.settings == SETTINGS and not parser.prog.endswith(" train"):
        return f"{argparse.ArgumentParser.format_help(parser)}\nsettings: those of sightline train"
    return parser.format_help()


def _read(_app: Sphinx, page: str, source: list[str]) -> None:
    if page == PAGE:
        os.environ["COLUMNS"] = "100"  # argparse breaks its lines there
        for verb in VERBS:
            parser = Parser.of(verb, importlib.import_module(f"sightline.cli.{verb}"))
            source[0] += "\n" + "\n".join(helps(parser))


def setup(app: Sphinx) -> ExtensionMetadata:
    """Append the help as the page is read."""
    app.connect("source-read", _read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
