"""Outlines drawn with LabelMe or the VGG Image Annotator (VIA), as masks.

Both give points in the plane of the image as its file stores it. Polygons, rectangles, circles and ellipses are filled;
lines and points have no area and are left out.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from sightline.data.images import Array
from sightline.errors import DataError, SightlineError
from sightline.regions.boxes import mask_from_boxes
from sightline.regions.polygons import ellipse, mask_from_polygons

_NO_AREA = ("line", "linestrip", "polyline", "point", "points")
_MOST = 1 << 27  # pixels of an image
_BROKEN = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, ZeroDivisionError)


def read_annotations(
    path: Path, *, labels: Sequence[str], image: str, size: tuple[int, int] | None, name: str
) -> Array:
    """Fill the outlines of one image.

    Args:
        path: a LabelMe file of one image, or a VIA file of many.
        labels: take only outlines with one of these labels; none takes all.
        image: name of the image file, by which VIA tells images apart; another suffix will do.
        size: height and width of the image as stored, which VIA does not say; None where not known.
        name: what to call the file in messages.

    Returns:
        True inside any outline, `(H, W)`.

    Raises:
        DataError: it is no such file, does not know the image, a label or a shape, or is of another size.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise DataError(f"{name}: unreadable or truncated JSON") from None
    try:
        if isinstance(content, dict) and isinstance(content.get("shapes"), list):
            size = _own_size(int(content["imageHeight"]), int(content["imageWidth"]), size)
            shapes = [(shape["label"], _labelme(shape)) for shape in content["shapes"]]
        else:
            size, shapes = _checked(size, name), list(_via(content, image, name))
        return _filled(shapes, labels, size, name)
    except SightlineError as error:
        raise DataError(str(error) if str(error).startswith(name) else f"{name}: {error}") from None
    except _BROKEN:
        raise DataError(f"{name}: neither outlines of LabelMe nor of VIA as we know them") from None


_Shape = tuple[str, Any]  # kind of ours, and its numbers


def _filled(shapes: Iterable[tuple[Any, _Shape]], labels: Sequence[str], size: tuple[int, int], name: str) -> Array:
    shapes = [(_names(label), shape) for label, shape in shapes]
    known = sorted({label for names, _ in shapes for label in names})
    for label in labels:
        if label not in known:
            raise DataError(f"{name}: no outline is labelled {label!r}; there are {', '.join(known) or 'none'}")
    mask = np.zeros(size, bool)
    for names, (kind, numbers) in shapes:
        if labels and not names & set(labels):
            continue
        if kind == "box":
            mask |= mask_from_boxes([numbers], size)
        elif kind == "polygon":
            mask |= mask_from_polygons([numbers], size)
    return mask


def _names(label: Any) -> set[str]:  # noqa: ANN401 - JSON
    """Return the words of a label: a text, or VIA's attributes with texts or ticked boxes."""
    if isinstance(label, Mapping):
        return {
            word
            for value in label.values()
            for word in ([k for k, on in value.items() if on] if isinstance(value, Mapping) else [str(value)])
        }
    return {str(label)}


def _labelme(shape: Mapping[str, Any]) -> _Shape:
    kind, points = shape.get("shape_type") or "polygon", shape["points"]
    if kind == "rectangle":
        (x0, y0), (x1, y1) = points
        return "box", (min(x0, x1), min(y0, y1), abs(x1 - x0), abs(y1 - y0))
    if kind == "circle":
        (x, y), (x1, y1) = points
        radius = math.hypot(x1 - x, y1 - y)
        return "polygon", ellipse((x, y), (radius, radius))
    return _other(kind, points)


def _via(content: Mapping[str, Any], image: str, name: str) -> Iterator[tuple[Any, _Shape]]:
    """Yield label and shape of each outline of an image; a project keeps its images under a key of their own."""
    entries = list(content.get("_via_img_metadata", content).values())
    files = [PurePosixPath(str(entry["filename"]).replace("\\", "/")) for entry in entries]
    found = [entry for entry, file in zip(entries, files, strict=True) if file.name == image]
    found = found or [e for e, file in zip(entries, files, strict=True) if file.stem == PurePosixPath(image).stem]
    if len(found) != 1:
        raise DataError(f"{name}: {len(found)} of its {len(entries)} entries are of an image called {image!r}")
    regions = found[0]["regions"]
    for region in regions.values() if isinstance(regions, Mapping) else regions:
        yield region["region_attributes"], _via_shape(region["shape_attributes"])


def _via_shape(shape: Mapping[str, Any]) -> _Shape:
    kind = shape["name"]
    if kind == "rect":
        return "box", (shape["x"], shape["y"], shape["width"], shape["height"])
    if kind == "circle":
        return "polygon", ellipse((shape["cx"], shape["cy"]), (shape["r"], shape["r"]))
    if kind == "ellipse":
        centre, radii = (shape["cx"], shape["cy"]), (shape["rx"], shape["ry"])
        return "polygon", ellipse(centre, radii, float(shape.get("theta", 0)))
    points = list(zip(shape["all_points_x"], shape["all_points_y"], strict=True)) if "all_points_x" in shape else []
    return _other(kind, points)


def _other(kind: str, points: Sequence[Sequence[float]]) -> _Shape:
    if kind == "polygon":
        return "polygon", points
    if kind in _NO_AREA:
        return "none", ()
    raise DataError(f"shape {str(kind)[:20]!r} is not one we can fill; make it a polygon")


def _own_size(height: int, width: int, size: tuple[int, int] | None) -> tuple[int, int]:
    """Return the size that a LabelMe file says, which must be that of the image where this is known."""
    if size is not None and size != (height, width):
        raise DataError(f"outlines on {width} x {height} pixels, but the image has {size[1]} x {size[0]}")
    if min(height, width) < 1 or height * width > _MOST:
        raise DataError(f"outlines on {width} x {height} pixels; there must be 1 to {_MOST}")
    return height, width


def _checked(size: tuple[int, int] | None, name: str) -> tuple[int, int]:
    if size is None:
        raise DataError(f"{name}: outlines of VIA need the image that they were drawn on")
    return size
