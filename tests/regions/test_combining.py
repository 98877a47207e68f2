import pytest
import torch

from sightline.errors import ShapeError
from sightline.regions import intersect_regions, known

NAN = float("nan")
BOXES = torch.tensor([[[[1.0, 1.0], [0.5, 0.0]], [[1.0, 0.0], [1.0, 0.0]]], [[[NAN] * 2] * 2, [[1.0, 1.0]] * 2]])
LUNGS = torch.tensor([[[[1.0, 0.0], [0.25, 1.0]]], [[[NAN] * 2] * 2]])


def test_boxes_are_cut_to_the_lungs_class_by_class() -> None:
    cut = intersect_regions(BOXES, LUNGS)
    expected = torch.tensor([[[1.0, 0.0], [0.25, 0.0]], [[1.0, 0.0], [0.25, 0.0]]])
    torch.testing.assert_close(cut[0], expected)


def test_an_unknown_box_stays_unknown_and_unknown_lungs_cut_nothing() -> None:
    cut = intersect_regions(BOXES, LUNGS)
    assert known(cut).tolist() == known(BOXES).tolist()
    torch.testing.assert_close(cut[1, 1], BOXES[1, 1])


def test_regions_of_another_shape_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"within must be \(2, 1, 2, 2\) or \(2, 2, 2, 2\), got \(2, 3, 2, 2\)"):
        intersect_regions(BOXES, torch.ones(2, 3, 2, 2))
