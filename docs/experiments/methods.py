"""Ten methods side by side: the table, where each looks by two explanations, and a figure; see methods.md.

    python docs/experiments/methods.py runs/methods_phantoms runs/methods_kermany --picture docs/images/methods.png

Each folder holds the runs of one cohort and the `comparison.json` that `sightline compare --cost` wrote into it. The
share of Grad-CAM inside the region is computed once, into `grad_cam_inside.json` of each run.
"""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from torch import nn

from sightline.attribution import GradCAM, Predicted
from sightline.attribution.explainer import evaluation_mode
from sightline.cli.opening import open_runs
from sightline.comparing import Condition, condition_batches, load_trained
from sightline.data import read_cohort
from sightline.evaluation import EvaluationSettings, evaluate
from sightline.metrics import Resampling
from sightline.models import HAM
from sightline.runs import write_json

CONDITIONS = {"test": "bias on", "test-off": "bias off", "test-swapped": "bias swapped", "ood": "other hospital"}
COLOURS = {"test": "0.45", "test-off": "tab:blue", "test-swapped": "tab:red", "ood": "tab:green"}


def grad_cam_inside(folder: Path, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Share of Grad-CAM of the predicted class inside the region on the test split, for each run."""
    found = {}
    for name, (settings, run) in open_runs([folder / name for name in names]).items():
        file = run.path / "grad_cam_inside.json"
        if not file.is_file():
            cohort = read_cohort(settings.data.cohort)
            model = load_trained(settings, run, num_classes=cohort.num_classes)
            with evaluation_mode(model):
                result = evaluate(
                    model,
                    condition_batches(settings.data, cohort, Condition("test")),
                    task=cohort.task,
                    classes=cohort.classes,
                    patients={case.id: case.patient for case in cohort.cases},
                    explainer=GradCAM(layer=layer(model)),
                    target=Predicted(),
                    settings=EvaluationSettings(keep=0, resampling=Resampling()),
                )
            write_json(file, result.metrics["relevance_inside"].as_dict())
        found[name] = json.loads(file.read_text())
    return found


def layer(model: nn.Module) -> str | None:
    """The third stage of a ResNet, 6 x 6 at 96 pixels (the last, 3 x 3, is too coarse), or else the last map."""
    stages = [name for name, _ in model.named_modules() if name.split(".")[-1] == "layer3"]
    return stages[0] if stages and not isinstance(model, HAM) else None


def table(comparison: dict[str, Any], cams: dict[str, dict[str, Any]]) -> str:
    """One line a method, in Markdown."""
    conditions = [name for name in CONDITIONS if name in comparison["conditions"]]
    head = ["method", *(CONDITIONS[name] for name in conditions), "LRP inside", "Grad-CAM inside", "step", "weights"]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for name, results in comparison["recipes"].items():
        cost = comparison["costs"].get(name)
        scores = [_interval(results[condition]["metrics"]["macro_f1"]) for condition in conditions]
        inside = _interval(results["test"]["metrics"]["relevance_inside"])
        costs = [f"{cost['ratio']:.2f}", f"{cost['parameters'] / 1e6:.2f} M"] if cost else ["-", "-"]
        row = [name, *scores, inside, _interval(cams[name]), *costs]
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def _interval(score: dict[str, Any]) -> str:
    return f"{score['value']:.2f} [{score['low']:.2f}, {score['high']:.2f}]"


def draw(folders: list[Path], picture: Path) -> None:
    """Draw the scores under each condition, and the two shares inside the region beside them."""
    figure, axes = plt.subplots(
        len(folders), 2, figsize=(10, 4.6 * len(folders)), sharey="row", layout="constrained", squeeze=False
    )
    for row, folder in zip(axes, folders, strict=True):
        comparison = json.loads((folder / "comparison.json").read_text())
        cams = grad_cam_inside(folder, comparison["recipes"])
        names = list(comparison["recipes"])[::-1]
        for place, name in enumerate(names):
            results = comparison["recipes"][name]
            values = [results[condition]["metrics"]["macro_f1"]["value"] for condition in results]
            row[0].plot([min(values), max(values)], [place, place], color="0.85", linewidth=5, zorder=0)
            for condition, words in CONDITIONS.items():
                if condition in results:
                    _dot(row[0], results[condition]["metrics"]["macro_f1"], place, COLOURS[condition], words)
            _dot(row[1], results["test"]["metrics"]["relevance_inside"], place, "tab:blue", "LRP")
            _dot(row[1], cams[name], place, "tab:orange", "Grad-CAM")
        row[0].set_yticks(range(len(names)), names)
        title = folder.name.removeprefix("methods_").capitalize()
        row[0].set(title=f"{title}: macro-F1 on unseen patients", xlim=(-0.03, 1.03))
        row[1].set(title="share of the explanation inside the lungs, bias on", xlim=(-0.03, 1.03))
        for axis in row:
            axis.spines[["top", "right"]].set_visible(False)
            handles, labels = axis.get_legend_handles_labels()
            by_words = dict(zip(labels, handles, strict=True))
            axis.legend(
                by_words.values(),
                by_words.keys(),
                frameon=False,
                fontsize=8,
                loc="upper center",
                bbox_to_anchor=(0.5, -0.07),
                ncols=4,
            )
    figure.savefig(picture, dpi=130)


def _dot(axis: Axes, score: dict[str, Any], place: int, colour: str, words: str) -> None:
    axis.plot([score["low"], score["high"]], [place, place], color=colour, linewidth=1.5)
    axis.plot(score["value"], place, "o", color=colour, markersize=5, label=words)


def main() -> None:
    """Print the tables and draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    for folder in options.folders:
        comparison = json.loads((folder / "comparison.json").read_text())
        print(f"{folder.name}\n{table(comparison, grad_cam_inside(folder, comparison['recipes']))}\n")
    if options.picture:
        draw(options.folders, options.picture)


if __name__ == "__main__":
    main()
