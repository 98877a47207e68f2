"""The kept corpus: few small inputs that together reach every line and turn that all inputs reach."""

import hashlib
import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

CORPUS = Path(__file__).parent / "corpus"
MOST, LARGEST = 60, 16_384  # inputs of a target; bytes
_WATCHED = ("sightline", "pydicom", "nibabel", "yaml", "PIL", "python_multipart", "starlette")


def inputs(name: str) -> list[Path]:
    """Return the kept inputs of a target: the minimised ones, and those that once brought something down."""
    return sorted(file for file in (CORPUS / name).iterdir() if file.is_file())


def keep(name: str, found: Path) -> int:
    """Minimise what was found together with what is kept; return how many inputs are kept.

    Inputs named `found-*` brought something down once and stay, whatever they reach.
    """
    target = importlib.import_module(f"targets.{name}")
    folder = CORPUS / name
    folder.mkdir(parents=True, exist_ok=True)
    files = [*inputs(name), *(sorted(found.iterdir()) if found.is_dir() else [])]
    fixed = [file for file in files if file.parent == folder and file.name.startswith("found-")]
    data = {file.read_bytes() for file in files if file not in fixed and file.stat().st_size <= LARGEST}
    data |= {seed for _, seed in target.seeds()}
    for each in data:  # what is imported and remembered once counts for nobody
        target.one(each)
    reached = {each: turns(lambda each=each: target.one(each)) for each in data}
    left = set().union(*reached.values()) - set().union(
        *(turns(lambda f=f: target.one(f.read_bytes())) for f in fixed), set()
    )
    chosen: list[bytes] = []
    while left and len(chosen) < MOST - len(fixed):
        best = min(reached, key=lambda each: (-len(reached[each] & left), len(each), each))
        if not reached[best] & left:
            break
        chosen.append(best)
        left -= reached[best]
    for file in inputs(name):
        if file not in fixed:
            file.unlink()
    for each in chosen:
        (folder / hashlib.sha256(each).hexdigest()[:16]).write_bytes(each)
    return len(inputs(name))


def turns(call: Callable[[], None]) -> set[tuple[str, int, int]]:
    """Return which line followed which in the watched packages while a call ran."""
    found: set[tuple[str, int, int]] = set()

    def watch(frame: FrameType, event: str, _: Any) -> Any:
        if event == "call" and not frame.f_globals.get("__name__", "").startswith(_WATCHED):
            return None
        before = -1

        def line(frame: FrameType, event: str, _: Any) -> Any:
            nonlocal before
            found.add((frame.f_code.co_filename, before, frame.f_lineno))
            before = frame.f_lineno
            return line

        return line

    sys.settrace(watch)
    try:
        call()
    finally:
        sys.settrace(None)
    return found
