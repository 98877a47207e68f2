import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import DTypeLike, NDArray
from torch import Tensor

from sightline.errors import DataError, ShapeError
from sightline.regions.masks import grow_region, known, region_from_mask, resize_region, unknown_region

LENGTHS = st.integers(1, 9)


@pytest.mark.parametrize(
    ("values", "dtype", "allowed"),
    [
        ([0, 127, 128, 255], np.uint8, [0, 0, 1, 1]),
        ([0, 32767, 32768, 65535], np.uint16, [0, 0, 1, 1]),
        ([0, 32767, 32768, 65535], ">u2", [0, 0, 1, 1]),
        ([0, 1, 1, 0], np.uint8, [0, 1, 1, 0]),
        ([0, 1, 1, 0], np.uint16, [0, 1, 1, 0]),
        ([0, 1, 1, 0], np.bool_, [0, 1, 1, 0]),
        ([0, 0, 0, 0], np.uint8, [0, 0, 0, 0]),
        ([0, 1, 2, 255], np.uint8, [0, 0, 0, 1]),
    ],
)
@pytest.mark.parametrize("to", [lambda a: a, lambda a: torch.from_numpy(a.astype(a.dtype.newbyteorder("=")))])
def test_allowed_is_above_half_of_the_type_or_one(
    values: list[int], dtype: DTypeLike, allowed: list[int], to: object
) -> None:
    mask = np.array(values, dtype).reshape(2, 2)
    region = region_from_mask(to(mask))  # type: ignore[operator]
    assert region.dtype == torch.float32
    assert torch.equal(region, torch.tensor(allowed, dtype=torch.float32).reshape(1, 2, 2))


def test_a_read_only_flipped_array_will_do_and_is_not_shared() -> None:
    mask = np.array([[0, 255], [0, 0]], np.uint8)
    mask.flags.writeable = False
    assert torch.equal(region_from_mask(mask[:, ::-1]), torch.tensor([[[1.0, 0], [0, 0]]]))


def test_a_volume_will_do() -> None:
    assert region_from_mask(np.zeros((2, 3, 4), np.uint8)).shape == (1, 2, 3, 4)


@pytest.mark.parametrize("mask", [np.zeros((2, 2)), np.zeros((2, 2), np.int64), torch.zeros(2, 2)])
def test_a_mask_of_another_type_is_refused(mask: NDArray[np.generic] | Tensor) -> None:
    with pytest.raises(DataError, match=r"mask must be bool, uint8 or uint16, got .*(float|int64)"):
        region_from_mask(mask)


def test_a_mask_with_channels_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"mask must be \(H, W\) or \(D, H, W\), got \(1, 2, 2, 3\)"):
        region_from_mask(np.zeros((1, 2, 2, 3), np.uint8))


def test_unknown_is_not_zero_and_known_tells_them_apart() -> None:
    regions = torch.stack((torch.zeros(1, 2, 3), unknown_region((2, 3)), torch.ones(1, 2, 3)))
    assert torch.equal(known(regions), torch.tensor([[True], [False], [True]]))


def test_known_is_told_for_each_class() -> None:
    regions = torch.zeros(2, 3, 4, 4)
    regions[1, 2] = torch.nan
    assert torch.equal(known(regions), torch.tensor([[True, True, True], [True, True, False]]))


def test_known_refuses_a_single_map() -> None:
    with pytest.raises(ShapeError, match=r"regions must be \(N, 1 or K, \*S\), got \(4, 4\)"):
        known(torch.zeros(4, 4))


def test_resized_pixels_hold_the_covered_area() -> None:
    region = torch.tensor([[[0.0, 1, 1], [0, 0, 1]]])
    torch.testing.assert_close(resize_region(region, (1, 2)), torch.tensor([[[1 / 6, 5 / 6]]]))  # by hand
    torch.testing.assert_close(resize_region(region, (4, 3)), region.repeat_interleave(2, dim=1))


@given(LENGTHS, LENGTHS, LENGTHS, LENGTHS, st.integers(0, 2**31))
def test_resizing_equals_repeating_and_averaging(h: int, w: int, new_h: int, new_w: int, seed: int) -> None:
    region = torch.rand(2, 1, h, w, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    fine = region.repeat_interleave(new_h, 2).repeat_interleave(new_w, 3)
    torch.testing.assert_close(
        resize_region(region, (new_h, new_w)), torch.nn.functional.avg_pool2d(fine, (h, w)), rtol=1e-12, atol=1e-12
    )


@given(st.lists(st.tuples(LENGTHS, LENGTHS), min_size=1, max_size=3), st.integers(0, 2**31))
def test_resizing_keeps_the_mean_in_any_number_of_dimensions(sizes: list[tuple[int, int]], seed: int) -> None:
    old, new = zip(*sizes, strict=True)
    region = torch.rand(2, 1, *old, generator=torch.Generator().manual_seed(seed))
    resized = resize_region(region, new)
    assert resized.shape == (2, 1, *new)
    assert resized.min() >= 0
    assert resized.max() <= 1
    torch.testing.assert_close(resized.flatten(2).mean(2), region.flatten(2).mean(2))


def test_resizing_to_the_same_size_changes_nothing() -> None:
    region = torch.rand(1, 1, 7, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(resize_region(region, (7, 5)), region)


def test_an_unknown_map_stays_unknown_and_keeps_to_itself() -> None:
    regions = torch.stack((torch.ones(1, 4, 4), unknown_region((4, 4))))
    for size in ((2, 3), (8, 9)):
        resized = resize_region(regions, size)
        torch.testing.assert_close(resized[0], torch.ones(1, *size))
        assert resized[1].isnan().all()


def test_resizing_is_differentiable() -> None:
    regions = torch.rand(1, 1, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.autograd.gradcheck(lambda r: resize_region(r, (2, 5)), regions.requires_grad_())


@pytest.mark.parametrize("size", [(0, 2), (1, 1, 1, 1)])
def test_a_size_that_cannot_be_is_refused(size: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="size must be at most 3 lengths of at least 1"):
        resize_region(torch.zeros(1, 2, 2), size)


@pytest.mark.parametrize("size", [(5, 5), (5, 3, 4)])
def test_a_region_grows_in_every_direction(size: tuple[int, ...]) -> None:
    regions = torch.zeros(2, 1, *size)
    regions[0, 0, *(1 for _ in size)] = 0.5
    regions[1] = torch.nan
    bigger = grow_region(regions, 0.2)  # one pixel
    expected = torch.zeros(size)
    expected[tuple(slice(0, 3) for _ in size)] = 0.5
    torch.testing.assert_close(bigger[0, 0], expected)
    assert bigger[1].isnan().all()
    assert grow_region(regions, 0.05) is regions


def test_a_region_of_long_places_grows_by_the_same_length_along_each_axis() -> None:
    regions = torch.zeros(1, 1, 9, 6)
    regions[0, 0, 4, 3] = 1
    grown = grow_region(regions, 0.1, size=(27, 60))  # 6 pixels: two places of 3, not one of 10
    expected = torch.zeros(1, 1, 9, 6)
    expected[0, 0, 2:7, 2:5] = 1
    assert torch.equal(grown, expected)
    expected[..., (2, 4)] = 0
    expected[..., (2, 6), :] = 0
    assert torch.equal(grow_region(regions, 0.04, size=(27, 60)), expected)  # 2.4 pixels: one place, and none
