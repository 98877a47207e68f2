import math

import pytest
import torch
from torch import nn

from sightline.errors import ShapeError
from sightline.guidance import Unguided, classification_loss

NAN = float("nan")


def test_cross_entropy_for_one_label_an_image() -> None:
    logits = torch.tensor([[0.0, math.log(3.0)], [0.0, 0.0]])
    torch.testing.assert_close(classification_loss(logits, torch.tensor([1, 0])).item(), -math.log(0.75 * 0.5) / 2)


def test_unknown_labels_weigh_nothing() -> None:
    logits = torch.tensor([[math.log(3.0), 5.0], [0.0, -7.0]], requires_grad=True)
    labels = torch.tensor([[1.0, NAN], [0.5, NAN]])
    loss = classification_loss(logits, labels)
    torch.testing.assert_close(loss.item(), (-math.log(0.75) - math.log(0.5)) / 2)
    (gradient,) = torch.autograd.grad(loss, logits)
    torch.testing.assert_close(gradient, torch.tensor([[(0.75 - 1) / 2, 0.0], [0.0, 0.0]]))


def test_no_known_label_costs_nothing() -> None:
    logits = torch.ones(2, 3, requires_grad=True)
    loss = classification_loss(logits, torch.full((2, 3), NAN))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert loss == 0
    assert (gradient == 0).all()


@pytest.mark.parametrize(("given", "counted"), [(torch.bfloat16, torch.float32), (torch.float64, torch.float64)])
def test_the_loss_is_counted_in_float32_at_least(given: torch.dtype, counted: torch.dtype) -> None:
    logits = torch.zeros(2, 3, dtype=given)
    assert classification_loss(logits, torch.tensor([0, 1])).dtype == counted
    assert classification_loss(logits, torch.zeros(2, 3)).dtype == counted


@pytest.mark.parametrize(
    ("labels", "came"),
    [
        (torch.zeros(2), r"\(2,\) float32"),
        (torch.zeros(3, dtype=torch.int64), r"\(3,\) int64"),
        (torch.zeros(2, 4), r"\(2, 4\) float32"),
    ],
)
def test_labels_of_another_shape_are_refused(labels: torch.Tensor, came: str) -> None:
    with pytest.raises(ShapeError, match=rf"labels must be \(2,\) int64 or \(2, 3\) float, got {came}$"):
        classification_loss(torch.zeros(2, 3), labels)


def test_unguided_is_classification_alone() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    images, labels = torch.rand(2, 1, 2, 2, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 2])
    guided = Unguided()(model, images, labels, torch.ones(2, 1, 2, 2))
    torch.testing.assert_close(guided.loss, nn.functional.cross_entropy(model(images), labels))
    assert guided.parts == {"classification": guided.loss}
    assert guided.loss.requires_grad
    assert not guided.parts["classification"].requires_grad
