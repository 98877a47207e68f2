import numpy as np
import pytest

from sightline.errors import SettingsError
from sightline.segmenting import MaskShape, ReviewLimits, measure_mask, suspicious

USUAL = MaskShape(area=0.3, parts=2, border=0.0, mirror=0.8, confidence=0.95)


def lungs(left: bool = True, right: bool = True) -> np.ndarray:
    """Two upright boxes of 30 x 12 on 50 x 50 pixels."""
    mask = np.zeros((50, 50), bool)
    mask[10:40, 8:20] = right
    mask[10:40, 30:42] = left
    return mask


def test_measures_by_hand() -> None:
    mask = lungs()
    shape = measure_mask(np.where(mask, 0.8, 0.1), mask)
    assert shape.area == 720 / 2500
    assert shape.parts == 2
    assert shape.border == 0
    assert shape.mirror == 1
    assert shape.confidence == pytest.approx(0.8 * 720 / (720 + 0.1 * 1780))
    assert not suspicious(shape, ReviewLimits(least_confidence=0.6))
    assert suspicious(shape, ReviewLimits()) == ("unsure: 0.64",)


def test_one_lung_is_small_alone_and_lopsided() -> None:
    mask = lungs(left=False)
    assert suspicious(measure_mask(mask.astype(float), mask), ReviewLimits()) == (
        "small: 14%",
        "1 part",
        "lopsided: 0%",
    )


def test_a_third_part_counts_from_a_thousandth_of_the_image_on() -> None:
    mask = lungs()
    mask[2, 2:4] = True  # 2 of 2500 pixels
    assert measure_mask(mask.astype(float), mask).parts == 2
    mask[3, 4] = True  # touches at a corner
    shape = measure_mask(mask.astype(float), mask)
    assert shape.parts == 3
    assert suspicious(shape, ReviewLimits()) == ("3 parts",)


@pytest.mark.parametrize("turns", range(4))
def test_the_border_is_the_outermost_ring_each_pixel_once(turns: int) -> None:
    mask = np.zeros((10, 10), bool)
    mask[0] = True
    mask[1, 0] = True
    assert measure_mask(mask.astype(float), np.rot90(mask, turns)).border == 11 / 36


def test_no_mask_is_empty_and_nothing_else() -> None:
    nothing = np.zeros((9, 9))
    assert suspicious(measure_mask(nothing, nothing > 0), ReviewLimits()) == ("empty",)


def test_a_mask_of_everything_is_large_touches_and_is_one() -> None:
    found = suspicious(measure_mask(np.ones((9, 9)), np.ones((9, 9), bool)), ReviewLimits())
    assert found == ("large: 100%", "1 part", "at the border: 100%")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"area": 0.149}, "small: 15%"),
        ({"area": 0.61}, "large: 61%"),
        ({"parts": 1}, "1 part"),
        ({"border": 0.06}, "at the border: 6%"),
        ({"mirror": 0.44}, "lopsided: 44%"),
        ({"confidence": 0.79}, "unsure: 0.79"),
    ],
)
def test_each_limit_is_of_its_own(change: dict[str, float], says: str) -> None:
    assert suspicious(MaskShape(**{**vars(USUAL), **change}), ReviewLimits()) == (says,)
    assert suspicious(USUAL, ReviewLimits()) == ()


def test_limits_that_nothing_can_meet_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"least_area must not be above most_area, got 0\.7 and 0\.6"):
        ReviewLimits(least_area=0.7)
