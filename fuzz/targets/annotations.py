"""Outlines of LabelMe and VIA as masks."""

import json
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
from PIL import Image

from sightline.data.readers import read_mask
from sightline.errors import SightlineError
from targets.files import as_file, folder

WORDS = (
    *(b'"shapes"', b'"points"', b'"shape_type"', b'"label"', b'"imageHeight"', b'"imageWidth"', b'"_via_img_metadata"'),
    *(
        b'"filename"',
        b'"regions"',
        b'"shape_attributes"',
        b'"region_attributes"',
        b'"all_points_x"',
        b'"name"',
        b'"cx"',
    ),
    *(b'"rectangle"', b'"circle"', b'"polygon"', b'"ellipse"', b"NaN", b"Infinity", b"1e308", b"99999999999", b"null"),
)


def one(data: bytes) -> None:
    """Read the outlines of a picture of 12 x 10 pixels, all of them and those with one label."""
    image = folder() / "film.png"
    if not image.is_file():
        Image.fromarray(np.zeros((12, 10), np.uint8)).save(image)
    with as_file(data, "film.json") as path:
        for part in ("", "#heart"):
            with suppress(SightlineError):
                read_mask(path.with_name(path.name + part), image=image)


def seeds() -> Iterator[tuple[str, bytes]]:
    """Each shape of both."""
    triangle = [[1, 1], [8.5, 2], [4, 9]]
    shapes = [
        {"label": "heart", "points": triangle, "shape_type": "polygon"},
        {"label": "lung", "points": triangle[:2], "shape_type": "rectangle"},
        {"label": "heart", "points": triangle[:2], "shape_type": "circle"},
        {"label": "tube", "points": triangle, "shape_type": "linestrip"},
    ]
    yield "labelme", json.dumps({"shapes": shapes, "imageHeight": 12, "imageWidth": 10}).encode()
    forms = [
        {"name": "polygon", "all_points_x": [1, 8, 4], "all_points_y": [1, 2, 9]},
        {"name": "rect", "x": 1, "y": 2, "width": 3, "height": 4},
        {"name": "circle", "cx": 5, "cy": 5, "r": 2.5},
        {"name": "ellipse", "cx": 5, "cy": 5, "rx": 2, "ry": 4, "theta": 0.5},
        {"name": "polyline", "all_points_x": [1, 8], "all_points_y": [1, 2]},
    ]
    regions = [{"shape_attributes": form, "region_attributes": {"organ": "heart"}} for form in forms]
    entry = {"filename": "film.png", "size": 100, "regions": regions}
    yield "via", json.dumps({"film.png100": entry}).encode()
    by_number = {str(number): region for number, region in enumerate(regions)}
    yield "via-project", json.dumps({"_via_img_metadata": {"a": entry | {"regions": by_number}}}).encode()
