"""Draw the picture of the phantoms: `python docs/images/phantoms.py docs/images/phantoms.png`.

Top: a film with each of the five findings, outlined; middle: the simulated reader's fixations on them; bottom: CT.
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from sightline.data.phantoms import FARFIELD, HILLCREST, NORTHGATE, RIVERSIDE
from sightline.data.phantoms.ct import ATRIUM, BEACON, CEDAR, CTFinding, Scanner, make_ct
from sightline.data.phantoms.radiographs import FINDINGS, Finding, make_radiograph, simulate_gaze

_TILE = 208
_RED, _BLUE, _YELLOW = (255, 90, 70), (70, 170, 255), (255, 220, 40)
Grey = NDArray[np.uint8]


def tile(grey: Grey, *outlined: tuple[NDArray[np.bool_], tuple[int, int, int]]) -> Image.Image:
    """A picture with outlines of masks."""
    small = np.asarray(Image.fromarray(grey).resize((_TILE, _TILE), Image.Resampling.LANCZOS))
    colour = np.repeat(small[..., None], 3, axis=2)
    for mask, paint in outlined:
        inside = np.asarray(Image.fromarray(mask).resize((_TILE, _TILE), Image.Resampling.NEAREST))
        colour[inside & ~ndimage.binary_erosion(inside)] = paint
    return Image.fromarray(colour)


def films() -> tuple[list[Image.Image], list[Image.Image]]:
    """Films with their findings, and with where the simulated reader looked."""
    outlined, looked_at = [], []
    hospitals = (RIVERSIDE, HILLCREST, NORTHGATE, FARFIELD, RIVERSIDE)
    severities: dict[Finding, float] = dict(zip(FINDINGS, (0.5, 0.6, 0.8, 0.8, 0.5), strict=True))
    for index, (finding, hospital) in enumerate(zip(FINDINGS, hospitals, strict=True)):
        film = make_radiograph((12, index), hospital, 320, {finding: severities[finding]})
        grey = film.develop(hospital)
        outlined.append(tile(grey, (film.lungs, _BLUE), (film.lesions[finding].mask, _RED)))
        plain = tile(grey)
        pen, scale = ImageDraw.Draw(plain), _TILE / 320
        for x, y, _, duration in simulate_gaze(film, np.random.default_rng(index), miss_rate=0).fixations:
            radius = 9 * duration**0.5
            box = (x * scale - radius, y * scale - radius, x * scale + radius, y * scale + radius)
            pen.ellipse(box, outline=_YELLOW)
        looked_at.append(plain)
    return outlined, looked_at


def scans() -> list[Image.Image]:
    """A slice of each CT finding, in the lung's window or that of soft tissue."""
    shown: list[tuple[Scanner, CTFinding, float, tuple[int, int]]] = [
        (ATRIUM, "nodule", 0.8, (-1100, 300)),
        (BEACON, "consolidation", 0.6, (-1100, 300)),
        (CEDAR, "ground_glass", 0.6, (-1100, 100)),
        (BEACON, "effusion", 0.7, (-160, 260)),
    ]
    tiles = []
    for index, (scanner, finding, severity, (low, high)) in enumerate(shown):
        scan = make_ct((21, index), scanner, 256, {finding: severity})
        values, mask = scan.develop(scanner), scan.lesions[finding].mask
        level = int(mask.sum(axis=(1, 2)).argmax())
        tiles.append(tile(_window(values[level], low, high), (mask[level], _RED)))
    crown = values[:, 122]
    height = round(crown.shape[0] * scan.grid.slice_mm / scan.grid.pixel_mm)
    upright = Image.fromarray(_window(crown, -700, 400)).resize((256, height))
    side = np.zeros((256, 256), np.uint8)
    rows = min(256, height)
    side[(256 - rows) // 2 : (256 - rows) // 2 + rows] = np.asarray(upright)[:rows]
    return [*tiles, tile(side)]


def _window(values: NDArray[np.int16], low: int, high: int) -> Grey:
    return np.clip((values.astype(np.float32) - low) / (high - low) * 255, 0, 255).astype(np.uint8)


def main(path: Path) -> None:
    """Write the picture."""
    rows = [*films(), scans()]
    sheet = Image.new("RGB", (len(rows[0]) * (_TILE + 4) - 4, len(rows) * (_TILE + 4) - 4), "white")
    for down, row in enumerate(rows):
        for right, one in enumerate(row):
            sheet.paste(one, (right * (_TILE + 4), down * (_TILE + 4)))
    palette = Image.new("P", (1, 1))
    palette.putpalette([*(level for grey in range(0, 256, 3) for level in 3 * (grey,)), *_RED, *_BLUE, *_YELLOW])
    sheet.quantize(palette=palette, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
