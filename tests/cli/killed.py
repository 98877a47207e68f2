"""Run a command again and again, each time killed (SIGKILL) at another moment, and at last to its end.

    python killed.py '{"words": ["audit", ...], "moments": [3, 7, ...]}'

Each run is a fork of this process, which has imported everything and computed nothing. A moment counts answers of the
model, and the beginnings and ends of putting a written file in its place: all there is between two of them happens
again. Prints which runs were killed, how the last one ended, and how many moments it had.
"""

import importlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sightline.cli import auditing
from sightline.cli.main import main

for name in ("cli.audit_contents", "cli.scores", "cli.training", "comparing", "reporting.audit_page"):
    importlib.import_module(f"sightline.{name}")  # verbs import late

_replace, _linear = Path.replace, nn.Linear.forward
_passed = 0


def pass_moment(last: int | None) -> None:
    global _passed
    _passed += 1
    if _passed == last:
        os.kill(os.getpid(), signal.SIGKILL)


def arm(last: int | None) -> None:
    """Count moments, and end at the last one."""

    def replace(path: Path, target: Any) -> Path:
        pass_moment(last)
        found = _replace(path, target)
        pass_moment(last)
        return found

    def forward(layer: nn.Linear, inputs: Tensor) -> Tensor:
        pass_moment(last)
        return _linear(layer, inputs)

    Path.replace, nn.Linear.forward = replace, forward  # type: ignore[assignment, method-assign]


def run(words: list[str], last: int | None, told: int) -> None:
    """Run the command in this process and end it; write how it went into the pipe `told`."""
    few = auditing.Resampling
    auditing.Resampling = lambda seed: few(50, seed)  # type: ignore[assignment, misc]
    torch.set_num_threads(1)
    arm(last)
    code = main(words)
    os.write(told, json.dumps({"code": code, "moments": _passed}).encode())
    os._exit(0)


def forked(words: list[str], last: int | None) -> dict[str, int] | None:
    """Run the command in a fork; None where it was killed."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            run(words, last, theirs)
        finally:
            os._exit(1)
    os.close(theirs)
    with os.fdopen(ours) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return None
    found: dict[str, int] = json.loads(text)
    return found


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    ends = [forked(asked["words"], moment) for moment in asked["moments"]]
    last = forked(asked["words"], None)
    sys.stdout.write(json.dumps({"killed": [end is None for end in ends], "last": last}) + "\n")
