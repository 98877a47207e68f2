"""The gaze recipes side by side: scores, how near their maps come to the gaze, and paired tests; see gaze_methods.md.

    python docs/experiments/gaze_methods.py runs/gaze_phantoms

The folder holds the runs that `gaze_methods.sh` made. `mean gaze` draws the mean of the training images' gaze for every
image: what a map scores that says nothing of the image.
"""

import argparse
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from sightline.comparing import Condition, condition_batches
from sightline.data import read_cohort
from sightline.evaluation import Saliency, evaluate_saliency, read_saliency
from sightline.evaluation.saliency_change import saliency_change
from sightline.training import open_run


def evaluations(folder: Path) -> dict[str, Path]:
    """Folder of the evaluation on the test split, by name of the run."""
    found = sorted(folder.glob("*/evaluation/test/metrics.json"))
    return {file.parts[-4]: file.parent for file in found}


class MeanGaze(nn.Module):
    """Draws one and the same map for every image."""

    def __init__(self, density: Tensor) -> None:
        super().__init__()
        self.register_buffer("logits", density.clamp(min=1e-12).log()[None, None])

    def answer(self, images: Tensor) -> SimpleNamespace:
        """Return the map for N images, `(N, 1, H, W)`, as logits of its places."""
        return SimpleNamespace(maps=self.logits.expand(len(images), -1, -1, -1))


def mean_gaze(run: Path) -> Saliency:
    """How near the mean gaze of the training images comes to that of the test images, prepared as for a run."""
    settings, _ = open_run(run)
    cohort = read_cohort(settings.data.cohort)
    seen = torch.cat([batch.regions for batch in condition_batches(settings.data, cohort, Condition("train", "on"))])
    known = seen[seen.flatten(1).isfinite().all(1), 0].double()
    mean = (known / known.sum((1, 2), keepdim=True)).mean(0).float()
    patients = {case.id: case.patient for case in cohort.cases}
    return evaluate_saliency(
        MeanGaze(mean), condition_batches(settings.data, cohort, Condition("test", "on")), patients=patients
    )


def table(tested: dict[str, Path], mean: Saliency) -> str:
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
    told = mean.as_dict()["metrics"]
    cells = ["-", "-", *(_spread(told[measure]) for measure in ("kl", "cc", "hs"))]
    return "\n".join([*lines, f"| {' | '.join(['mean gaze', *cells])} |"])


def tests(tested: dict[str, Path], base: Saliency) -> str:
    """How each drawing run differs from the mean gaze, case by case."""
    head = ["less mean gaze", "KL", "p (t)", "CC", "p (t)", "HS", "p (t)"]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for name, place in tested.items():
        if not (place / "saliency.csv").is_file():
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
    options = parser.parse_args()
    tested = evaluations(options.folder)
    mean = mean_gaze(next(iter(sorted(options.folder.glob("*/config.yaml")))).parent)
    print(f"{table(tested, mean)}\n\n{tests(tested, mean)}")


if __name__ == "__main__":
    main()
