"""Whether a classifier's relevance lies in the boxes that radiologists drew round the pneumonia; see lesions.md.

    python docs/experiments/lesions.py runs/lesions/* --data FOLDER --sheet lesions.png

FOLDER holds `cxr_nih_pneumonia`; each run holds the maps that `sightline explain` drew of its split `boxes`.
"""

import argparse
import csv
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from sightline.metrics import pointing_game, relevance_share_inside, wilcoxon_signed_rank
from sightline.metrics.patient_means import patient_means

METHODS = ("lrp", "grad_cam")
SIDE = 320  # pixels of the images that the boxes are told in
Map = NDArray[np.float64]


def boxes(data: Path) -> dict[str, list[tuple[float, float, float, float]]]:
    """Left, top, right and bottom of every box round a pneumonia, pixels, by image."""
    found = defaultdict(list)
    with (data / "cxr_nih_pneumonia" / "boxes.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["finding"] == "Pneumonia":
                left, top, width, height = (float(row[key]) for key in ("x", "y", "width", "height"))
                found[Path(row["file"]).stem].append((left, top, left + width, top + height))
    return dict(found)


def region(of: list[tuple[float, float, float, float]], side: int) -> Map:
    """Where the boxes are, 0 or 1, `(side, side)`."""
    drawn = Image.new("L", (SIDE, SIDE))
    for box in of:
        ImageDraw.Draw(drawn).rectangle(box, fill=255)
    return np.asarray(drawn.resize((side, side), Image.Resampling.BOX), np.float64) / 255 >= 0.5


def maps_of(run: Path) -> dict[str, tuple[str, dict[str, Map], float]]:
    """Patient, positive part of each method's map, and probability of pneumonia, by image."""
    found = {}
    for file in sorted((run / "maps" / "boxes").glob("*/maps.json")):
        record = json.loads(file.read_text())
        drawn = {name: np.load(file.parent / f"{name}.npy").clip(min=0).astype(np.float64) for name in METHODS}
        patient = record["case"].removeprefix("nih-").split("_")[0]
        found[record["case"].removeprefix("nih-")] = (patient, drawn, record["maps"][METHODS[0]]["probability"])
    return found


def measured(maps: dict[str, tuple[str, dict[str, Map], float]], marked: dict, method: str) -> dict[str, Map]:
    """Of every image with a box: share of the positive relevance in the boxes, and in places to hold it against."""
    names = sorted(set(maps) & set(marked))
    side = next(iter(maps.values()))[1][method].shape[0]
    regions = np.stack([region(marked[name], side) for name in names]).astype(np.float64)
    drawn = np.stack([maps[name][1][method] for name in names])[:, None]

    def share(places: Map) -> Map:
        return np.asarray(relevance_share_inside(drawn, places[:, None]), np.float64)

    of_others = np.stack([share(np.roll(regions, shift, axis=0)) for shift in range(1, len(names))])
    return {
        "in the boxes": share(regions),
        "mirrored": share(regions[:, :, ::-1].copy()),
        "of others": of_others.mean(0),
        "area": regions.mean((1, 2)),
        "hit": np.asarray(pointing_game(drawn, regions[:, None]), np.float64),
        "patient": np.array([maps[name][0] for name in names]),
    }


def row(name: str, found: dict[str, Map]) -> str:
    """One line of the table."""
    inside, patients = found["in the boxes"], list(found["patient"])
    columns = [inside, found["area"], found["mirrored"], found["of others"], found["hit"]]
    columns += [inside - found["mirrored"], inside - found["of others"]]
    means = patient_means(np.stack(columns, 1), patients)
    cells = [f"{one.value:.2f} [{one.low:.2f}, {one.high:.2f}]" for one in means]
    cells[5] = f"{means[5].value:+.2f} [{means[5].low:+.2f}, {means[5].high:+.2f}]"
    cells[6] = f"{means[6].value:+.2f} [{means[6].low:+.2f}, {means[6].high:+.2f}]"
    p = [wilcoxon_signed_rank(inside, found[against]).p for against in ("mirrored", "of others")]
    cells[5] += f", p = {p[0]:.2g}"
    cells[6] += f", p = {p[1]:.2g}"
    return f"| {name} | {' | '.join(cells)} |"


def sheet(runs: list[Path], maps: list[dict], marked: dict, file: Path, count: int = 4) -> None:
    """Draw images with their boxes, and the maps of each run beside them."""
    names = sorted(set(maps[0]) & set(marked))[:: max(1, len(set(maps[0]) & set(marked)) // count)][:count]
    page = Image.new("RGB", ((1 + len(runs)) * SIDE, len(names) * SIDE))
    for line, name in enumerate(names):
        places = [runs[0] / "maps" / "boxes" / f"nih-{name}" / "image.png"]
        places += [run / "maps" / "boxes" / f"nih-{name}" / "lrp.png" for run in runs]
        for column, place in enumerate(places):
            picture = Image.open(place).convert("RGB").resize((SIDE, SIDE))
            for box in marked[name]:
                ImageDraw.Draw(picture).rectangle(box, outline=(60, 220, 90), width=2)
            page.paste(picture, (column * SIDE, line * SIDE))
    page.save(file)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--sheet", type=Path, help="also draw a few images, with the boxes and the maps of each run")
    options = parser.parse_args()
    marked, maps = boxes(options.data), [maps_of(run) for run in options.runs]
    head = ["run, method", "in the boxes", "area", "mirrored", "of others", "maximum in a box"]
    print(f"| {' | '.join([*head, 'less mirrored', 'less of others'])} |\n|{'---|' * 8}")
    for run, of_run in zip(options.runs, maps, strict=True):
        for method in METHODS:
            print(row(f"{run.name}, {method}", measured(of_run, marked, method)))
        boxed = [of_run[name] for name in sorted(set(of_run) & set(marked))]
        chances = [chance for _, _, chance in boxed]
        called = sum(chance >= 0.5 for chance in chances)
        print(f"  {run.name}: {called} of {len(chances)} images with a box called pneumonia")
        left = np.mean(
            [drawn["lrp"][:, : drawn["lrp"].shape[1] // 2].sum() / drawn["lrp"].sum() for _, drawn, _ in boxed]
        )
        print(f"  {run.name}: {100 * left:.0f} % of their positive relevance in the left half of the image")
    if options.sheet:
        sheet(options.runs, maps, marked, options.sheet)


if __name__ == "__main__":
    main()
