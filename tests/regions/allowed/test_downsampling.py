from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from torch import Tensor

from sightline.errors import SettingsError, ShapeError
from sightline.regions.allowed import downsample_masks, heuristic_masks, organ_masks

METHODS = ["nearest", "corner", "area", "trilinear"]


def label_map(seed: int = 0, size: tuple[int, ...] = (6, 8, 10)) -> Tensor:
    values = torch.rand(size, generator=torch.Generator().manual_seed(seed))
    return torch.where(values > 0.9, (values * 1000).long() % 3 + 1, 0)


def row(values: list[int], grid: int, **options: Any) -> list[float]:
    """The mask of organ 1 of a map along a line."""
    masks = organ_masks(torch.tensor(values)[None, None], (1, 1, grid), codes=(1,), **options)
    return masks.flatten().tolist()


def test_each_method_takes_its_own_voxels_of_a_cell() -> None:
    middle, first, last = [0, 0, 1, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0, 0, 0]
    assert [row(values, 2, method="nearest") for values in (middle, first, last)] == [[1, 0], [0, 0], [0, 0]]
    assert [row(values, 2, method="corner") for values in (middle, first, last)] == [[0, 0], [1, 0], [0, 0]]
    assert [row(values, 2, method="trilinear") for values in (middle, first, last)] == [[1, 0], [0, 0], [1, 0]]
    assert [row(values, 2, method="area") for values in (middle, first, last)] == [[1, 0]] * 3


@pytest.mark.parametrize("grid", [(2, 4, 5), (3, 2, 3), (6, 8, 10), (5, 8, 7)])
@pytest.mark.parametrize(
    ("method", "mode"),
    [("nearest", "nearest-exact"), ("corner", "nearest"), ("area", "area"), ("trilinear", "trilinear")],
)
def test_masks_are_what_torch_interpolates_rounded_up(method: str, mode: str, grid: tuple[int, ...]) -> None:
    organs = label_map()
    masks = organ_masks(organs, grid, method=method)
    assert masks.shape == (3, *grid)
    for mask, code in zip(masks, (1, 2, 3), strict=True):
        expected = F.interpolate((organs == code).float()[None, None], grid, mode=mode)[0, 0] != 0
        assert torch.equal(mask, expected.float())
    assert masks.any()


@pytest.mark.parametrize("method", METHODS)
def test_the_masks_of_a_map_of_their_size_are_the_organs_themselves(method: str) -> None:
    organs = label_map()
    expected = torch.stack([organs == code for code in (3, 1)]).float()
    assert torch.equal(organ_masks(organs, organs.shape, method=method, codes=(3, 1)), expected)


@given(st.integers(0, 99), st.sampled_from(["nearest", "area", "trilinear"]), st.integers(0, 2))
def test_masks_of_a_mirrored_volume_are_mirrored(seed: int, method: str, axis: int) -> None:
    """Cells of an even number of voxels have no middle one: `nearest` then takes the further of the two."""
    organs = label_map(seed, (9, 9, 15) if method == "nearest" else (6, 9, 10))
    masks = organ_masks(organs.flip(axis), (3, 3, 5), method=method)
    assert torch.equal(masks, organ_masks(organs, (3, 3, 5), method=method).flip(axis + 1))


def test_what_is_not_0_counts_whatever_its_type() -> None:
    masks = torch.stack([label_map(seed) for seed in (1, 2)])
    binary = (masks > 0).float()
    for method in METHODS:
        small = downsample_masks(masks, (2, 4, 5), method=method)
        assert torch.equal(small, downsample_masks(binary, (2, 4, 5), method=method))
        assert torch.equal(small[:1], organ_masks(binary[0], (2, 4, 5), method=method, codes=(1,)))
        assert set(small.unique().tolist()) == {0, 1}


def test_dilation_is_that_of_scipy() -> None:
    organs = label_map(size=(9, 12, 12))
    plain, grown = (organ_masks(organs, (9, 6, 6), dilate=dilate) for dilate in (False, True))
    for before, after in zip(plain, grown, strict=True):
        expected = ndimage.binary_dilation(before.numpy(), np.ones((3, 3, 3)))
        assert np.array_equal(after.numpy(), expected)
    assert grown.sum() > plain.sum() > 0


def test_arrays_that_may_not_be_written_to_are_read_as_they_are() -> None:
    organs = label_map().numpy().astype(">u2")
    organs.flags.writeable = False
    assert torch.equal(organ_masks(organs, (2, 4, 5)), organ_masks(label_map(), (2, 4, 5)))


@pytest.mark.parametrize(
    ("width", "middle", "right", "mediastinum", "left"),
    [
        (6, "two-thirds", [0, 1, 2], [1, 2, 3, 4], [3, 4, 5]),
        (6, "half", [0, 1, 2], [2, 3], [3, 4, 5]),
        (12, "two-thirds", [*range(6)], [*range(2, 10)], [*range(6, 12)]),
        (12, "half", [*range(6)], [*range(3, 9)], [*range(6, 12)]),
        (3, "two-thirds", [0, 1], [1], [1, 2]),
        (1, "half", [0], [0], [0]),
    ],
)
def test_the_heuristic_goes_by_columns(
    width: int, middle: Any, right: list[int], mediastinum: list[int], left: list[int]
) -> None:
    masks = heuristic_masks((2, 3, width), middle=middle)
    assert masks.shape == (3, 2, 3, width)
    assert (masks == masks[:, :1, :1]).all()
    assert [mask[0, 0].nonzero().flatten().tolist() for mask in masks] == [right, mediastinum, left]


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"organs must be \(D, H, W\), got \(2, 3\)"):
        organ_masks(torch.zeros(2, 3), (1, 2, 3))
    with pytest.raises(ShapeError, match=r"the grid three lengths, got \(1, 2, 3, 4\) and \(1, 2\)"):
        organ_masks(torch.zeros(2, 3, 4), (1, 2))
    with pytest.raises(ShapeError, match=r"masks must be \(M, D, H, W\) .*, got \(2, 3, 4\) and"):
        downsample_masks(torch.zeros(2, 3, 4), (1, 2, 2))
    with pytest.raises(SettingsError, match="method must be one of nearest, corner, area, trilinear, got 'cubic'"):
        organ_masks(torch.zeros(2, 3, 4), (1, 2, 2), method="cubic")  # type: ignore[arg-type]
    with pytest.raises(ShapeError, match="grid must be three lengths"):
        heuristic_masks((2, 0, 3))
    with pytest.raises(SettingsError, match="middle must be one of two-thirds, half, got 'third'"):
        heuristic_masks((2, 3, 6), middle="third")  # type: ignore[arg-type]
