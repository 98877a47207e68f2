from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sightline.data.planted_bias import PlantedBias, draw_polygons, plant, swapped
from sightline.errors import SettingsError

LARGE = PlantedBias(side=0.4, margin=0.05)


def test_polygons_have_the_area_of_their_shape() -> None:
    areas = draw_polygons(LARGE, 8, size=100).sum(dim=(1, 2)) / 40**2
    circle = np.pi / 4
    expected = [1 / 2, 1, circle, 1 / 2, 5 / 9, circle * 3 / 4, 1 / 3, 1 / 3]
    torch.testing.assert_close(areas, torch.tensor(expected, dtype=torch.float32), atol=0.01, rtol=0)


def test_the_square_stands_where_it_was_asked_for() -> None:
    bias = PlantedBias(shapes=("square",), corner="lower_right", side=0.2, margin=0.1)
    expected = torch.zeros(1, 20, 20)
    expected[:, 14:18, 14:18] = 1
    torch.testing.assert_close(draw_polygons(bias, 1, size=20), expected)


def test_the_triangle_has_its_tip_up() -> None:
    triangle = draw_polygons(LARGE, 1, size=20)[0][1:9, 1:9]
    widths = triangle.sum(dim=1)
    assert (widths.diff() > 0).all()
    torch.testing.assert_close(triangle, triangle.flip(1))


@given(st.integers(48, 224), st.sampled_from([0.03, 0.05, 0.1]))
def test_small_polygons_keep_to_their_box_at_any_resolution(size: int, side: float) -> None:
    polygons = draw_polygons(PlantedBias(side=side), 3, size=size)
    beyond = int(np.ceil((0.02 + side) * size))
    assert polygons[:, beyond:].sum() == polygons[:, :, beyond:].sum() == 0
    area = polygons[1].sum() / size**2
    assert area == pytest.approx(side**2, rel=0.15)


def test_one_label_an_image_puts_all_shapes_into_one_corner() -> None:
    assert PlantedBias().markers(3, multilabel=False) == (
        ("triangle", "upper_left"),
        ("square", "upper_left"),
        ("circle", "upper_left"),
    )


def test_more_classes_than_shapes_go_to_the_next_corner() -> None:
    assert PlantedBias().markers(9, multilabel=False)[8] == ("triangle", "lower_right")
    assert len(set(PlantedBias().markers(64, multilabel=False))) == 64


def test_several_labels_an_image_give_each_class_a_corner() -> None:
    places = [place for _, place in PlantedBias().markers(8, multilabel=True)]
    assert len(set(places)) == 8


def test_planting_paints_the_polygon_of_the_class_and_leaves_the_input() -> None:
    polygons = draw_polygons(LARGE, 3, size=32)
    images = torch.full((3, 1, 32, 32), 0.5)
    planted = plant(images, torch.tensor([2, 0, 1]), polygons)
    torch.testing.assert_close(planted[:, 0], 0.5 + 0.5 * polygons[[2, 0, 1]])
    assert (images == 0.5).all()


def test_planting_with_several_labels_paints_all_of_them_and_none_that_is_unknown() -> None:
    polygons = draw_polygons(LARGE, 3, size=32, multilabel=True)
    labels = torch.tensor([[1, 0, 1], [torch.nan, 0, 0]])
    planted = plant(torch.zeros(2, 1, 32, 32), labels, polygons, value=0.8)
    torch.testing.assert_close(planted[0, 0], 0.8 * (polygons[0] + polygons[2]))
    assert planted[1].sum() == 0


def test_swapped_labels_are_wrong_ones() -> None:
    assert swapped(torch.tensor([0, 1, 2]), 3).tolist() == [1, 2, 0]
    wrong = swapped(torch.tensor([[1, 0, torch.nan]]), 3)
    torch.testing.assert_close(wrong, torch.tensor([[0, 1, torch.nan]]), equal_nan=True)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shapes": ("blob",)}, "shapes must be some of triangle"),
        ({"shapes": ()}, "shapes must be some of triangle"),
        ({"corner": "middle"}, "corner must be one of upper_left"),
        ({"side": 0.99}, "does not fit"),
        ({"side": 0}, "does not fit"),
        ({"value": 2}, "brightness"),
    ],
)
def test_settings_out_of_range_are_errors(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        PlantedBias(**settings)


def test_too_few_markers_are_an_error() -> None:
    with pytest.raises(SettingsError, match="3 classes apart, got 2"):
        PlantedBias(shapes=("square", "circle"), corner="upper_left").markers(3, multilabel=False)
    with pytest.raises(SettingsError, match="each of the 2 classes needs its own corner"):
        PlantedBias(corner="upper_left").markers(2, multilabel=True)
