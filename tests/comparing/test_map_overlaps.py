import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sightline.comparing.map_overlaps import Overlaps, cut_at_best, measure_maps
from sightline.metrics import ORGAN_IOU_THRESHOLDS
from sightline.types import Batch

NAN = float("nan")


class Red(nn.Module):
    """Both classes look at the image itself; the second has twice the weight on the left."""

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.Identity()
        self.weight = nn.Parameter(torch.tensor([[1.0, 1, 1, 1], [2, 1, 2, 1]]))

    def forward(self, images: Tensor) -> Tensor:
        return self.look(images).flatten(1) @ self.weight.T


def test_a_class_keeps_its_own_outline_where_others_are_absent(images: list[Batch]) -> None:
    outlines = images[0].regions[:1]
    alone = Batch(images[0].images[:1], torch.tensor([[0.0, 1]]), outlines, ("a",))
    both = measure_maps(Red().eval(), images, "look")
    found = measure_maps(Red().eval(), [alone], "look")
    assert (found.labels.tolist(), found.numbers.tolist()) == ([1], [1])
    np.testing.assert_array_equal(found.values["hirescam"][0], both.values["hirescam"][1])


@pytest.fixture
def images() -> list[Batch]:
    """Three images of 2 x 2 pixels: with both classes, with the second of no outline, and without any."""
    values = torch.tensor([[1.0, 0.9, 0.5, 0.0], [0.1, 0.2, 0.3, 0.4], [1, 1, 0, 0]]).reshape(3, 1, 2, 2)
    labels = torch.tensor([[1.0, 1], [1, 1], [0, NAN]])
    regions = torch.tensor(
        [[[1.0, 1, 0, 0], [1, 0, 0, 0]], [[0.0, 0, 0, 0], [NAN, NAN, NAN, NAN]], [[1, 0, 0, 0], [1, 0, 0, 0]]]
    )
    return [Batch(values, labels, regions.reshape(3, 2, 2, 2), ("a", "b", "c"))]


def at(cut: float) -> int:
    return ORGAN_IOU_THRESHOLDS.index(cut)


def test_iou_by_hand(images: list[Batch]) -> None:
    told: list[tuple[int, int | None]] = []
    found = measure_maps(Red().eval(), images, "look", progress=lambda *step: told.append(step))
    assert found.cases == ("a", "a", "b")
    assert found.labels.tolist() == [0, 1, 0]
    assert found.numbers.tolist() == [2, 2, 2]
    hires, grad = found.values["hirescam"], found.values["grad-cam"]
    # the first class: 1, .9, .5 and 0 in both maps, of which 1 and .9 are outlined
    assert [hires[0, at(cut)] for cut in (0.004, 0.5, 0.6, 0.9, 0.98)] == pytest.approx([2 / 3, 1, 1, 1 / 2, 1 / 2])
    np.testing.assert_array_equal(hires[0], grad[0])
    # the second: 2, .9, 1 and 0 over 2, and with the mean weight as the first; the first pixel is outlined
    assert [hires[1, at(cut)] for cut in (0.004, 0.46, 0.5)] == pytest.approx([1 / 3, 1 / 2, 1])
    assert [grad[1, at(cut)] for cut in (0.004, 0.5, 0.9)] == pytest.approx([1 / 3, 1 / 2, 1])
    assert np.isnan(hires[2]).all()  # an outline without a pixel
    assert told == [(1, None)]


def test_each_map_and_class_has_the_threshold_that_is_best_elsewhere(images: list[Batch]) -> None:
    found = measure_maps(Red().eval(), images, "look")
    alone = Overlaps(("x",), np.array([1]), np.array([1]), {name: row[1:2] for name, row in found.values.items()})
    thresholds, cut = cut_at_best(alone, found, 3)
    assert thresholds["hirescam"].tolist() == pytest.approx([NAN, 0.5, NAN], nan_ok=True)
    assert thresholds["grad-cam"].tolist() == pytest.approx([NAN, 0.9, NAN], nan_ok=True)
    assert cut.values["hirescam"].tolist() == pytest.approx([NAN, 1, NAN], nan_ok=True)
    assert (cut.cases, cut.numbers.tolist()) == (found.cases, found.numbers.tolist())
