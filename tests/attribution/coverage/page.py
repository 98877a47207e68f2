"""The page that shows the table: written from cells, and read back into them."""

import re
from collections.abc import Mapping
from pathlib import Path

from .cells import Cell
from .checks import ABOUT
from .methods import methods
from .models import ARCHITECTURES

PAGE = Path(__file__).parents[3] / "docs" / "methods" / "coverage.md"
Key = tuple[str, str]  # method and architecture

_INTRODUCTION = """\
# Which explanation works on which architecture

Written by the tests, and checked by them:

    python -m pytest tests/attribution/coverage --write-coverage

**yes** and a letter: the map passed the check of that letter (below). Besides, the logits are those of the model, the
map of an image is the same alone and in a batch, and the gradient of a loss on the map by all weights agrees with
finite differences to 1e-3. **no** and a number: the method refuses the model, for the reason of that number (below)."""
_CONDITIONS = """\
All in float64 and evaluation mode, on random images, with random weights, biases and statistics of batch normalisation,
for the predicted class. Maps are taken as equal up to 1e-6 of the largest value, and sums up to 1e-8 of the sum, or for
B of the relevance without its sign. Methods have their defaults, but: `DeepLIFT` and `ExpectedGradients` have mirrored
images as references; `ScoreCAM` has an early layer of few channels, and does not rectify; `Occlusion` has large
windows, `LIME` the parts of a grid; and those that draw or step do so a few times."""
_MODELS = """\
At their real depth. Where the package that a model comes from is missing, its cells are skipped, not passed."""


def keys() -> list[Key]:
    """All cells, row by row."""
    return [(method, architecture.name) for method in methods() for architecture in ARCHITECTURES]


def write(cells: Mapping[Key, Cell]) -> str:
    """The page of these cells; those not known are left empty."""
    known = [cells[key] for key in keys() if key in cells]
    reasons = list(dict.fromkeys(cell.reason for cell in known if cell.reason))
    titles = [architecture.name for architecture in ARCHITECTURES]
    rows = [[f"`{method}`", *(_words(cells.get((method, title)), reasons) for title in titles)] for method in methods()]
    passed = {cell.check for cell in known}
    checks = [[about.sign, about.says] for name, about in ABOUT.items() if name in passed]
    models = [
        [each.name, each.package or "Sightline", each.size or "as published", " x ".join(map(str, each.sides))]
        for each in ARCHITECTURES
    ]
    parts = [
        _INTRODUCTION,
        _table(["method", *titles], rows),
        _CONDITIONS,
        "## Checks of a map",
        _table(["check", "of the map"], checks),
        "## Why not",
        "\n".join(f"{number}. {reason}" for number, reason in enumerate(reasons, start=1)),
        "## Models",
        _MODELS,
        _table(["model", "from", "channels", "pixels"], models),
    ]
    return "\n\n".join(parts) + "\n"


def read(page: str) -> dict[Key, Cell]:
    """The cells of a page."""
    lines = [line for line in page.splitlines() if line.startswith(("| method |", "| `"))]
    reasons = dict(re.findall(r"^(\d+)\. (.*)$", page, re.MULTILINE))
    header, *rows = [[field.strip() for field in line.strip("|").split("|")] for line in lines]
    return {
        (row[0].strip("`"), title): _cell(words, reasons)
        for row in rows
        for title, words in zip(header[1:], row[1:], strict=True)
        if words
    }


def _words(cell: Cell | None, reasons: list[str]) -> str:
    if cell is None:
        return ""
    return f"no {reasons.index(cell.reason) + 1}" if cell.check is None else f"yes {ABOUT[cell.check].sign}"


def _cell(words: str, reasons: dict[str, str]) -> Cell:
    answer, why = words.split(" ")
    if answer == "no":
        return Cell(reason=reasons[why])
    return Cell(next(name for name, about in ABOUT.items() if about.sign == why))


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(fields)} |" for fields in lines)
