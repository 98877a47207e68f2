"""Audits side by side, one line a part, in Markdown; see audit_phantoms.md.

    python docs/experiments/audits.py runs/audits/plain runs/audits/isnet

Each folder holds the `audit.json` that `sightline audit` wrote.
"""

import argparse
import json
from pathlib import Path

from sightline.evaluation.audit import Audit, Section

NUMBERS = {  # of each part: what is measured, and of whom
    "performance": ("AUC", ""),
    "looking": ("share of relevance inside, LRP", ""),
    "outside": ("share of decisions that flip", "the surroundings of a patient of another source and class"),
    "inside": ("AUC without the region", ""),
    "shortcuts": ("share of decisions that flip", "the known mark of a wrong class"),
    "agreement": ("the blurred outside moves the answer", ""),
    "trust": ("better than a random order", "LRP"),
    "strategies": ("share of relevance inside", "strategy 1"),
}


def cell(section: Section) -> str:
    """The verdict of a part and its most telling number."""
    name, of = NUMBERS[section.name]
    for number in section.numbers:
        if number.name == name and number.of == of:
            found = number.interval
            return f"{section.verdict}, {found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"
    return section.verdict


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    folders = parser.parse_args().folders
    audits = [Audit.from_dict(json.loads((folder / "audit.json").read_text(encoding="utf-8"))) for folder in folders]
    print(f"| part | number | {' | '.join(audit.subject for audit in audits)} |\n|---|---|{'---|' * len(audits)}")
    for sections in zip(*(audit.sections for audit in audits), strict=True):
        name, of = NUMBERS[sections[0].name]
        what = f"{name}: {of}" if of else name
        print(f"| `{sections[0].name}` | {what} | {' | '.join(map(cell, sections))} |")


if __name__ == "__main__":
    main()
