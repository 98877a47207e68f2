"""The gaze recipes side by side: scores, how near their maps come to the gaze, and paired tests; see gaze_methods.md.

    python docs/experiments/gaze_methods.py runs/gaze_phantoms --first mt-unet

The folder holds the runs that `gaze_methods.sh` made.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from sightline.evaluation import read_saliency
from sightline.evaluation.saliency_change import saliency_change


def evaluations(folder: Path) -> dict[str, Path]:
    """Folder of the evaluation on the test split, by name of the run."""
    found = sorted(folder.glob("*/evaluation/test/metrics.json"))
    return {file.parts[-4]: file.parent for file in found}


def table(tested: dict[str, Path]) -> str:
    """One line a run, in Markdown."""
    head = ["recipe", "AUROC", "macro-F1", "KL", "CC", "HS"]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for name, place in tested.items():
        metrics = json.loads((place / "metrics.json").read_text())["metrics"]
        drawn = place / "saliency.json"
        measures = json.loads(drawn.read_text())["metrics"] if drawn.is_file() else {}
        cells = [_interval(metrics.get("auroc")), _interval(metrics.get("macro_f1"))]
        cells += [_spread(measures.get(measure)) for measure in ("kl", "cc", "hs")]
        lines.append(f"| {' | '.join([name, *cells])} |")
    return "\n".join(lines)


def tests(tested: dict[str, Path], first: str) -> str:
    """How each other drawing run differs from the first, case by case."""
    base = read_saliency(tested[first])
    head = [f"less {first}", "KL", "p (t)", "CC", "p (t)", "HS", "p (t)"]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for name, place in tested.items():
        if name == first or not (place / "saliency.csv").is_file():
            continue
        changes = saliency_change(base, read_saliency(place))
        cells = []
        for measure in ("kl", "cc", "hs"):
            change = changes[measure]
            low, high = change.bootstrap.low, change.bootstrap.high
            cells += [f"{change.bootstrap.value:+.3f} [{low:+.3f}, {high:+.3f}]", f"{change.t_test.p:.2g}"]
        lines.append(f"| {' | '.join([name, *cells])} |")
    return "\n".join(lines)


def _interval(score: dict[str, Any] | None) -> str:
    if score is None or score["value"] is None:
        return "-"
    return f"{score['value']:.2f} [{score['low']:.2f}, {score['high']:.2f}]"


def _spread(score: dict[str, Any] | None) -> str:
    return "-" if score is None or score["value"] is None else f"{score['value']:.3f} ± {score['sd']:.3f}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--first", default="mt-unet", help="run that the others are tested against; default: mt-unet")
    options = parser.parse_args()
    tested = evaluations(options.folder)
    print(f"{table(tested)}\n\n{tests(tested, options.first)}")


if __name__ == "__main__":
    main()
