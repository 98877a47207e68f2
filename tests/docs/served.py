"""Verbs that serve: started in a process of their own, asked, and stopped as Ctrl-C does."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PORTS = {"serve": "http://127.0.0.1:8000", "view": "http://127.0.0.1:8642"}  # that the pages name
ENDS = {"serve": 130, "view": 0}


@contextmanager
def serving(verb: str, words: tuple[str, ...], folder: Path) -> Iterator[str]:
    """Start `sightline serve` or `view` on a free port and give its address; in the end it stops by itself."""
    called = [sys.executable, "-m", "sightline.cli.main", verb, *words, "--port", "0", "--json"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        called, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout is not None
            told = ""
            while not told.endswith("}\n") and (line := process.stdout.readline()):
                told += line
            assert told, process.communicate()[1]
            where = json.loads(told)
            yield str(where.get("url") or where["address"]).rstrip("/")
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
            assert process.returncode == ENDS[verb], errors
        finally:
            if process.poll() is None:
                process.kill()


def healthy(verb: str, address: str) -> bool:
    """Whether it answers: `/health` of a service, the page of the viewer."""
    with urllib.request.urlopen(address + {"serve": "/health", "view": "/"}[verb], timeout=60) as answer:
        return bool(answer.status == 200)


def ask(curl: str, words: tuple[str, ...], address: str, folder: Path) -> None:
    """Call curl as a page does, with the address of the server that runs.

    Raises:
        AssertionError: it was refused.
    """
    asked = [word.replace(PORTS["serve"], address) for word in words]
    told = subprocess.run(
        [curl, "--silent", "--show-error", "--fail-with-body", *asked], cwd=folder, capture_output=True, check=False
    )
    assert told.returncode == 0, told.stdout + told.stderr
