import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sightline.errors import SettingsError, ShapeError
from sightline.metrics.localisation import border_share, pointing_game, region_share, relevance_share_inside


def one(rows: list[list[float]]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64)[None, None]


def test_share_inside_counts_both_signs_and_every_channel() -> None:
    maps = torch.cat([one([[1, -2], [0, 3]]), one([[-1, 2], [0, 1]])], dim=1)
    left = one([[1, 0], [1, 0]])
    assert relevance_share_inside(maps, left).tolist() == [2 / 10]
    assert relevance_share_inside(maps, one([[0.5, 0], [1, 0]])).tolist() == [1 / 10]


@given(st.integers(0, 2**32 - 1), st.sampled_from([(4, 5), (3, 4, 2)]))
def test_share_is_untouched_by_scale_and_shares_of_complements_add_to_one(seed: int, size: tuple[int, ...]) -> None:
    rng = torch.Generator().manual_seed(seed)
    maps = torch.randn(3, 2, *size, generator=rng, dtype=torch.float64)
    regions = torch.rand(3, 1, *size, generator=rng, dtype=torch.float64)
    inside = relevance_share_inside(maps, regions)
    assert torch.allclose(inside, relevance_share_inside(-1e-6 * maps, regions))
    assert torch.allclose(inside + relevance_share_inside(maps, 1 - regions), torch.ones(3, dtype=torch.float64))


def test_an_even_map_scores_the_area_of_the_region() -> None:
    regions = (torch.rand(4, 1, 6, 6, generator=torch.Generator().manual_seed(0)) > 0.7).float()
    assert torch.allclose(relevance_share_inside(torch.ones(4, 3, 6, 6), regions), region_share(regions))


def test_unknown_regions_and_empty_maps_are_undefined() -> None:
    maps = torch.stack([torch.ones(1, 2, 2), torch.ones(1, 2, 2), torch.zeros(1, 2, 2)])
    regions = torch.stack([torch.ones(1, 2, 2), torch.full((1, 2, 2), float("nan")), torch.ones(1, 2, 2)])
    for measure in (relevance_share_inside, pointing_game):
        np.testing.assert_equal(measure(maps, regions).numpy(), [1, np.nan, np.nan])
    assert border_share(maps).isnan().tolist() == [False, False, True]
    assert region_share(regions).isnan().tolist() == [False, True, False]


def test_arrays_give_arrays_and_half_precision_does_not_overflow() -> None:
    maps, regions = np.ones((2, 1, 8, 8)), np.zeros((2, 1, 8, 8))
    assert isinstance(relevance_share_inside(maps, regions), np.ndarray)
    large = torch.full((1, 3, 224, 224), 6e4, dtype=torch.float16)
    assert relevance_share_inside(large, torch.ones(1, 1, 224, 224)).tolist() == [1]


def test_border_share_is_the_relevance_of_the_frame() -> None:
    maps = torch.ones(1, 1, 20, 40)
    assert border_share(maps, width=0.05).item() == pytest.approx(1 - 18 * 36 / 800)
    middle = torch.zeros(1, 1, 20, 40)
    middle[..., 1:-1, 2:-2] = -3
    assert border_share(middle, width=0.05).item() == 0
    assert border_share(torch.ones(1, 1, 4, 4), width=0.5).item() == 1


def test_pointing_game_looks_at_the_highest_evidence_only() -> None:
    region = one([[1, 0], [0, 0]])
    assert pointing_game(one([[2, -9], [1, 0]]), region).item() == 1
    assert pointing_game(one([[2, 3], [1, 0]]), region).item() == 0
    assert pointing_game(one([[2, 2], [1, 0]]), region).item() == 0.5
    channels = torch.cat([one([[2, 3], [0, 0]]), one([[2, 0], [0, 0]])], dim=1)
    assert pointing_game(channels, region).item() == 1


def test_maps_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"regions \(2, 1, 4, 4\), got \(2, 3, 4, 4\) and \(2, 2, 4, 4\)"):
        relevance_share_inside(torch.ones(2, 3, 4, 4), torch.ones(2, 2, 4, 4))
    with pytest.raises(ShapeError, match="resize the maps"):
        pointing_game(torch.ones(2, 1, 2, 2), torch.ones(2, 1, 4, 4))
    with pytest.raises(SettingsError, match="width"):
        border_share(torch.ones(1, 1, 4, 4), width=0.6)
    with pytest.raises(ShapeError, match="attribution"):
        border_share(torch.ones(4, 4))
