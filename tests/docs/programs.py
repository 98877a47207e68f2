"""Programs of others that pages call: what is asked of them must be there."""

import argparse
import re
import runpy
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from torch.distributed.run import get_args_parser

from sightline.cli.main import _module
from sightline.cli.parser import Parser

from .blocks import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


class _ParsedError(Exception):
    pass


def check_program(program: str, words: tuple[str, ...]) -> None:
    """Check a call of a program that is not run.

    Raises:
        AssertionError: it asks for something that is not there, or nobody has said how to check it.
    """
    assert program in _CHECKS, f"nothing is known of {program}; say in {Path(__file__).name} what it may be asked"
    _CHECKS[program](list(words))


def _check_pip(words: list[str]) -> None:
    assert words.pop(0) == "install"
    while words:
        word = words.pop(0)
        if word in ("-c", "-r", "--constraint"):
            assert (ROOT / words.pop(0)).is_file()
        elif word == "--group":
            assert words.pop(0) in PROJECT["dependency-groups"]
        elif word.startswith("sightline["):
            extras = re.split(r"[\[\],]", word)[1:-1]
            assert set(extras) <= PROJECT["project"]["optional-dependencies"].keys(), word
        else:
            assert re.fullmatch(r"-e|\.|[a-z][a-z0-9-]*([><=]=?[0-9.]+)?", word), word


def _check_make(words: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for word in words:
        assert "=" in word or re.search(rf"^{word}:.*## ", makefile, re.MULTILINE), f"make has no {word}"


def _check_python(words: list[str]) -> None:
    if words[0] == "-m":
        {"venv": lambda _: None, "pytest": _check_pytest}[words[1]](words[2:])
    else:
        parse_script(ROOT / words[0], words[1:])


def parse_script(script: Path, words: list[str]) -> None:
    """Let a script of the repository parse its words, and stop it there."""
    parse = argparse.ArgumentParser.parse_args

    def parsed(parser: argparse.ArgumentParser, *given: Any, **options: Any) -> NoReturn:
        parse(parser, *given, **options)
        raise _ParsedError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argparse.ArgumentParser, "parse_args", parsed)
        patch.setattr(sys, "argv", [str(script), *words])
        patch.syspath_prepend(script.parent)
        patch.chdir(ROOT)
        try:
            runpy.run_path(str(script), run_name="__main__")
        except _ParsedError:
            return
        except ModuleNotFoundError as error:  # of a package that only this script needs
            if str(error.name).startswith("sightline"):
                raise
            text = script.read_text(encoding="utf-8")
            assert not [word for word in words if word.startswith("--") and f'"{word}"' not in text]
            return
    raise AssertionError(f"{script} has parsed nothing")


def _check_pytest(words: list[str]) -> None:
    for word in words:
        assert not word.startswith("tests") or (ROOT / word).exists(), word


def _check_script(words: list[str]) -> None:
    assert words, "a script of the shell has words"


def _check_started(words: list[str]) -> None:
    """A verb of ours that a launcher starts."""
    started = words[words.index("sightline") + 1 :]
    parser = Parser.of(started[0], _module(started[0]))
    assert parser.parse(started[1:]) is not None


def _check_torchrun(words: list[str]) -> None:
    get_args_parser().parse_args(words)
    _check_started(words)


_CHECKS: dict[str, Callable[[list[str]], None]] = {
    "apt-get": lambda words: None,  # names of Debian
    "gaze_methods.sh": _check_script,
    "make": _check_make,
    "pip": _check_pip,
    "pytest": _check_pytest,
    "python": _check_python,
    "python3": _check_python,
    "srun": _check_started,
    "torchrun": _check_torchrun,
}
