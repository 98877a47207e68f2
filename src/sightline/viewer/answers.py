"""What the page is told: plain values for JSON, planes as bytes, and pictures as PNG."""

import json
import math
from dataclasses import asdict
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline import __version__
from sightline.data.images import IMAGE_SUFFIXES
from sightline.errors import DataError, SightlineError
from sightline.reporting.colours import colour_table, over_ground
from sightline.reporting.content import condition_words
from sightline.reporting.overlay import OUTLINE, image_png, resized
from sightline.viewer.desk import Desk, Subject
from sightline.viewer.judging import Observed
from sightline.viewer.listing import by_case, number, row_of
from sightline.viewer.offered import offered_methods
from sightline.viewer.pictures import PLANES, Picture, Plane, cut, first_with, outline
from sightline.viewer.reviews import MARKS, Review

_FILES = tuple(IMAGE_SUFFIXES)  # columns that name files say nothing to a reader
_THUMBNAIL = 96  # pixels
_LARGE = 16 * 2**20  # voxels of a volume that is too large to be drawn in a list


def overview(desk: Desk) -> dict[str, Any]:
    """What the page needs to know once."""
    view = desk.view
    cases = view.cohort.cases
    return {
        "version": __version__,
        "title": view.title,
        "task": view.cohort.task,
        "classes": list(view.cohort.classes),
        "cases": len(cases),
        "splits": list(view.cohort.splits),
        "sources": sorted({case.source for case in cases if case.source}),
        "biases": [{"name": name, "words": _bias_words(name)} for name in view.biases] if len(view.biases) > 1 else [],
        "runs": [
            {"name": name, "evaluated": [str(condition) for condition in run.evaluations]}
            for name, run in view.runs.items()
        ],
        "evaluated": _evaluated_splits(desk),
        "volume": view.is_volume,
        "thumbnails": not view.is_volume or _is_small(desk),
        "gaze": any(case.gaze for case in cases),
        "regions": any(case.mask or case.class_masks or case.gaze for case in cases),
        "methods": offered_methods() if view.runs else [],
        "colours": {kind: colour_table(kind).tolist() for kind in ("signed", "unsigned")},
        "ramps": {kind: over_ground(kind)[:: 254 // 8].tolist() for kind in ("signed", "unsigned")},
        "edge": list(OUTLINE),
        "marks": [mark for mark in MARKS if mark],
        "upload": {"bytes": desk.uploads.most_bytes} if view.runs else None,
        "reviewer": desk.reviewer,
        "patients": any(case.patient != case.id for case in cases),
    }


def about(desk: Desk, subject: Subject) -> dict[str, Any]:
    """What is known about an image, without opening it."""
    case = desk.case(subject.key)
    if case is None:
        upload = desk.uploads.find(subject.key)
        return {"key": upload.key, "name": upload.name, "upload": True, "reviews": [], "facts": {}, "labels": []}
    facts = {"patient": case.patient if case.patient != case.id else "", "source": case.source, "split": case.split}
    facts |= {name: value for name, value in case.about.items() if not value.lower().endswith(_FILES)}
    row = int(subject.key)
    return {
        **row_of(desk, row, subject.bias, by_case(desk.all_reviews(), subject.bias)),
        "upload": False,
        "facts": {name: value for name, value in facts.items() if value},
        "variants": ["on", *(name for name in desk.view.biases if name in case.variants)],
    }


def picture(desk: Desk, subject: Subject) -> dict[str, Any]:
    """How large an image is, and what can be drawn over it."""
    shown = desk.picture(subject)
    classes = range(desk.view.cohort.num_classes)
    regions = [shown.region(of) is not None for of in classes]
    return {
        "shape": list(shown.image.shape),
        "spacing": list(shown.spacing_mm) if shown.spacing_mm else None,
        "limits": list(shown.limits),
        "units": shown.units,
        "regions": regions,
        "starts": [first_with(shown.region(of), len(shown.image), ()) if regions[of] else None for of in classes],
        "gaze": shown.gaze is not None,
        "fixations": [] if shown.gaze is None else np.round(shown.gaze.fixations, 5).tolist(),
    }


def answer(desk: Desk, subject: Subject) -> dict[str, Any]:
    """What a run answers; where its model cannot be asked, why."""
    try:
        found = desk.answer(subject)
    except SightlineError as error:
        return {"problem": str(error)}
    scores = found.slice_scores
    return {
        "probabilities": _numbers(found.probabilities),
        "source": found.source,
        "observed": [_observed(each) for each in found.observed],
        "observed_in": found.observed_in,
        "slice_scores": None if scores is None else [_numbers(each) for each in scores],
        "warnings": list(found.warnings),
    }


def thumbnail(desk: Desk, subject: Subject) -> bytes:
    """Draw an image small."""
    image = desk.picture(subject).image
    plane = image[len(image) // 2].astype(np.float64)
    longest = max(plane.shape)
    if longest > _THUMBNAIL:
        plane = resized(plane, tuple(max(1, round(side * _THUMBNAIL / longest)) for side in plane.shape))
    return image_png(np.rint(plane.clip(0, 65535) / 257).astype(np.uint8))


def plane(desk: Desk, subject: Subject, which: Plane, at: int) -> bytes:
    """Return one plane of an image, rows of uint16, little-endian."""
    return np.ascontiguousarray(cut(desk.picture(subject).image, which, at), "<u2").tobytes()


def outlines(desk: Desk, subject: Subject, which: Plane, at: int, of: int) -> dict[str, Any]:
    """Return the edges of the region of a class and of the gaze in one plane."""
    shown = desk.picture(subject)
    region, depth = shown.region(of), shown.image.shape[PLANES.index(which)]
    edge = None if region is None else outline(cut(region, which, at, depth))
    gaze = shown.gaze.region if shown.gaze and not shown.is_volume else None
    return {"region": edge, "gaze": None if gaze is None else outline(gaze)}


def heat(desk: Desk, subject: Subject, method: str, of: int, smooth: bool) -> dict[str, Any]:
    """Draw a map if need be and describe it; where it cannot be drawn, say why."""
    try:
        found = desk.heat(subject, method, of, smooth=smooth)
        shown: Picture = desk.picture(subject)
    except SightlineError as error:
        return {"problem": str(error)}
    positive, negative = found.by_slice if shown.is_volume else ([], [])
    weight = [high - low for high, low in zip(positive, negative, strict=True)]
    return {
        "peak": found.peak,
        "limit": found.limit,
        "kind": "signed" if found.signed else "unsigned",
        "inside": number(found.inside),
        "drawn_at": list(found.drawn_at),
        "seconds": round(found.seconds, 2),
        "positive": positive,
        "negative": negative,
        "start": first_with(shown.region(of), len(shown.image), weight),
    }


def heat_plane(desk: Desk, subject: Subject, which: Plane, at: int, method: str, of: int, smooth: bool) -> bytes:
    """Return one plane of a map, rows of int16, little-endian; 32,767 is its `peak`."""
    return np.ascontiguousarray(cut(desk.heat(subject, method, of, smooth=smooth).values, which, at), "<i2").tobytes()


def review_of(body: bytes, content_type: str) -> Review:
    """Read a review from JSON.

    Raises:
        DataError: it is none.
    """
    fields = ("run", "bias", "case", "reviewer", "mark", "note", "explained", "method")
    if content_type.partition(";")[0].strip() != "application/json":
        raise DataError("a review is sent as application/json")
    try:
        given = json.loads(body)
    except ValueError as error:
        raise DataError("a review is sent as JSON, and this is none") from error
    if not isinstance(given, dict) or not all(isinstance(given.get(name, ""), str) for name in fields):
        raise DataError(f"a review is an object of texts: {', '.join(fields)}")
    if not given.get("case"):
        raise DataError("a review needs the name of its case")
    return Review(**{name: given.get(name, "") for name in fields})


def plain_review(review: Review) -> dict[str, str]:
    """Return a review for JSON."""
    return asdict(review)


def _observed(found: Observed | None) -> dict[str, Any] | None:
    if found is None:
        return None
    share = found.share
    limits = {"low": found.low, "high": found.high, "present": found.present, "patients": share.n}
    return {**limits, "share": share.value, "share_low": share.low, "share_high": share.high, "level": share.level}


def _evaluated_splits(desk: Desk) -> list[str]:
    conditions = [condition for run in desk.view.runs.values() for condition in run.evaluations]
    return list(dict.fromkeys(condition.split for condition in conditions))


def _is_small(desk: Desk) -> bool:
    shapes = [run.data.volume.shape for run in desk.view.runs.values() if run.data.volume]
    return bool(shapes) and max(math.prod(shape) for shape in shapes) <= _LARGE


@cache
def _bias_words(name: str) -> str:
    return condition_words(name)[0]


def _numbers(values: NDArray[Any]) -> list[float | None]:
    return [number(float(value)) for value in values]
