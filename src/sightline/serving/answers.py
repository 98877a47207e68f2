"""What is sent back: predictions as JSON, maps as a picture, as JSON or as an array."""

import io
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import BaseModel

from sightline.answering import Answerer, Explained, Prediction
from sightline.attribution.methods import Method
from sightline.evaluation.predictions import decide
from sightline.reporting.overlay import heatmap_overlay

NOTICE = "For research; not a medical device."
_SIDE = 448  # pixels of a picture


class Refusal(BaseModel):
    """Why a request was refused, on one line."""

    error: str


class State(BaseModel):
    """How the server is."""

    status: str


class MethodCard(BaseModel):
    """A method of explanation that may be asked for."""

    name: str
    about: str
    caveat: str


class ModelCard(BaseModel):
    """What answers."""

    name: str
    task: str
    classes: list[str]
    axes: int
    channels: int
    weights_sha256: str
    methods: list[MethodCard]
    max_bytes: int
    max_pixels: int
    max_files: int
    notice: str = NOTICE


class PredictionBody(BaseModel):
    """What the model answers for an image."""

    name: str
    predicted: list[str]
    probabilities: dict[str, float]
    logits: dict[str, float]
    warnings: list[str]


class PredictionsBody(BaseModel):
    """What the model answers for some images, in their order."""

    model: str
    weights_sha256: str
    predictions: list[PredictionBody]
    notice: str = NOTICE


class MapBody(BaseModel):
    """Where the model looked in an image."""

    model: str
    weights_sha256: str
    name: str
    method: str
    options: dict[str, Any]
    target: str
    target_index: int
    drawn_at: list[int]
    shape: list[int]
    attribution: list[Any]
    probabilities: dict[str, float]
    logits: dict[str, float]
    warnings: list[str]
    notice: str = NOTICE


def prediction_body(answerer: Answerer, answer: Prediction, name: str) -> PredictionBody:
    """Write a prediction down by the names of the classes."""
    (decided,) = decide(answer.probabilities[None], answerer.task)
    several = answerer.task == "multilabel"
    indices = np.flatnonzero(decided) if several else [decided]
    return PredictionBody(
        name=name or answer.name,
        predicted=[answerer.classes[int(index)] for index in indices],
        probabilities=_by_class(answerer, answer.probabilities),
        logits=_by_class(answerer, answer.logits),
        warnings=list(answer.warnings),
    )


def map_body(answerer: Answerer, drawn: Explained, name: str) -> MapBody:
    """Write a map down with all that belongs to it."""
    return MapBody(
        model=answerer.name,
        weights_sha256=answerer.checksum,
        name=name or drawn.name,
        method=drawn.method,
        options=dict(drawn.options),
        target=answerer.classes[drawn.target],
        target_index=drawn.target,
        drawn_at=list(drawn.drawn_at),
        shape=list(drawn.attribution.shape),
        attribution=drawn.attribution.tolist(),
        probabilities=_by_class(answerer, drawn.probabilities),
        logits=_by_class(answerer, drawn.logits),
        warnings=list(drawn.warnings),
    )


def method_card(method: Method) -> MethodCard:
    """Describe a method."""
    return MethodCard(name=method.name, about=method.about, caveat=method.caveat)


def picture(drawn: Explained) -> bytes:
    """Return the map over its image as PNG; of a volume, of the slice that holds most of the map."""
    image, attribution = drawn.image, drawn.attribution
    if attribution.ndim == 3:
        mass = np.abs(attribution).sum((1, 2))
        at = int(mass.argmax()) if mass.any() else len(mass) // 2
        image, attribution = image[:, at], attribution[at]
    file = io.BytesIO()
    Image.fromarray(heatmap_overlay(image, attribution, size=_SIDE)).save(file, "PNG")
    return file.getvalue()


def array(drawn: Explained) -> bytes:
    """Return the map as `.npy`, float32, at the size of the model's input."""
    file = io.BytesIO()
    np.save(file, drawn.attribution.astype("<f4"), allow_pickle=False)
    return file.getvalue()


def about(answerer: Answerer, drawn: Explained) -> Mapping[str, str]:
    """Headers that say what a picture or an array shows; percent-encoded, as headers are ASCII."""
    probability = drawn.probabilities[drawn.target]
    told = {
        "method": drawn.method,
        "target": answerer.classes[drawn.target],
        "probability": f"{probability:.6g}",
        "weights-sha256": answerer.checksum,
        "warnings": "; ".join(drawn.warnings),
        "notice": NOTICE,
    }
    return {f"x-sightline-{key}": quote(value, safe=" ;,.()'%") for key, value in told.items() if value}


def _by_class(answerer: Answerer, values: NDArray[np.float64]) -> dict[str, float]:
    names = answerer.classes[len(answerer.classes) - len(values) :]  # a model may have no output for the first of two
    return dict(zip(names, values.tolist(), strict=True))
