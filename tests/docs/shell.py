"""What a block of commands would run, read by bash itself, so that variables, loops, quotes and comments count."""

import re
import subprocess
from dataclasses import dataclass
from functools import cache

BASH = "/bin/bash"
_END = "\x1e"
_NOTE = rf"""
set -euf
PATH=/nowhere
__note() {{ printf '%s\0' "$@" {_END}; }}
command_not_found_handle() {{ __note "$@"; }}
"""
_BY_PATH = re.compile(r"^\s*((?:[\w.-]+/)+[\w.-]+)(?=\s|$)", re.MULTILINE)


@dataclass(frozen=True)
class Command:
    """One call of a program.

    Attributes:
        program: its name, without the folder.
        words: its arguments.
        path: as it was called.
    """

    program: str
    words: tuple[str, ...]
    path: str

    def __str__(self) -> str:
        return " ".join((self.path, *self.words))


@cache
def commands(text: str) -> tuple[Command, ...]:
    """Calls of programs in a block, in order; patterns such as `runs/*` stay as they are.

    Raises:
        ValueError: it is no block of commands.
    """
    by_path = "".join(f'{name}() {{ __note {name} "$@"; }}\n' for name in sorted(set(_BY_PATH.findall(text))))
    told = subprocess.run([BASH, "-c", _NOTE + by_path + text], capture_output=True, text=True, check=False)
    if told.returncode or told.stderr:
        raise ValueError(f"no commands: {told.stderr.strip()}")
    calls = [call.split("\0") for call in told.stdout.split(f"{_END}\0") if call]
    return tuple(Command(path.rsplit("/", 1)[-1], tuple(words), path) for path, *words, _ in calls)
