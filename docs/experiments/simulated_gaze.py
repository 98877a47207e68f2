"""A cohort of real radiographs with SIMULATED gaze, drawn from boxes around lesions; no person has looked.

    python docs/experiments/simulated_gaze.py --data FOLDER --out runs/cohorts/nih_gaze

FOLDER holds `cxr_nih_pneumonia` (NIH ChestX-ray8: provided by the NIH Clinical Center, Wang et al. 2017,
doi:10.1109/CVPR.2017.369), where 22 of 140 images with pneumonia have boxes. `simulated_gaze.png` in the new folder
shows a few.

The simulated reader

- scans: down one lung and up the other, one or two fixations in each third, then the heart between them;
- dwells on each box, 8 to 14 fixations, the nearer to its middle the likelier (a normal distribution with a quarter of
  the side as its standard deviation, within the box), with now and then a glance at the same place of the other lung;
- ends with four more glances at the lungs.

Durations are log-normal with medians of 0.22 s (scanning) and 0.42 s (dwelling), and 0.04 s pass from one fixation to
the next. The lungs are those of `masks_auto`, which a model drew. Images without findings are scanned; images with
pneumonia and no box have no gaze, because nobody knows where to look.

So this gaze is made from the answer: it is there to try regions and code with. A model that reads it as an input is
told the class, and its scores say nothing.
"""

import argparse
import csv
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sightline.data import Case, Cohort, region_from_gaze, split_by_patient, write_cohort
from sightline.reporting import LIGHT, heatmap_overlay, save_figure
from sightline.reporting.themes import lettering, new_figure
from sightline.runs import write_text

SEED = 0
CLASSES = ("no_finding", "pneumonia")
SIMULATED = "simulated from lesion boxes, no person has looked"
SCAN_S, DWELL_S, SPREAD, SACCADE_S = 0.22, 0.42, 0.4, 0.04
Places = NDArray[np.float64]
Box = tuple[float, float, float, float]


def simulate(lungs: NDArray[np.bool_], boxes: list[Box], rng: np.random.Generator) -> list[dict[str, str]]:
    """Draw the fixations of one reading.

    Args:
        lungs: where they are, `(H, W)`.
        boxes: left, top, width and height of each, pixels.
        rng: generator that is advanced.

    Returns:
        A row for each fixation; `simulated` says whether it belongs to the scan or to a box.
    """
    height, width = lungs.shape
    rows = [(place, "scan") for place in [*scan(lungs, rng), *heart(lungs, rng)]]
    for index in rng.permutation(len(boxes)):
        rows += [(place, "box") for place in dwell(boxes[index], rng)]
        if rng.random() < 0.25:
            left, top, across, down = boxes[index]
            rows += [(place, "scan") for place in dwell((width - left - across, top, across, down), rng)[:1]]
    rows += [(place, "scan") for place in rng.permutation(scan(lungs, rng))[:4]]
    table, time = [], 0.0
    for (x, y), what in rows:
        median = DWELL_S if what == "box" else SCAN_S
        duration = float(np.clip(median * np.exp(rng.normal(0, SPREAD)), 0.08, 2.5))
        x, y = np.clip((x, y), 0, (width - 0.01, height - 0.01))
        cells = {"x": f"{x:.1f}", "y": f"{y:.1f}", "start": f"{time:.3f}", "duration": f"{duration:.3f}"}
        table.append({**cells, "simulated": what})
        time += duration + SACCADE_S
    return table


def scan(lungs: NDArray[np.bool_], rng: np.random.Generator) -> Places:
    """Places down one lung and up the other, `(F, 2)`."""
    rows, columns = np.nonzero(lungs)
    third = np.minimum(3 * (rows - rows.min()) // (np.ptp(rows) + 1), 2)
    right = columns > np.median(columns)
    order = [(False, 0), (False, 1), (False, 2), (True, 2), (True, 1), (True, 0)]
    chosen: list[int] = []
    for side, part in order:
        here = np.flatnonzero((right == side) & (third == part))
        chosen += rng.choice(here, size=1 + int(rng.random() < 0.5)).tolist() if len(here) else []
    return np.column_stack([columns[chosen], rows[chosen]]) + 0.5


def heart(lungs: NDArray[np.bool_], rng: np.random.Generator) -> Places:
    """Two places between the lungs, in their lower half."""
    rows, columns = np.nonzero(lungs)
    middle = np.array([np.median(columns), rows.min() + 0.65 * np.ptp(rows)])
    return middle + rng.normal(0, 0.04 * lungs.shape[1], (2, 2))


def dwell(box: Box, rng: np.random.Generator) -> Places:
    """Places in a box, most of them near its middle, `(8 to 14, 2)`."""
    left, top, width, height = box
    spread = np.clip(rng.normal(0, 0.25, (int(rng.integers(8, 15)), 2)), -0.5, 0.5)
    return np.array([left + width / 2, top + height / 2]) + spread * (width, height)


def make_cohort(folder: Path, out: Path) -> Cohort:
    """Write the tables of gaze and the cohort: 70, 10 and 20 % of the patients with a box, and of the others."""
    boxes = defaultdict(list)
    for row in read(folder / "boxes.csv"):
        boxes[row["file"]].append(tuple(float(row[key]) for key in ("x", "y", "width", "height")))
    cases = []
    for index, row in enumerate(read(folder / "labels.csv")):
        name = Path(row["file"]).stem
        case = Case(name, folder / row["file"], CLASSES.index(row["label"]), row["patient_key"], source="nih")
        if boxes[row["file"]] or row["label"] == "no_finding":
            lungs = np.asarray(Image.open(folder / row["mask_auto"])) > 127
            table = simulate(lungs, boxes[row["file"]], np.random.default_rng([SEED, index]))
            gaze = out / "simulated_gaze" / f"{name}.csv"
            lines = [",".join(table[0]), *(",".join(cells.values()) for cells in table)]
            write_text(gaze, "\n".join(lines) + "\n")
            case = replace(case, gaze=gaze, about={"gaze_is": SIMULATED, "boxes": str(len(boxes[row["file"]]))})
        cases.append(case)
    boxed = {case.patient for case in cases if case.about.get("boxes", "0") != "0"}
    parts = [
        Cohort(folder, "multiclass", CLASSES, tuple(case for case in cases if (case.patient in boxed) == with_boxes))
        for with_boxes in (True, False)
    ]
    split = [split_by_patient(part, fractions={"train": 0.7, "val": 0.1, "test": 0.2}, seed=SEED) for part in parts]
    cohort = replace(split[0], cases=(*split[0].cases, *split[1].cases))
    write_cohort(cohort, out)
    write_text(out / "SIMULATED.md", f"# Simulated gaze\n\nThe gaze of this cohort is {SIMULATED}.\n\n{__doc__}")
    return cohort


def read(table: Path) -> list[dict[str, str]]:
    """Rows of a table."""
    with table.open(newline="") as file:
        return list(csv.DictReader(file))


def look(cohort: Cohort, boxes: list[dict[str, str]], out: Path) -> None:
    """Draw a few images with their simulated fixations and the region made of them."""
    boxed = {Path(row["file"]).stem for row in boxes}
    gazed = [case for case in cohort.cases if case.gaze]
    shown = [case for case in gazed if case.id in boxed][:6] + [case for case in gazed if case.id not in boxed][:2]
    canvas = new_figure(1000, 560, LIGHT)
    canvas.text(0.01, 0.985, f"NIH radiographs, gaze {SIMULATED}", va="top", **lettering(LIGHT.ink, 15, bold=True))
    grid = {"left": 0.01, "right": 0.99, "top": 0.9, "bottom": 0.01, "wspace": 0.03, "hspace": 0.14}
    for axes, case in zip(canvas.subplots(2, 4, gridspec_kw=grid).flat, shown, strict=True):
        assert case.gaze is not None
        image = np.asarray(Image.open(case.image).convert("L"))
        region = region_from_gaze(case.gaze, image.shape, image.shape)[0].numpy()
        axes.imshow(heatmap_overlay(image, region, opacity=0.5))
        fixations = read(case.gaze)
        x, y, lasted = (np.array([float(row[key]) for row in fixations]) for key in ("x", "y", "duration"))
        axes.plot(x, y, color="white", linewidth=0.5, alpha=0.6)
        axes.scatter(x, y, s=40 * lasted, facecolor="none", edgecolor="white", linewidth=0.8)
        for row in boxes:
            if Path(row["file"]).stem == case.id:
                left, top, width, height = (float(row[key]) for key in ("x", "y", "width", "height"))
                axes.plot(
                    [left, left + width, left + width, left, left],
                    [top, top, top + height, top + height, top],
                    color="yellow",
                    linewidth=1.2,
                )
        axes.set_axis_off()
        axes.set_title(f"simulated gaze, {CLASSES[int(case.label)]}", **lettering(LIGHT.muted, 11))  # type: ignore[arg-type]
    save_figure(canvas, out)


def main() -> None:
    """Write the cohort and the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/cohorts/nih_gaze"))
    options = parser.parse_args()
    folder = options.data / "cxr_nih_pneumonia"
    cohort = make_cohort(folder, options.out)
    look(cohort, read(folder / "boxes.csv"), options.out / "simulated_gaze.png")
    gazed = sum(case.gaze is not None for case in cohort.cases)
    print(f"{options.out}: {len(cohort.cases)} images, {gazed} with SIMULATED gaze, splits {', '.join(cohort.splits)}")


if __name__ == "__main__":
    main()
