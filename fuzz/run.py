"""Fuzz the parsers, one after the other: `python fuzz/run.py --seconds 600` (needs `pip install atheris`).

What is found is kept under `runs/fuzz/TARGET`: the inputs that reached something new, and those that crashed, hung or
took too much memory. `--keep` puts the smallest set of inputs that reaches all the same lines into `fuzz/corpus`.
"""

import argparse
import importlib
import os
import platform
import re
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

from kept import CORPUS, keep
from targets import NAMES

TIMEOUT_S, MEMORY_MIB, LONGEST = 60, 3072, 16_384  # of one input: time, memory of the process, bytes
_HERE = Path(__file__).parent


def main() -> int:
    """Fuzz what was asked for; 1 if something was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"one or more of {', '.join(NAMES)}; default: all")
    parser.add_argument("--seconds", type=int, default=600, help="for each; default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="of the mutations; default: %(default)s")
    parser.add_argument(
        "--found", type=Path, default=Path("runs/fuzz"), help="folder of what is found; default: %(default)s"
    )
    parser.add_argument(
        "--keep", action="store_true", help="do not fuzz: put what was found into the corpus, minimised"
    )
    given = parser.parse_args()
    if unknown := set(given.targets) - set(NAMES):
        parser.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    names = given.targets or list(NAMES)
    if given.keep:
        for name in names:
            print(f"{name}: {keep(name, given.found / name / 'found')} inputs kept", flush=True)
        return 0
    print(about(given.seconds), flush=True)
    print(f"{'target':<12}{'runs':>10}{'runs/s':>8}{'edges':>8}{'new':>7}{'MiB':>7}  result", flush=True)
    results = [fuzz(name, given.found / name, given.seconds, given.seed) for name in names]
    return int(any(results))


def about(seconds: int) -> str:
    """Return what the table was made with."""
    packages = ("atheris", "pydicom", "pillow", "numpy", "nibabel", "PyYAML", "starlette")
    told = ", ".join(f"{name} {version(name)}" for name in packages)
    return f"# {seconds} s a target; Python {platform.python_version()}, {told}"


def fuzz(name: str, folder: Path, seconds: int, seed: int) -> bool:
    """Fuzz one parser and print its row of the table; tell whether something was found."""
    found, crashes = folder / "found", folder / "crashes"
    for each in (found, crashes):
        each.mkdir(parents=True, exist_ok=True)
    target = importlib.import_module(f"targets.{name}")
    for label, data in target.seeds():
        (found / f"seed-{label}").write_bytes(data)
    words = folder / "words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.WORDS))
    options = [
        f"-max_total_time={seconds}",
        f"-timeout={TIMEOUT_S}",
        f"-rss_limit_mb={MEMORY_MIB}",
        f"-max_len={LONGEST}",
    ]
    options += [f"-dict={words}", f"-artifact_prefix={crashes}{os.sep}", f"-seed={seed}", "-print_final_stats=1"]
    command = [sys.executable, str(_HERE / "under_atheris.py"), name, *options, str(found), str(CORPUS / name)]
    (CORPUS / name).mkdir(parents=True, exist_ok=True)
    began, known = time.monotonic(), len(list(found.iterdir()))
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    wall = time.monotonic() - began
    (folder / "log").write_text(done.stdout + done.stderr)
    told = done.stdout + done.stderr
    runs = int(_last(r"stat::number_of_executed_units:\s+(\d+)", told) or _last(r"^#(\d+)", told) or 0)
    peak, edges = _last(r"stat::peak_rss_mb:\s+(\d+)", told), _last(r"\bcov: (\d+)", told)
    new = len(list(found.iterdir())) - known
    result = "no uncaught exception" if done.returncode == 0 else _finding(told)
    print(f"{name:<12}{runs:>10,}{runs / wall:>8.0f}{edges:>8}{new:>7}{peak:>7}  {result}", flush=True)
    return done.returncode != 0


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def _last(pattern: str, text: str) -> str:
    return next(iter(re.findall(pattern, text, re.MULTILINE)[-1:]), "")


def _finding(log: str) -> str:
    """Say what was found, in the words of the log."""
    error = _last(r"^(\w[\w.]*(?:Error|Exception|Exit|Interrupt)\b.*)$", log) or _last(r"ERROR: libFuzzer: (.*)$", log)
    file = _last(r"Test unit written to (\S+)", log)
    return f"FOUND {error[:100] or 'see the log'} ({file})"


if __name__ == "__main__":
    sys.exit(main())
