import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sightline.data.readers.annotations import read_annotations
from sightline.errors import DataError

SIZE = (6, 8)


def read(path: Path, *labels: str, image: str = "film.png", size: tuple[int, int] | None = SIZE) -> np.ndarray:
    return read_annotations(path, labels=labels, image=image, size=size, name=path.name)


def boxes(*corners: tuple[int, int, int, int]) -> np.ndarray:
    mask = np.zeros(SIZE, bool)
    for left, top, right, bottom in corners:
        mask[top:bottom, left:right] = True
    return mask


@pytest.fixture
def labelme(tmp_path: Path) -> Path:
    shapes = [
        {"label": "lung", "points": [[1, 1], [3, 1], [3, 4], [1, 4]], "shape_type": "polygon"},
        {"label": "heart", "points": [[6.0, 5.0], [4.0, 2.0]], "shape_type": "rectangle"},
        {"label": "heart", "points": [[0, 0], [8, 6]], "shape_type": "line"},
    ]
    path = tmp_path / "film.json"
    path.write_text(json.dumps({"imageHeight": 6, "imageWidth": 8, "imageData": None, "shapes": shapes}))
    return path


def via(path: Path, shapes: list[dict[str, Any]], *, project: bool = False, listed: bool = True) -> Path:
    regions = [{"shape_attributes": shape, "region_attributes": {"organ": f"o{n}"}} for n, shape in enumerate(shapes)]
    entry = {"filename": "films/film.jpg", "size": 9, "regions": regions if listed else dict(enumerate(regions))}
    other = {"filename": "other.png", "size": 9, "regions": []}
    content: dict[str, Any] = {"film.jpg9": entry, "other.png9": other}
    path.write_text(json.dumps({"_via_settings": {}, "_via_img_metadata": content} if project else content))
    return path


def test_outlines_of_labelme_are_filled_and_lines_left_out(labelme: Path) -> None:
    np.testing.assert_array_equal(read(labelme), boxes((1, 1, 3, 4), (4, 2, 6, 5)))
    np.testing.assert_array_equal(read(labelme, "lung"), boxes((1, 1, 3, 4)))
    np.testing.assert_array_equal(read(labelme, "heart", "lung"), read(labelme))


def test_a_label_that_is_not_there_is_told_with_those_that_are(labelme: Path) -> None:
    with pytest.raises(DataError, match=r"^film.json: no outline is labelled 'liver'; there are heart, lung$"):
        read(labelme, "liver")


@pytest.mark.parametrize("project", [False, True])
@pytest.mark.parametrize("listed", [False, True])
def test_outlines_of_via_are_those_of_the_image(tmp_path: Path, project: bool, listed: bool) -> None:
    polygon = {"name": "polygon", "all_points_x": [1, 3, 3, 1], "all_points_y": [1, 1, 4, 4]}
    rectangle = {"name": "rect", "x": 4, "y": 2, "width": 2, "height": 3}
    point = {"name": "point", "cx": 7, "cy": 5}
    path = via(tmp_path / "via.json", [polygon, rectangle, point], project=project, listed=listed)
    np.testing.assert_array_equal(read(path), boxes((1, 1, 3, 4), (4, 2, 6, 5)))
    np.testing.assert_array_equal(read(path, "o1"), boxes((4, 2, 6, 5)))
    assert not read(path, image="other.png").any()


def test_ticked_boxes_are_labels_too(tmp_path: Path) -> None:
    shape = {"name": "rect", "x": 0, "y": 0, "width": 1, "height": 1}
    path = via(tmp_path / "via.json", [shape])
    path.write_text(path.read_text().replace('"o0"', '{"lung": true, "heart": false}'))
    assert read(path, "lung").sum() == 1
    with pytest.raises(DataError, match=r"there are lung$"):
        read(path, "heart")


def test_circles_and_ellipses_have_their_area(tmp_path: Path) -> None:
    shapes = [
        {"name": "circle", "cx": 100, "cy": 80, "r": 50},
        {"name": "ellipse", "cx": 100, "cy": 80, "rx": 60, "ry": 30, "theta": np.pi / 2},
    ]
    path = via(tmp_path / "via.json", shapes)
    circle, tall = (read(path, label, size=(200, 200)) for label in ("o0", "o1"))
    y, x = np.indices((200, 200)) + 0.5
    np.testing.assert_array_equal(circle, np.hypot(x - 100, y - 80) < 50)
    assert tall.sum() == pytest.approx(np.pi * 60 * 30, rel=0.01)
    assert tall.any(axis=1).sum() == 120  # along y
    circle_file = tmp_path / "lm.json"
    shape = {"label": "a", "points": [[100, 80], [130, 120]], "shape_type": "circle"}
    circle_file.write_text(json.dumps({"imageHeight": 200, "imageWidth": 200, "shapes": [shape]}))
    np.testing.assert_array_equal(read(circle_file, size=(200, 200)), circle)


def test_an_image_that_via_does_not_know_is_told(tmp_path: Path) -> None:
    path = via(tmp_path / "via.json", [])
    with pytest.raises(DataError, match=r"^via.json: 0 of its 2 entries are of an image called 'none.png'$"):
        read(path, image="none.png")
    with pytest.raises(DataError, match=r"^via.json: outlines of VIA need the image"):
        read(path, size=None)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("{", "unreadable or truncated JSON"),
        ("\xff", "unreadable or truncated JSON"),
        ("[1, 2]", "neither outlines of LabelMe nor of VIA as we know them"),
        ('{"a": {"regions": []}}', "neither outlines"),
        ('{"shapes": [], "imageWidth": 3}', "neither outlines"),
        (
            '{"shapes": [{"label": "a", "shape_type": "mask", "points": [[0, 0], [1, 1]]}], '
            '"imageHeight": 6, "imageWidth": 8}',
            "shape 'mask' is not one we can fill; make it a polygon",
        ),
        (
            '{"shapes": [{"label": "a", "points": [[0, 0], [1, 1]]}], "imageHeight": 6, "imageWidth": 8}',
            "an outline must be three or more points",
        ),
        ('{"shapes": [], "imageHeight": 99999999, "imageWidth": 8}', "outlines on 8 x 99999999 pixels, but the image"),
    ],
)
def test_other_json_is_told(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "x.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=rf"^x.json: {what}"):
        read(tmp_path / "x.json")


def test_an_image_of_outlines_is_not_without_end(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"shapes": [], "imageHeight": 99999999, "imageWidth": 99999999}')
    with pytest.raises(DataError, match=r"outlines on 99999999 x 99999999 pixels; there must be 1 to \d+"):
        read(tmp_path / "x.json", size=None)
