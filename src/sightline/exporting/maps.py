"""A classifier and an explanation of it as one graph of plain operations: images to logits and maps."""

import logging
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from sightline.attribution import Class, Explainer, Predicted, Target, upsample_to
from sightline.errors import ExportError
from sightline.exporting.program import Program, trace
from sightline.exporting.recording import record, record_for_any_batch
from sightline.models import Classifier

_log = logging.getLogger(__name__)
_OF_MANY_PASSES = ("samples", "masks", "steps", "seed", "window", "windows", "batch_size", "references")


@dataclass(frozen=True)
class Maps:
    """Which maps a graph is to return beside the logits.

    Attributes:
        method: name of the method.
        explainer: it, with its options; one that draws a map in one forward and one backward pass.
        target: index of the class that is explained; None for the predicted one.

    Raises:
        ExportError: the explainer takes many passes.
    """

    method: str
    explainer: Explainer
    target: int | None = None

    def __post_init__(self) -> None:
        if {item.name for item in fields(self.explainer)} & set(_OF_MANY_PASSES):  # type: ignore[arg-type]
            raise ExportError(
                f"{self.method} draws a map by many passes, which is no graph to export; choose a method of one pass, "
                "such as lrp, grad_cam, hirescam or gradient_times_input"
            )

    def __call__(self, model: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits `(N, K)` and maps `(N, 1, *S)`: summed over channels, and of the size of the images."""
        target: Target = Predicted() if self.target is None else Class(self.target)
        with torch.no_grad():
            explanation = self.explainer(model, images, target)
        maps = explanation.attribution.sum(1, keepdim=True)
        size = tuple(images.shape[2:])
        return explanation.logits, maps if maps.shape[2:] == size else upsample_to(maps, size)


def trace_with_maps(classifier: Classifier, maps: Maps) -> Program:
    """Trace a classifier together with an explanation, for any number of images; where that cannot be, for one.

    Raises:
        ExportError: the explanation cannot be written as a graph.
        SightlineError: it cannot explain the classifier.
    """
    name = f"{classifier.name} with {maps.method}"

    def answer(images: Tensor) -> tuple[Tensor, Tensor]:
        return maps(classifier.model, images)

    try:
        graph = record_for_any_batch(answer, classifier.shape, name=name)
    except ExportError as error:
        _log.warning("%s: any number of images cannot be traced (%s), so it takes 1 at a time", name, error)
        return trace(record(answer, classifier.shape, 1, name=name), classifier.shape, name=name, batch=1)
    return trace(graph, classifier.shape, name=name)
