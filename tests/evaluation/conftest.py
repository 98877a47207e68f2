"""Models and batches so small that every answer can be read off the images."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sightline.data.cohort import Task
from sightline.evaluation.predictions import Predictions
from sightline.types import Batch, Explanation


class PixelModel(nn.Module):
    """Answers with the first pixels of the image as logits."""

    def __init__(self, num_logits: int = 3) -> None:
        super().__init__()
        self.num_logits = num_logits
        self.drop = nn.Dropout(0.5)
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, images: Tensor) -> Tensor:
        return self.scale * self.drop(images.flatten(1)[:, : self.num_logits])


def explain_pixels(model: nn.Module, images: Tensor, target: Tensor | int) -> Explanation:
    """Give the whole relevance to the pixel of the class, the negative half of it to the one after."""
    classes = torch.as_tensor(target).expand(len(images))
    maps = torch.zeros_like(images).flatten(1)
    rows = torch.arange(len(images))
    maps[rows, classes] = 1.0
    maps[rows, classes + 1] = -0.5
    return Explanation(model(images), maps.view_as(images), classes)


def make_batches(images: Tensor, labels: Tensor, regions: Tensor, *, size: int = 4) -> list[Batch]:
    names = [f"case-{index}" for index in range(len(images))]
    return [
        Batch(images[at : at + size], labels[at : at + size], regions[at : at + size], tuple(names[at : at + size]))
        for at in range(0, len(images), size)
    ]


@pytest.fixture
def six() -> Callable[..., list[Batch]]:
    """Six images of 2 x 2 pixels in three classes; the fourth and the last are answered wrongly."""
    answers = [0, 1, 2, 1, 0, 0]
    labels = torch.tensor([0, 1, 2, 0, 0, 2])
    images = torch.zeros(6, 1, 2, 2)
    images.view(6, 4)[torch.arange(6), torch.tensor(answers)] = 1.0
    regions = torch.zeros(6, 1, 2, 2)
    regions[..., 0] = 1.0  # the left column: pixels 0 and 2
    regions[1] = float("nan")
    return lambda size=4: make_batches(images, labels, regions, size=size)


@pytest.fixture
def predictions() -> Callable[..., Predictions]:
    """Random predictions for a task, better than chance, two cases a patient."""

    def make(task: Task = "multiclass", *, num_classes: int = 3, n: int = 60, seed: int = 0) -> Predictions:
        rng = np.random.default_rng(seed)
        inside = rng.random(n)
        inside[::5] = np.nan
        labels: np.ndarray = rng.integers(0, num_classes, n)
        if task == "multilabel":
            labels = rng.integers(0, 2, (n, num_classes)).astype(float)
            labels[1, 0], labels[2, 1] = np.nan, 0.5
            probabilities = np.clip(0.4 * np.nan_to_num(labels) + 0.6 * rng.random((n, num_classes)), 0, 1)
            predicted = (probabilities >= 0.5).astype(int)
        else:
            scores = rng.random((n, num_classes)) + 0.5 * np.eye(num_classes)[labels]
            probabilities = scores / scores.sum(1, keepdims=True)
            predicted = probabilities.argmax(1)
        return Predictions(
            task,
            tuple(["normal", "pneumonia", "effusion", "nodule"][:num_classes]),
            tuple(f"case-{index}" for index in range(n)),
            tuple(f"patient-{index // 2}" for index in range(n)),
            labels,
            probabilities,
            predicted,
            np.where(np.isnan(inside), -1, 0).astype(np.int64),
            inside,
            np.where(np.isnan(inside), np.nan, 0.25),
        )

    return make


@pytest.fixture
def pixel_model() -> Callable[..., PixelModel]:
    return PixelModel


@pytest.fixture
def explainer() -> Callable[[nn.Module, Tensor, Tensor | int], Explanation]:
    return explain_pixels


@pytest.fixture
def batches_of() -> Callable[..., list[Batch]]:
    return make_batches
