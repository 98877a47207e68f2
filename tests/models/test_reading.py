from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sightline.attribution import LRP, Predicted
from sightline.errors import SettingsError
from sightline.models.reading import Reading


class Keeps(nn.Module):
    """Notes what it is given and returns what it is told to."""

    def __init__(self, answer: Any = None) -> None:
        super().__init__()
        self.answer, self.given = answer, torch.empty(0)

    def forward(self, images: Tensor) -> Any:
        self.given = images
        return images.flatten(1)[:, :4] if self.answer is None else self.answer


def test_images_are_put_on_the_scale_of_the_model() -> None:
    model, images = Keeps(), torch.rand(2, 3, 4, 4)
    Reading(model)(images)
    assert model.given is images
    Reading(model, values=(-1024, 1024))(images)
    torch.testing.assert_close(model.given, images * 2048 - 1024)


def test_imagenet_values_are_those_of_torchvision(torchvision: Any) -> None:
    model, images = Keeps(), torch.rand(2, 3, 4, 4)
    Reading(model, values="imagenet")(images)
    transforms = torchvision.transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    torch.testing.assert_close(model.given, transforms(images))


def test_outputs_are_taken_in_the_order_of_the_classes() -> None:
    table = torch.tensor([[1.0, 2.0, 3.0, 4.0]])
    assert Reading(Keeps(table), outputs=(3, 0))(torch.rand(1, 1, 2, 2)).tolist() == [[4, 1]]
    with pytest.raises(SettingsError, match="outputs count from 0 to 3, got 4"):
        Reading(Keeps(table), outputs=(4, 0))(torch.rand(1, 1, 2, 2))


def test_probabilities_become_logits() -> None:
    logits = torch.tensor([[0.3, -2.0, 1.1], [4.0, 0.0, -1.0]])
    images = torch.rand(2, 1, 2, 2)
    softmax = Reading(Keeps(logits.softmax(1)), answers="softmax")(images)
    torch.testing.assert_close(softmax.softmax(1), logits.softmax(1))
    some = Reading(Keeps(logits.softmax(1)), outputs=(0, 2), answers="softmax")(images)
    torch.testing.assert_close(some.softmax(1), logits[:, [0, 2]].softmax(1))
    sigmoid = Reading(Keeps(logits.sigmoid()), answers="sigmoid")(images)
    torch.testing.assert_close(sigmoid, logits, atol=1e-4, rtol=1e-4)
    one = Reading(Keeps(logits[:, :1].sigmoid()), answers="softmax")(images)
    torch.testing.assert_close(one, logits[:, :1], atol=1e-4, rtol=1e-4)


def test_certain_probabilities_stay_finite() -> None:
    certain = torch.tensor([[0.0, 1.0]])
    for answers in ("softmax", "sigmoid"):
        assert Reading(Keeps(certain), answers=answers)(torch.rand(1, 1, 2, 2)).isfinite().all()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "answer", [(torch.ones(1, 2), "loss"), SimpleNamespace(logits=torch.ones(1, 2)), [torch.ones(1, 2)]]
)
def test_the_table_is_found_in_what_models_return(answer: Any) -> None:
    assert Reading(Keeps(answer))(torch.rand(1, 1, 2, 2)).tolist() == [[1, 1]]


@pytest.mark.parametrize(
    ("answer", "got"), [(torch.ones(1, 2, 3), r"\(1, 2, 3\)"), ({"out": 1}, "dict"), ((), "tuple")]
)
def test_other_answers_are_refused(answer: Any, got: str) -> None:
    with pytest.raises(SettingsError, match=f"must answer with a table .N, outputs., got {got}"):
        Reading(Keeps(answer))(torch.rand(1, 1, 2, 2))


def test_values_must_grow() -> None:
    for values in ((1.0, 0.0), (0.0, float("inf"))):
        with pytest.raises(SettingsError, match="values must be two growing numbers"):
            Reading(Keeps(), values=values)


def test_it_can_be_explained() -> None:
    inner = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)).eval()
    images = torch.rand(2, 3, 8, 8)
    plain = LRP(input_rule=None)(inner, images, Predicted())
    read = LRP(input_rule=None)(Reading(inner), images, Predicted())
    torch.testing.assert_close(read.attribution, plain.attribution)
    wide = LRP(input_rule=None)(Reading(inner, values="imagenet", outputs=(1, 3)), images, Predicted())
    assert wide.attribution.shape == images.shape
    assert wide.attribution.isfinite().all()
