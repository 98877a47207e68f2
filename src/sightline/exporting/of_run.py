"""The classifier of a run, as it leaves: on the CPU, in float32, without what its logits do not need."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from sightline.data import Cohort, DataSettings, chosen_batches
from sightline.errors import ExportError, SightlineError
from sightline.models import Classifier
from sightline.models.unread import without_unread
from sightline.plain import to_plain
from sightline.training import TrainSettings

_OF_TRAINING = ("regions", "gaze", "grid", "downsampling", "dilate", "absent", "augmentation")


def classifier_of(settings: TrainSettings, model: nn.Module, cohort: Cohort) -> Classifier:
    """Take the classifier out of a run.

    Args:
        settings: of the run.
        model: its trained network; left as it is.
        cohort: for the classes and the range of values.

    Raises:
        ExportError: the network answers with something else than logits `(N, K)`.
    """
    shape = input_shape(settings.data)
    whole = model.cpu().float().eval()
    _check_answer(whole, shape, cohort.num_classes)
    network, left_out = without_unread(whole, torch.rand(1, *shape, generator=torch.Generator().manual_seed(0)))
    return Classifier(
        network.requires_grad_(requires_grad=False),
        settings.name,
        replace(settings.model, weights=None),
        cohort.task,
        cohort.classes,
        shape,
        channels=channel_names(settings.data),
        preprocessing=_preprocessing(settings.data, cohort),
        left_out=left_out,
    )


def input_shape(data: DataSettings) -> tuple[int, ...]:
    """Return the shape of one image as the model takes it, `(C, *S)`."""
    if data.volume is not None:
        return (1, *data.volume.shape)
    return (data.channels, data.preprocessing.size, data.preprocessing.size)


def channel_names(data: DataSettings) -> tuple[str, ...]:
    """Say what each channel of the model's input is."""
    if data.volume is not None:
        return ("intensity",)
    count = data.preprocessing.channels
    own = ("red", "green", "blue") if data.preprocessing.colour else ("grey",) * count
    gaze = data.preprocessing.gaze_input
    return (*own, *(f"gaze, {gaze.kind} {index + 1}" for index in range(gaze.channels))) if gaze else own


def _preprocessing(data: DataSettings, cohort: Cohort) -> dict[str, Any]:
    made = data.volume if data.volume is not None else data.preprocessing
    plain: Mapping[str, Any] = to_plain(made)
    return {
        "of": "images" if data.volume is None else "volumes",
        **{key: value for key, value in plain.items() if key not in _OF_TRAINING},
        "value_range": None if cohort.value_range is None else list(cohort.value_range),
    }


def _check_answer(model: nn.Module, shape: tuple[int, ...], classes: int) -> None:
    with torch.no_grad():
        answer = model(torch.zeros(1, *shape))
    if not isinstance(answer, Tensor) or answer.shape != (1, classes):
        got = tuple(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
        raise ExportError(
            f"{type(model).__name__} answers one image with {got} instead of logits (1, {classes}); wrap it in a "
            "module that returns them alone"
        )


def examples_of(cohort: Cohort, settings: TrainSettings, *, number: int = 2) -> Tensor | None:
    """Prepare a few images of a run's cohort, to ask an exported file for; None where they cannot be read.

    Returns:
        `(N, C, *S)` float32 in [0, 1].
    """
    split = next((name for name in ("test", "val", *cohort.splits) if name in cohort.splits), None)
    images = cohort if split is None else cohort.split(split)
    few = replace(images, cases=images.cases[:number])
    try:
        batch = next(iter(chosen_batches(replace(settings.data, batch_size=number, workers=0), few)))
    except (SightlineError, OSError):  # the images of a run need not be where it is exported
        return None
    return batch.images
