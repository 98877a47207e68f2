"""Tables and contact sheet of ct_organs.md; images of patients stay where they are.

    python docs/experiments/ct_organs.py table --data FOLDER
    python docs/experiments/ct_organs.py changed --data FOLDER
    python docs/experiments/ct_organs.py sheet --out docs/images/ct_organs.png
    python docs/experiments/ct_organs.py sheet --data FOLDER --out SHEET_OF_PATIENTS.png

FOLDER holds `ct_cip_test` and `ct_totalsegmentator_examples`.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from sightline.data.phantoms.ct import ATRIUM, BEACON, CEDAR, DELTA, make_ct
from sightline.data.readers import read_volume
from sightline.regions.organs import PAPER, Organs, OrganSettings, organs_from_labels, partition_organs
from sightline.reporting import LIGHT, save_figure
from sightline.reporting.themes import box, lettering, new_figure

Array = NDArray[Any]
SETTINGS = {"paper": PAPER, "robust": OrganSettings()}
CIP_RIGHT, CIP_LEFT = (2, 12, 13, 14), (3, 9, 10, 11)  # lung, and its upper, middle and lower third
COLORS = np.array([[0, 0, 0], [70, 150, 255], [255, 196, 40], [70, 205, 120]], float)
TILE, GAP, MARGIN, FIELD_MM = 132, 6, 16, 360.0


@dataclass(frozen=True, eq=False)
class Scan:
    """A volume with the lungs that are true, or that others drew: 1 right, 3 left."""

    name: str
    hu: Array
    spacing_mm: tuple[float, float, float]
    truth: Array


def phantoms() -> Iterator[Scan]:
    """Phantoms of each scanner and finding."""
    asked: list[tuple[str, Any, dict[Any, float]]] = [
        ("no finding", ATRIUM, {}),
        ("nodules", CEDAR, {"nodule": 0.9}),
        ("ground glass", CEDAR, {"ground_glass": 0.9}),
        ("consolidation, 5 mm slices", DELTA, {"consolidation": 0.7}),
        ("effusion, sharp kernel", BEACON, {"effusion": 0.7}),
    ]
    for index, (name, scanner, findings) in enumerate(asked):
        made = make_ct((11, index), scanner, 192, findings)
        lungs = np.array([0, 1, 3, *[0] * 9], np.uint8)[made.labels]
        yield Scan(f"phantom, {name}", made.develop(scanner), made.grid.spacing_mm, lungs)


def patients(data: Path) -> Iterator[Scan]:
    """The real volumes."""
    cip, other = data / "ct_cip_test", data / "ct_totalsegmentator_examples"
    volume = read_volume(cip / "ct-64.nii.gz")
    regions = read_volume(cip / "lm-64.nii.gz").values.astype(int) % 256
    sides = np.select([np.isin(regions, CIP_RIGHT), np.isin(regions, CIP_LEFT)], [1, 3])
    sides = sides * (read_volume(cip / "wholeLung-64.nii.gz").values > 0)
    yield Scan("whole chest, 4 mm (CIP)", volume.values, volume.spacing_mm, sides)
    for folder in ("abdomen_3mm", "abdomen_3mm_small"):
        volume = read_volume(other / folder / "ct.nii.gz")
        labels = read_volume(other / folder / "seg_total.nii.gz").values
        truth = organs_from_labels(labels, volume.spacing_mm, mediastinum="labels").labels
        truth[truth == 2] = 0
        yield Scan(f"{folder} (lung bases)", volume.values, volume.spacing_mm, truth)
    volume = read_volume(other / "dicom_series")
    yield Scan("dicom_series (abdomen)", volume.values, volume.spacing_mm, np.zeros(volume.values.shape, np.uint8))


def changed(scan: Scan) -> Iterator[Scan]:
    """The same patient as other scans might show him."""
    hu, spacing, truth = scan.hu, scan.spacing_mm, scan.truth
    rng = np.random.default_rng(0)
    yield replace(scan, name="as it is")
    for angle in (15, 30):
        turned = ndimage.rotate(hu, angle, (1, 2), reshape=False, order=1, cval=-1000)
        lungs = ndimage.rotate(truth, angle, (1, 2), reshape=False, order=0)
        yield Scan(f"turned by {angle} degrees", turned, spacing, lungs)
    yield Scan("lying on the face", hu[:, ::-1], spacing, truth[:, ::-1])
    yield Scan("every third slice (12 mm)", hu[::3], (3 * spacing[0], *spacing[1:]), truth[::3])
    yield Scan("slices from the carina down", hu[25:], spacing, truth[25:])
    yield Scan("right side cut by 58 mm", hu[:, :, 14:], spacing, truth[:, :, 14:])
    rows, columns = np.mgrid[: hu.shape[1], : hu.shape[2]]
    for radius in (30, 26):
        beyond = np.hypot(rows - 31.5, columns - 31.5) > radius
        round_field = np.where(beyond, -2000, hu)
        name = f"round field of {2 * radius * spacing[1]:.0f} mm"
        yield Scan(name, round_field, spacing, np.where(beyond, 0, truth))
    for noise in (30, 100):
        yield Scan(f"noise of {noise} HU", hu + rng.normal(0, noise, hu.shape), spacing, truth)
    for loss in (40, 60):
        yield Scan(f"lungs {loss} HU lower (emphysema)", hu - loss * (truth > 0), spacing, truth)
    yield Scan("left lung white", np.where(truth == 3, 30, hu), spacing, np.where(truth == 3, 0, truth))


def dice(found: Array, truth: Array) -> str:
    """Dice's coefficient in words; nothing where there is nothing to find."""
    both = int(found.sum() + truth.sum())
    return f"{2 * (found & truth).sum() / both:.3f}" if truth.any() else "" if not both else "0.000"


def scores(organs: Organs, truth: Array) -> list[str]:
    """Dice of both lungs together, right and left."""
    lungs = np.isin(organs.labels, (1, 3))
    return [dice(lungs, truth > 0), *(dice(organs.labels == code, truth == code) for code in (1, 3))]


def print_table(scans: Iterator[Scan]) -> None:
    """Print a table in Markdown."""
    print("| volume | steps | both | right | left | ml right, left | passed |\n|---|---|---|---|---|---|---|")
    for scan in scans:
        for name, settings in SETTINGS.items():
            organs = partition_organs(scan.hu, scan.spacing_mm, settings)
            quality = organs.quality
            words = "yes" if quality.passed else "no: " + ", ".join(quality.reasons)
            numbers = " | ".join(scores(organs, scan.truth))
            print(f"| {scan.name} | {name} | {numbers} | {quality.right_ml:.0f}, {quality.left_ml:.0f} | {words} |")


def tile(hu: Array, labels: Array, step_mm: tuple[float, float], middle: tuple[float, float]) -> Array:
    """A section with its organs tinted and outlined, `FIELD_MM` wide and high about the middle (row, column)."""
    places = []
    for length, step, centre in zip(hu.shape, step_mm, middle, strict=True):
        along = centre + (np.arange(2 * TILE) + 0.5 - TILE) * FIELD_MM / (2 * TILE) / step
        places.append((np.rint(along).astype(int), (along > -0.5) & (along < length - 0.5)))
    (rows, in_rows), (columns, in_columns) = places
    there = in_rows[:, None] & in_columns
    index = np.ix_(rows.clip(0, hu.shape[0] - 1), columns.clip(0, hu.shape[1] - 1))
    grey = np.where(there, np.clip((hu[index] + 1000) / 1300, 0, 1) * 255, 255)
    codes = np.where(there, labels[index], 0)
    picture = np.repeat(grey[..., None], 3, axis=2)
    for code in (1, 2, 3):
        inside = codes == code
        edge = inside & ~ndimage.binary_erosion(inside, iterations=2)
        picture[inside] = 0.78 * picture[inside] + 0.22 * COLORS[code]
        picture[edge] = COLORS[code]
    return picture.astype(np.uint8)


def tiles(scan: Scan, organs: Organs) -> list[Array]:
    """Five axial sections of the lungs, a coronal and a sagittal one."""
    shape, (down, back, aside) = scan.hu.shape, scan.spacing_mm
    where = organs.box or tuple(slice(0, length) for length in shape)
    centre = [(part.start + part.stop - 1) / 2 for part in where]
    levels = [
        round(where[0].start + share * (where[0].stop - 1 - where[0].start)) for share in (0.08, 0.3, 0.5, 0.7, 0.9)
    ]
    made = [tile(scan.hu[k], organs.labels[k], (back, aside), (centre[1], centre[2])) for k in levels]
    row, column = round(centre[1]), round(centre[2])
    made.append(tile(scan.hu[:, row], organs.labels[:, row], (down, aside), (centre[0], centre[2])))
    made.append(tile(scan.hu[:, :, column], organs.labels[:, :, column], (down, back), (centre[0], centre[1])))
    return made


def draw_sheet(scans: list[Scan], out: Path) -> None:
    """Draw one row a volume."""
    titles = ["apex", "", "middle", "", "base", "coronal", "sagittal"]
    line, head = TILE + 34, 58
    width = 2 * MARGIN + len(titles) * (TILE + GAP) - GAP
    figure = new_figure(width, head + len(scans) * line + MARGIN, LIGHT)

    def write(text: str, left: float, top: float, **style: Any) -> None:  # noqa: ANN401 - matplotlib's
        x, y, _, _ = box(figure, left, top, 0, 0)
        figure.text(x, y, text, va="top", **style)

    write(
        "Right lung (blue), mediastinum (yellow), left lung (green)", MARGIN, 12, **lettering(LIGHT.ink, 16, bold=True)
    )
    for number, title in enumerate(titles):
        write(title, MARGIN + number * (TILE + GAP), 38, **lettering(LIGHT.muted, 12))
    for place, scan in enumerate(scans):
        organs = partition_organs(scan.hu, scan.spacing_mm)
        top = head + place * line
        both, right, left = scores(organs, scan.truth)
        words = "passed" if organs.quality.passed else "not passed: " + ", ".join(organs.quality.reasons)
        write(scan.name, MARGIN, top, **lettering(LIGHT.ink, 12, bold=True))
        words = f"Dice {both} (right {right}, left {left}), {words}" if both else words
        write(words, MARGIN + 260, top, **lettering(LIGHT.muted, 12))
        for number, picture in enumerate(tiles(scan, organs)):
            axes = figure.add_axes(box(figure, MARGIN + number * (TILE + GAP), top + 20, TILE, TILE))
            axes.set_axis_off()
            axes.imshow(picture, interpolation="none")
    save_figure(figure, out)
    with Image.open(out) as drawn:  # a palette is a third of the size
        small = drawn.convert("RGB").quantize(96, dither=Image.Dither.NONE)
    small.save(out, optimize=True)


def hard(scan: Scan) -> Iterator[Scan]:
    """A phantom turned, and with its lungs cut by the field of view."""
    turned = ndimage.rotate(scan.hu, 20, (1, 2), reshape=False, order=1, cval=-1000)
    lungs = ndimage.rotate(scan.truth, 20, (1, 2), reshape=False, order=0)
    yield Scan("phantom, turned by 20 degrees", turned, scan.spacing_mm, lungs)
    yield Scan("phantom, right side cut", scan.hu[:, :, 52:], scan.spacing_mm, scan.truth[:, :, 52:])


def main() -> None:
    """Do what was asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("todo", choices=("table", "changed", "sheet"))
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path, default=Path("docs/images/ct_organs.png"))
    options = parser.parse_args()
    if options.todo == "changed":
        print_table(changed(next(patients(options.data))))
    elif options.todo == "table":
        print_table(iter([*patients(options.data), *phantoms()]))
    elif options.data:
        draw_sheet(list(patients(options.data)), options.out)
    else:
        made = list(phantoms())
        draw_sheet([*made, *hard(made[0])], options.out)


if __name__ == "__main__":
    main()
