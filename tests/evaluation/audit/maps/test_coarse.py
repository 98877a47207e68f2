import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sightline.evaluation.audit.maps.coarse import cells_of, densities, highest_overlap, pooled, spread_out


def test_cells_are_means_of_their_pixels_in_every_number_of_axes() -> None:
    line = torch.tensor([[1.0, 3.0, 5.0, 9.0]])
    assert pooled(line, 2).tolist() == [[2.0, 7.0]]
    plane = torch.arange(16.0).view(1, 4, 4)
    assert pooled(plane, 2).tolist() == [[[2.5, 4.5], [10.5, 12.5]]]
    assert pooled(plane[:, None].expand(1, 2, 4, 4), 2).shape == (1, 2, 2, 2)
    assert torch.equal(pooled(plane, 9), plane), "no more cells than pixels"
    assert (cells_of(2), cells_of(3)) == (14, 8)


def test_pixels_get_the_value_of_their_cell() -> None:
    grid = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]])
    wide = spread_out(grid, (4, 4))
    assert wide[0, :2, :2].eq(1).all()
    assert wide[0, 2:, 2:].eq(4).all()
    assert torch.equal(pooled(wide, 2), grid)


def test_densities_have_the_sum_1_and_know_no_sign_and_no_scale() -> None:
    maps = torch.randn(3, 20, 20)
    found = densities(maps, 4)
    assert found.flatten(1).sum(1).tolist() == pytest.approx([1.0] * 3)
    torch.testing.assert_close(densities(-5 * maps, 4), found)
    assert densities(torch.zeros(1, 8, 8), 4).isnan().all()
    assert densities(torch.full((1, 8, 8), torch.nan), 4).isnan().all()


def test_overlap_of_the_highest_by_hand() -> None:
    first = torch.tensor([[4.0, 3.0, 2.0, 1.0]])
    assert highest_overlap(first, first, share=0.5).item() == 1.0
    assert highest_overlap(first, first.flip(1), share=0.5).item() == 0.0
    assert highest_overlap(first, torch.tensor([[4.0, 1.0, 3.0, 2.0]]), share=0.5).item() == pytest.approx(1 / 3)


def test_equal_values_are_drawn_for() -> None:
    first, even = torch.tensor([[4.0, 3.0, 2.0, 1.0]]), torch.ones(1, 4)
    assert highest_overlap(first, even, share=0.5).item() == pytest.approx((0.5 + 0.5) / (1 + 1 + 0.5 + 0.5))
    assert highest_overlap(even, even, share=0.5).item() == 1.0
    assert highest_overlap(first, torch.full((1, 4), torch.nan)).isnan().all()


@given(seed=st.integers(0, 200))
def test_unrelated_maps_overlap_by_about_what_chance_gives(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    first, second = (torch.rand((50, 20, 20), generator=generator) for _ in range(2))
    found = highest_overlap(first, second)
    assert bool(((found >= 0) & (found <= 1)).all())
    assert found.mean().item() == pytest.approx(0.1 / 1.9, abs=0.02)
    np.testing.assert_allclose(found, highest_overlap(second, first), atol=1e-6)
