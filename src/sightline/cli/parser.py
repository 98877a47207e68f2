"""One parser a verb: options by argparse, settings as `key=value`, one line for a mistake."""

import argparse
import difflib
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, NoReturn

from sightline.cli.describe import settings_help
from sightline.cli.stopping import UsageError


class Parser(argparse.ArgumentParser):
    """The options of one verb.

    A verb is a module with `configure(parser)` and `run(arguments) -> int`; its docstring is its help. When it names a
    dataclass as `SETTINGS = (module, class)`, words such as `optim.lr=1e-4` and `--optim.lr 1e-4` are collected too.
    """

    def __init__(self, **keywords: Any) -> None:  # noqa: ANN401 - those of argparse
        self.settings: tuple[str, str] | None = None
        self.names: list[str] = []
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **keywords)

    @classmethod
    def of(cls, verb: str, module: ModuleType) -> "Parser":
        """Make the parser of a verb."""
        settings = getattr(module, "SETTINGS", None)
        usage = f"sightline {verb} [options] [-c FILE]... [key=value]..." if settings else None
        parser = cls(prog=f"sightline {verb}", usage=usage, description=module.__doc__)
        parser.settings = settings
        parser.set_defaults(words=[])
        if settings:
            parser.add_argument(
                "-c", "--config", action="append", default=[], metavar="FILE", help="settings, or the name of a recipe"
            )
            parser.add_argument("--print-config", action="store_true", help="print the settings that would be used")
        module.configure(parser)
        return parser

    def add_common(self) -> None:
        """Add what every verb understands."""
        self.add_argument("--json", action="store_true", help="write the result as JSON")
        self.add_argument("-q", "--quiet", dest="verbosity", action="store_const", const=-1, default=0)
        self.add_argument("-v", "--verbose", dest="verbosity", action="store_const", const=1)

    def add_verbs(self, verbs: Mapping[str, ModuleType]) -> list["Parser"]:
        """Add verbs under this one, each with the options of its module; which was chosen comes as `todo`."""
        todo = self.add_subparsers(dest="todo", required=True, metavar=" | ".join(verbs))
        parsers = []
        for verb, module in verbs.items():
            about = (module.__doc__ or "").strip()
            parsers.append(todo.add_parser(verb, help=about.splitlines()[0].removesuffix("."), description=about))
            module.configure(parsers[-1])
        return parsers

    def add_argument(self, *names: Any, **keywords: Any) -> argparse.Action:  # noqa: ANN401 - those of argparse
        """Add an argument and remember its name for suggestions."""
        self.names += [name for name in names if name.startswith("--")]
        return super().add_argument(*names, **keywords)

    def parse(self, words: Sequence[str]) -> argparse.Namespace | None:
        """Parse the words after the verb; None when help was asked for and given.

        Raises:
            UsageError: a word that is neither an option nor a setting.
        """
        try:
            has_verbs = any(isinstance(action, argparse._SubParsersAction) for action in self._actions)
            arguments, rest = self.parse_known_args(words) if has_verbs else self.parse_known_intermixed_args(words)
        except SystemExit:  # --help
            return None
        for word in rest:
            near = difflib.get_close_matches(word.split("=")[0], self.names, n=1, cutoff=0.75)
            if self.settings is None or (near and word.startswith("--") and "." not in word):
                what = "option" if word.startswith("-") else "argument"
                raise UsageError(f"unknown {what} {word}.{f' Did you mean {near[0]}?' if near else ''}")
        arguments.words = rest
        return arguments

    def error(self, message: str) -> NoReturn:
        """Say what is wrong on one line instead of the whole usage."""
        raise UsageError(f"{message}; see {self.prog} --help")

    def format_help(self) -> str:
        """Help with every setting, its type, default and meaning."""
        text = super().format_help()
        return f"{text}\nsettings:\n{settings_help(*self.settings)}\n" if self.settings else text

    def print_help(self, file: Any = None) -> None:  # noqa: ANN401 - as argparse
        """Write the help to standard output."""
        (file or sys.stdout).write(self.format_help())
