import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, jaccard_score

from sightline.errors import SettingsError, ShapeError
from sightline.metrics.localisation import (
    best_iou,
    border_share,
    dice,
    iou,
    pointing_game,
    region_share,
    relevance_mass_accuracy,
    relevance_rank_accuracy,
    relevance_share_inside,
)

SIZES = [(7,), (4, 5), (3, 4, 2)]


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
    measures = (relevance_share_inside, pointing_game, relevance_mass_accuracy, relevance_rank_accuracy, iou, dice)
    for measure in (*measures, lambda *pair: best_iou(*pair)[0], lambda *pair: best_iou(*pair)[1]):
        np.testing.assert_equal(measure(maps, regions).numpy(), [1, np.nan, np.nan])
        broken = maps * torch.tensor([1, torch.nan, 1])[:, None, None, None]
        broken[0, 0, 0, 0] = torch.inf
        assert measure(broken, torch.ones_like(regions)).isnan().all()
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


def test_pointing_game_tolerates_a_distance_in_pixels() -> None:
    region = torch.zeros(4, 1, 7, 7)
    region[:3, :, 1, 1] = 1
    maps = torch.zeros(4, 1, 7, 7)
    maps[0, 0, 1, 4], maps[1, 0, 3, 3], maps[2, 0, 5, 5], maps[3, 0, 0, 0] = 1, 1, 1, 1
    assert pointing_game(maps, region).tolist() == [0, 0, 0, 0]
    assert pointing_game(maps, region, tolerance=2.8).tolist() == [0, 0, 0, 0]
    assert pointing_game(maps, region, tolerance=2.9).tolist() == [0, 1, 0, 0]  # the square root of 8
    assert pointing_game(maps, region, tolerance=3).tolist() == [1, 1, 0, 0]
    assert pointing_game(maps, region, tolerance=100).tolist() == [1, 1, 1, 0]  # nothing is near an empty region
    maps[2, 0, 1, 1] = 1
    assert pointing_game(maps, region, tolerance=1)[2] == 0.5


@given(st.integers(0, 2**32 - 1), st.sampled_from(SIZES), st.floats(0, 4))
def test_tolerance_is_the_distance_to_the_nearest_pixel_inside(seed: int, size: tuple[int, ...], most: float) -> None:
    rng = torch.Generator().manual_seed(seed)
    maps = torch.randn(3, 1, *size, generator=rng, dtype=torch.float64)
    regions = (torch.rand(3, 1, *size, generator=rng) > 0.8).double()
    for value, image, region in zip(pointing_game(maps, regions, tolerance=most), maps, regions, strict=True):
        point = (image[0] == image.max()).nonzero().double()
        inside = (region[0] == 1).nonzero().double()
        assert value == float(bool((torch.cdist(point, inside) <= most).any()))


def test_mass_accuracy_counts_what_speaks_for_the_class_once_channels_are_summed() -> None:
    maps = torch.cat([one([[1, -2], [0, 3]]), one([[2, 1], [1, -1]])], dim=1)  # evidence 3, -1, 1, 2
    assert relevance_mass_accuracy(maps, one([[1, 1], [0, 0]])).tolist() == [3 / 6]
    assert relevance_mass_accuracy(maps, one([[0, 0], [0.5, 0]])).tolist() == [0.5 / 6]
    assert relevance_mass_accuracy(-maps, one([[0, 1], [1, 1]])).tolist() == [1]
    assert relevance_mass_accuracy(-maps.abs(), one([[1, 0], [0, 0]])).isnan().all()


def test_rank_accuracy_looks_at_as_many_pixels_as_the_region_has() -> None:
    region = one([[1, 1, 0], [1, 0, 0]])
    assert relevance_rank_accuracy(one([[9, 7, 8], [1, -5, 0]]), region).item() == pytest.approx(2 / 3)
    assert relevance_rank_accuracy(one([[3, 2, -9], [1, 0, 0]]), region).item() == 1
    # 9 is taken, and two of the three zeros, one of which lies inside: 0 + 2 * 1/3
    assert relevance_rank_accuracy(one([[-1, 0, 9], [-1, 0, 0]]), region).item() == pytest.approx(2 / 9)
    assert relevance_rank_accuracy(one([[1, 1, 1], [1, 1, 1]]), region).item() == pytest.approx(1 / 2)
    assert relevance_rank_accuracy(one([[1, 2], [0, 0]]), one([[0, 0], [0, 0]])).isnan().all()


@given(st.integers(0, 2**32 - 1), st.sampled_from(SIZES))
def test_rank_accuracy_is_the_mean_over_all_orders_of_ties(seed: int, size: tuple[int, ...]) -> None:
    rng = torch.Generator().manual_seed(seed)
    maps = torch.randint(-1, 3, (1, 1, *size), generator=rng).double()
    maps.flatten()[0] = 2
    region = (torch.rand(1, 1, *size, generator=rng) > 0.6).double()
    region.flatten()[1] = 1
    count = int(region.sum())
    values = [
        region.flatten()[(maps.flatten() + 0.5 * torch.rand(maps.numel(), generator=rng)).topk(count).indices].mean()
        for _ in range(400)
    ]
    assert relevance_rank_accuracy(maps, region).item() == pytest.approx(np.mean(values), abs=0.12)


def test_iou_by_hand() -> None:
    maps, region = one([[8, 4], [3, -8]]), one([[1, 0], [1, 0]])
    assert iou(maps, region).tolist() == [1 / 3]
    assert iou(maps, region, threshold=3 / 8).tolist() == [2 / 3]
    assert iou(maps, region, threshold=1).tolist() == [1 / 2]
    assert [value.item() for value in best_iou(maps, region)] == [pytest.approx(2 / 3), 3 / 8]
    assert iou(maps, torch.zeros_like(maps)).tolist() == [0]
    # the two 4 are taken together, and what speaks against the class is not taken
    assert [value.item() for value in best_iou(one([[4, 4], [-1, 1]]), one([[1, 0], [1, 0]]))] == [1 / 3, 1]
    assert iou(-maps.abs(), region).isnan().all()
    assert all(value.isnan().all() for value in best_iou(-maps.abs(), region))


@given(st.integers(0, 2**32 - 1), st.sampled_from(SIZES))
def test_best_iou_is_that_of_the_best_of_all_thresholds(seed: int, size: tuple[int, ...]) -> None:
    rng = torch.Generator().manual_seed(seed)
    maps = torch.randint(-3, 9, (3, 1, *size), generator=rng).double()
    maps[(slice(None), 0, *[0] * len(size))] = 8
    regions = (torch.rand(3, 1, *size, generator=rng) > 0.5).double()
    best, threshold = best_iou(maps, regions)
    every = torch.stack([iou(maps, regions, threshold=level / 8) for level in range(1, 9)])
    torch.testing.assert_close(best, every.amax(0))
    reached = torch.stack([every[round(8 * level.item()) - 1, index] for index, level in enumerate(threshold)])
    torch.testing.assert_close(reached, best)


@given(st.integers(0, 2**32 - 1), st.sampled_from(SIZES))
def test_measures_of_evidence_know_neither_scale_nor_place(seed: int, size: tuple[int, ...]) -> None:
    rng = torch.Generator().manual_seed(seed)
    maps = torch.randn(3, 2, *size, generator=rng, dtype=torch.float64)
    regions = (torch.rand(3, 1, *size, generator=rng) > 0.5).double()
    order = torch.randperm(maps[0, 0].numel(), generator=rng)
    moved_maps, moved_regions = (values.flatten(2)[:, :, order].view_as(values) for values in (maps, regions))
    for measure in (pointing_game, relevance_mass_accuracy, relevance_rank_accuracy, iou, best_iou):
        expected = measure(maps, regions)
        for other in (measure(1e-9 * maps, regions), measure(moved_maps, moved_regions)):
            torch.testing.assert_close(other, expected, equal_nan=True)


def test_mass_and_overlap_agree_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    maps, regions = rng.random((4, 1, 6, 5)), (rng.random((4, 1, 6, 5)) > 0.6).astype(float)
    expected = [jaccard_score(m.ravel(), e.ravel() >= 0.3 * e.max()) for m, e in zip(regions, maps, strict=True)]
    np.testing.assert_allclose(iou(maps, regions, threshold=0.3), expected)
    expected = [np.average(m.ravel(), weights=e.ravel()) for m, e in zip(regions, maps, strict=True)]
    np.testing.assert_allclose(relevance_mass_accuracy(maps, regions), expected)


def test_maps_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"regions \(2, 1, 4, 4\), got \(2, 3, 4, 4\) and \(2, 2, 4, 4\)"):
        relevance_share_inside(torch.ones(2, 3, 4, 4), torch.ones(2, 2, 4, 4))
    with pytest.raises(ShapeError, match="resize the maps"):
        pointing_game(torch.ones(2, 1, 2, 2), torch.ones(2, 1, 4, 4))
    with pytest.raises(SettingsError, match="tolerance must be a distance in pixels of at least 0, got -1"):
        pointing_game(torch.ones(1, 1, 4, 4), torch.ones(1, 1, 4, 4), tolerance=-1)
    with pytest.raises(SettingsError, match="threshold must be a share"):
        iou(torch.ones(1, 1, 4, 4), torch.ones(1, 1, 4, 4), threshold=0)
    with pytest.raises(SettingsError, match="width"):
        border_share(torch.ones(1, 1, 4, 4), width=0.6)
    with pytest.raises(ShapeError, match="attribution"):
        border_share(torch.ones(4, 4))


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from(SIZES), st.sampled_from([0.2, 0.5, 1.0]))
def test_dice_agrees_with_scikit_learn(seed: int, size: tuple[int, ...], threshold: float) -> None:
    rng = np.random.default_rng(seed)
    maps, regions = rng.normal(size=(3, 2, *size)), (rng.random((3, 1, *size)) > 0.5).astype(float)
    found = dice(maps, regions, threshold=threshold)
    for map_, region, value in zip(maps.sum(1), regions[:, 0], found, strict=True):
        if map_.max() > 0:
            taken = map_ >= threshold * map_.max()
            assert value == pytest.approx(f1_score(region.ravel() > 0.5, taken.ravel()))
            assert 0 <= value <= 1
        else:
            assert np.isnan(value)
    with pytest.raises(SettingsError, match="threshold"):
        dice(maps, regions, threshold=0)
