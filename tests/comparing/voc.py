"""A folder laid out as VOC 2012, of squares in three colours, one a class."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from sightline.data import write_cohort
from sightline.data.adapters import PascalVoc
from sightline.data.adapters.pascal_voc import CLASSES

COLOURS = {"aeroplane": (255, 40, 40), "car": (40, 255, 40), "person": (40, 40, 255)}
SHOWN = tuple(COLOURS)
SIDE, SQUARE, IGNORE = 64, 24, 255


def make_voc_cohort(folder: Path, *, train: int = 12, val: int = 15) -> Path:
    """Write the photos and make a cohort of them; of three photos one has one class, one two and one three."""
    voc, rng = folder / "VOC2012", np.random.default_rng(0)
    for name in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (voc / name).mkdir(parents=True)
    numbers = {"train": range(train), "val": range(train, train + val)}
    for split, members in numbers.items():
        for number in members:
            photo, mask = rng.integers(0, 90, (SIDE, SIDE, 3), dtype=np.uint8), np.zeros((SIDE, SIDE), np.uint8)
            chosen = rng.permutation(list(COLOURS))[: number % 3 + 1]
            corners = rng.permutation(4)
            for name, corner in zip(chosen, corners, strict=False):
                top, left = (4 + 32 * int(part) for part in divmod(corner, 2))
                place = slice(top, top + SQUARE), slice(left, left + SQUARE)
                photo[place] = COLOURS[name]
                mask[place] = IGNORE  # a rim that belongs to nobody
                mask[top + 1 : top + SQUARE - 1, left + 1 : left + SQUARE - 1] = CLASSES.index(name) + 1
            Image.fromarray(photo).save(voc / f"JPEGImages/{number:03}.jpg", quality=95)
            outline = Image.fromarray(mask)
            outline.putpalette([0, 0, 0] * 256)
            outline.save(voc / f"SegmentationClass/{number:03}.png")
        names = "".join(f"{number:03}\n" for number in members)
        (voc / f"ImageSets/Segmentation/{split}.txt").write_text(names)
    out = folder / "cohort"
    cohort = PascalVoc(training="voc").read(folder, out).cohort
    cases = tuple(
        replace(case, label=tuple(float(name in case.class_masks) for name in SHOWN)) for case in cohort.cases
    )
    write_cohort(replace(cohort, classes=SHOWN, cases=cases), out)  # a class without a photo cannot be trained
    return out
