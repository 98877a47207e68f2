"""Cohorts and figure of lung_masks.md; the images stay where they are.

    python docs/experiments/lung_masks.py cohorts --data FOLDER --out runs/cohorts
    python docs/experiments/lung_masks.py figure --runs runs/lung_masks --out docs/images/lung_masks.png

FOLDER holds `cxr_covid_hannover`, `cxr_covid_ieee_open` and `cxr_nih_pneumonia`; runs/cohorts/kermany is
of `cohorts.py`.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from sightline.data import Case, Cohort, read_cohort, write_cohort
from sightline.reporting import LIGHT, save_figure
from sightline.reporting.themes import lettering, new_figure, points

NAMES = ("covid_hannover", "covid_ieee_open", "nih_pneumonia")


def cohort(folder: Path) -> Cohort:
    """The images of one hospital, with the human masks there are; masks that a model made are left aside."""
    with (folder / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    classes = tuple(sorted({row["label"] for row in rows}))
    cases = tuple(
        Case(
            id=Path(row["file"]).stem,
            image=folder / row["file"],
            label=classes.index(row["label"]),
            patient=row["patient_key"],
            source=folder.name,
            mask=folder / row["mask"] if row.get("mask") else None,
        )
        for row in rows
    )
    return Cohort(root=folder, task="multiclass", classes=classes, cases=cases)


def scores(path: Path) -> dict[str, np.ndarray]:
    """Columns of a table of scores, of the images that have them; `review` is whether the mask is to be looked at."""
    with path.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["iou"]]
    columns = {name: np.array([float(row[name]) for row in rows]) for name in ("iou", "confidence") if name in rows[0]}
    return columns | {"review": np.array([bool(row.get("review")) for row in rows])}


def figure(runs: Path, out: Path) -> None:
    """Draw the share of images below each IoU, and confidence against IoU where the hospital is another."""
    val, hannover = scores(runs / "kermany" / "validation.csv"), scores(runs / "covid_hannover" / "masks.csv")
    canvas = new_figure(860, 360, LIGHT)
    left, right = canvas.subplots(1, 2, gridspec_kw={"left": 0.08, "right": 0.98, "bottom": 0.17, "top": 0.88})
    for name, found, color in (
        ("children, validation", val, LIGHT.plain),
        ("adults, Hannover", hannover, LIGHT.accent),
    ):
        rising = np.sort(found["iou"])
        left.step(rising, np.arange(1, len(rising) + 1) / len(rising), where="post", color=color, label=name)
    left.set_xlabel("IoU with the human mask", **lettering(LIGHT.ink, 12))
    left.set_ylabel("share of images below", **lettering(LIGHT.ink, 12))
    left.legend(frameon=False, fontsize=points(12), loc="upper left")
    for flagged, shape in ((False, "o"), (True, "^")):
        here = hannover["review"] == flagged
        label = "to be looked at" if flagged else "not flagged"
        color = LIGHT.others[1] if flagged else LIGHT.accent
        right.scatter(hannover["confidence"][here], hannover["iou"][here], s=18, marker=shape, color=color, label=label)
    rank = spearmanr(hannover["confidence"], hannover["iou"]).statistic
    right.set_title(f"adults, Hannover: rank correlation {rank:.2f}", **lettering(LIGHT.ink, 12))
    right.set_xlabel("confidence", **lettering(LIGHT.ink, 12))
    right.set_ylabel("IoU with the human mask", **lettering(LIGHT.ink, 12))
    right.legend(frameon=False, fontsize=points(12), loc="lower right")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=points(12), colors=LIGHT.muted)
    save_figure(canvas, out)


def main() -> None:
    """Do what was asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    todo = parser.add_subparsers(dest="todo", required=True)
    one = todo.add_parser("cohorts")
    one.add_argument("--data", type=Path, required=True)
    one.add_argument("--out", type=Path, default=Path("runs/cohorts"))
    two = todo.add_parser("figure")
    two.add_argument("--runs", type=Path, default=Path("runs/lung_masks"))
    two.add_argument("--out", type=Path, default=Path("docs/images/lung_masks.png"))
    options = parser.parse_args()
    if options.todo == "figure":
        figure(options.runs, options.out)
        return
    cohorts = {name: cohort(options.data / f"cxr_{name}") for name in NAMES}
    cohorts["kermany_test"] = read_cohort(options.out / "kermany").split("test")
    for name, made in cohorts.items():
        print(f"{write_cohort(made, options.out / name)}: {len(made.cases)} images")


if __name__ == "__main__":
    main()
