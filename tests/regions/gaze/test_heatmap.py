import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from sightline.errors import DataError, SettingsError, ShapeError
from sightline.regions.gaze import (
    Fixations,
    GazeHeatmap,
    cumulative_heatmaps,
    fixation_heatmaps,
    gaze_heatmap,
    grouped_heatmaps,
    windowed_heatmaps,
)
from sightline.regions.masks import resize_region

Make = Callable[..., Fixations]
SUM = GazeHeatmap(sigma=4, unit="pixels", scale="sum")
CUT = replace(SUM, border="cut")
FEW = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
SIZES = st.tuples(st.integers(1, 40), st.integers(1, 40))


def density(gaze: Fixations, size: tuple[int, int], options: GazeHeatmap) -> np.ndarray:
    return gaze_heatmap(gaze, size, options)[0].double().numpy()


def test_a_pixel_holds_what_falls_on_it_by_hand(fixations: Make) -> None:
    edge = 0.5 * (1 + math.erf(1 / math.sqrt(2)))  # one standard deviation
    rows = density(fixations([(2, 2)], (4, 4)), (4, 1), GazeHeatmap(1, "pixels", border="cut", scale="sum"))[:, 0]
    halves = np.asarray([edge - 0.5, math.erf(math.sqrt(2)) / 2 + 0.5 - edge])  # to the first and second deviation
    np.testing.assert_allclose(
        rows, np.asarray([halves[1], *halves[[0, 0]], halves[1]]) / (2 * halves.sum()), rtol=1e-6
    )


def test_the_density_is_the_gaussian(fixations: Make) -> None:
    gaze = fixations([(100.5, 80.5)], (160, 200))
    y, x = np.mgrid[:160, :200]
    closed = np.exp(-((x - 100) ** 2 + (y - 80) ** 2) / (2 * 8**2)) / (2 * np.pi * 8**2)
    # the mean over a pixel, against the value in its middle: 1/12 of the second derivative
    np.testing.assert_allclose(
        density(gaze, (160, 200), replace(SUM, sigma=8)), closed, atol=closed.max() / (12 * 8**2)
    )


@pytest.mark.parametrize("truncate", [3.0, 4.0])
def test_it_is_what_scipy_makes_of_impulses(fixations: Make, truncate: float) -> None:
    """Up to the mean over a pixel, against the value in its middle."""
    places = [(3, 2), (3, 2), (30, 50), (59, 40), (35, 44)]  # also near the edges, where SciPy reflects as we do
    impulses = np.zeros((60, 64))
    for x, y in places:
        impulses[y, x] += 1
    sigma = 6.0
    expected = gaussian_filter(impulses, sigma, mode="reflect", truncate=truncate)
    options = GazeHeatmap(sigma, "pixels", "count", (int(truncate * sigma + 0.5) + 0.5) / sigma, scale="max")
    drawn = density(fixations([(x + 0.5, y + 0.5) for x, y in places], (60, 64)), (60, 64), options)
    np.testing.assert_allclose(drawn, expected / expected.max(), atol=2e-3)


@FEW
@given(SIZES, st.integers(1, 8), st.integers(0, 2**31), st.sampled_from([None, 3.0]))
def test_a_reflected_map_keeps_all_of_the_weight(
    random_fixations: Make, size: tuple[int, int], count: int, seed: int, truncate: float | None
) -> None:
    """So the map of all is that of each alone, in the shares of their weights."""
    gaze = random_fixations(count, (30, 20), seed)
    options = replace(SUM, truncate=truncate)
    alone = [density(only(gaze, number), size, options) for number in range(count)]
    share = gaze.duration / gaze.duration.sum()
    np.testing.assert_allclose(
        density(gaze, size, options), np.tensordot(share, np.stack(alone), 1), rtol=1e-5, atol=1e-9
    )


def only(gaze: Fixations, number: int) -> Fixations:
    one = slice(number, number + 1)
    return Fixations(gaze.x[one], gaze.y[one], gaze.start[one], gaze.duration[one], gaze.size)


@FEW
@given(
    st.tuples(st.sampled_from([1, 3, 8, 12, 24]), st.sampled_from([1, 2, 9, 18, 36])),
    st.integers(0, 2**31),
    st.sampled_from(["reflect", "cut"]),
)
def test_a_small_map_is_the_large_one_with_its_pixels_added_up(
    random_fixations: Make, size: tuple[int, int], seed: int, border: str
) -> None:
    gaze = random_fixations(5, (24, 36), seed)
    options = replace(SUM, border=border)  # type: ignore[arg-type]
    large = gaze_heatmap(gaze, (24, 36), options)
    small = resize_region(large[None].double(), size)[0] * (24 * 36 / (size[0] * size[1]))
    torch.testing.assert_close(gaze_heatmap(gaze, size, options).double(), small, rtol=1e-5, atol=1e-8)


def test_moving_a_fixation_moves_the_map(fixations: Make) -> None:
    there = density(fixations([(40, 30)], (100, 100)), (100, 100), SUM)
    moved = density(fixations([(47, 25)], (100, 100)), (100, 100), SUM)
    np.testing.assert_allclose(np.roll(there, (-5, 7), (0, 1)), moved, atol=1e-9)


def test_x_is_the_column_and_y_the_row(fixations: Make) -> None:
    drawn = density(fixations([(30.5, 10.5)], (20, 60)), (20, 60), SUM)
    assert np.unravel_index(drawn.argmax(), drawn.shape) == (10, 30)


def test_weights_are_durations_or_one_each(fixations: Make) -> None:
    gaze = fixations([(20, 20), (80, 80)], (100, 100), duration=[1, 3])
    long = density(gaze, (100, 100), GazeHeatmap(3, "pixels"))
    assert (long[19, 19], long[79, 79]) == (pytest.approx(1 / 3), 1)
    each = density(gaze, (100, 100), GazeHeatmap(3, "pixels", "count"))
    assert each[19, 19] == pytest.approx(1)


def test_sigma_in_shares_of_the_width_degrees_and_pixels_agree(fixations: Make) -> None:
    gaze = fixations([(50, 40)], (80, 200), pixels_per_degree=(10, 10))
    pixels = gaze_heatmap(gaze, (80, 200), GazeHeatmap(20, "pixels"))
    torch.testing.assert_close(gaze_heatmap(gaze, (80, 200), GazeHeatmap(2, "degrees")), pixels)
    torch.testing.assert_close(gaze_heatmap(gaze, (80, 200), GazeHeatmap(0.1, "width")), pixels)
    torch.testing.assert_close(
        gaze_heatmap(gaze, (40, 100), GazeHeatmap(0.1, "width")), pool(pixels), atol=1e-2, rtol=0
    )


def pool(maps: torch.Tensor) -> torch.Tensor:
    small = torch.nn.functional.avg_pool2d(maps[None], 2)[0]
    return small / small.max()


def test_a_degree_may_be_longer_along_one_axis_and_differ_between_fixations(fixations: Make) -> None:
    gaze = fixations([(50, 50), (150, 50)], (100, 200))
    gaze = replace(gaze, pixels_per_degree=np.asarray([(8.0, 4.0), (4.0, 4.0)]))
    drawn = density(gaze, (100, 200), GazeHeatmap(1, "degrees", scale="sum", border="cut"))
    x = np.arange(200) + 0.5
    for part, sigma in ((drawn[:, :100], (8, 4)), (drawn[:, 100:], (4, 4))):
        columns, rows = part.sum(0), part.sum(1)
        place = x[: part.shape[1]]
        for mass, expected in ((columns, sigma[0]), (rows, sigma[1])):
            mean = (mass * place).sum() / mass.sum()
            assert ((mass * (place - mean) ** 2).sum() / mass.sum()) ** 0.5 == pytest.approx(expected, rel=0.02)


def test_a_truncated_gaussian_ends_and_keeps_its_weight(fixations: Make) -> None:
    gaze = fixations([(50, 50), (10, 10)], (100, 100))
    drawn = density(gaze, (100, 100), replace(SUM, truncate=2.0))
    assert drawn[:, 59:].sum() == drawn[59:].sum() == 0
    assert drawn[30:, 30:].sum() == pytest.approx(0.5)
    assert drawn[57, 50] > 0


def test_cut_loses_what_lies_beyond_the_edge_and_reflect_does_not(fixations: Make) -> None:
    gaze = fixations([(0, 50), (50, 50)], (100, 100))
    assert density(gaze, (100, 100), CUT)[:, :25].sum() == pytest.approx(1 / 3, rel=1e-3)
    assert density(gaze, (100, 100), SUM)[:, :25].sum() == pytest.approx(1 / 2, rel=1e-3)


def test_a_gaussian_wider_than_the_image_is_reflected_until_it_is_even(fixations: Make) -> None:
    drawn = density(fixations([(1, 2)], (4, 3)), (4, 3), GazeHeatmap(40, "pixels", scale="sum"))
    np.testing.assert_allclose(drawn, 1 / 12, rtol=1e-6)


def test_a_larger_canvas_is_black_around_the_image(fixations: Make) -> None:
    gaze = fixations([(5, 3), (1, 18)], (20, 9))
    alone = gaze_heatmap(gaze, (20, 9), SUM)
    padded = gaze_heatmap(gaze, (20, 20), SUM, canvas=(20, 20))
    torch.testing.assert_close(padded[:, :, 5:14], alone)  # (20 - 9) // 2 columns to the left, as `pad_to_square`
    assert padded[:, :, :5].sum() == padded[:, :, 14:].sum() == 0


def test_fixations_outside_add_nothing(fixations: Make) -> None:
    """Negative places, as EGD-CXR's table has them, would index from the far edge (GazeGNN does)."""
    inside = fixations([(3, 4)], (10, 10))
    all_of_them = fixations([(3, 4), (-1, -2), (10, 5), (5, 11), (-1e-3, 9)], (10, 10))
    assert torch.equal(gaze_heatmap(inside, (10, 10), SUM), gaze_heatmap(all_of_them, (10, 10), SUM))


def test_many_samples_on_one_pixel_all_count(fixations: Make) -> None:
    """MT-UNet's code counts them in 8 bits, which ends at 127."""
    gaze = fixations([(20.5, 20.5)] * 300 + [(80.5, 80.5)] * 100, (100, 100))
    drawn = density(gaze, (100, 100), GazeHeatmap(3, "pixels", "count"))
    assert drawn[80, 80] == pytest.approx(1 / 3)


@pytest.mark.parametrize("draw", [gaze_heatmap, fixation_heatmaps])
def test_without_a_fixation_on_the_image_the_region_is_unknown(fixations: Make, draw: Any) -> None:
    for gaze in (fixations([], (9, 9)), fixations([(-1, 3)], (9, 9)), fixations([(3, 3)], (9, 9), duration=[0])):
        drawn = draw(gaze, (5, 4))
        assert drawn.shape == (1, 5, 4)
        assert drawn.isnan().all()


def test_a_moment_counts_as_much_as_any_if_fixations_are_counted(fixations: Make) -> None:
    gaze = fixations([(3, 3)], (9, 9), duration=[0])
    assert gaze_heatmap(gaze, (9, 9), GazeHeatmap(weight="count")).max() == 1


def test_the_input_is_not_written_to(random_fixations: Make) -> None:
    gaze = random_fixations(4, (30, 20))
    before = [gaze.x.copy(), gaze.duration.copy()]
    fixation_heatmaps(gaze, (8, 8), window=2)
    assert all((a == b).all() for a, b in zip(before, (gaze.x, gaze.duration), strict=True))


@FEW
@given(st.integers(1, 8), st.integers(1, 6), st.integers(0, 2**31))
def test_windows_add_up_to_the_one_map_and_cumulate_to_it(
    random_fixations: Make, count: int, frames: int, seed: int
) -> None:
    gaze = random_fixations(count, (30, 20), seed)
    whole = gaze_heatmap(gaze, (15, 10), SUM)
    windows = windowed_heatmaps(gaze, (15, 10), SUM, frames=frames)
    assert windows.shape == (frames, 15, 10)
    torch.testing.assert_close(windows.sum(0, keepdim=True), whole, rtol=1e-5, atol=1e-8)
    grown = cumulative_heatmaps(gaze, (15, 10), SUM, frames=frames)
    torch.testing.assert_close(grown[-1:], whole, rtol=1e-5, atol=1e-8)
    torch.testing.assert_close(grown, windows.cumsum(0), rtol=1e-5, atol=1e-8)


def test_a_fixation_counts_in_each_frame_for_its_share_by_hand(fixations: Make) -> None:
    gaze = fixations([(20, 20), (80, 80)], (100, 100), start=[0, 3], duration=[3, 1])  # frames of one second
    peaks = windowed_heatmaps(gaze, (100, 100), GazeHeatmap(2, "pixels"), frames=4)[:, (19, 79), (19, 79)]
    torch.testing.assert_close(peaks, torch.tensor([[1.0, 0], [1, 0], [1, 0], [0, 1]]))
    counted = GazeHeatmap(2, "pixels", "count")
    peaks = windowed_heatmaps(gaze, (100, 100), counted, frames=4)[:, (19, 79), (19, 79)]
    torch.testing.assert_close(peaks, torch.tensor([[1 / 3, 0], [1 / 3, 0], [1 / 3, 0], [0, 1]]))


def test_moments_count_in_the_frame_they_fall_into(fixations: Make) -> None:
    gaze = fixations([(20, 20), (80, 80)], (100, 100), start=[0, 4], duration=[0, 0])
    peaks = windowed_heatmaps(gaze, (100, 100), GazeHeatmap(2, "pixels", "count"), frames=2)[:, (19, 79), (19, 79)]
    torch.testing.assert_close(peaks, torch.eye(2))
    once = windowed_heatmaps(gaze, (9, 9), frames=3)
    assert once.shape == (3, 9, 9)
    assert once.isnan().all()


def test_a_time_without_gaze_is_a_frame_of_zeros(fixations: Make) -> None:
    gaze = fixations([(2, 2), (2, 2)], (9, 9), start=[0, 9], duration=[1, 1])
    assert windowed_heatmaps(gaze, (9, 9), frames=10).amax((1, 2)).tolist() == [1] + [0] * 8 + [1]


def test_a_frame_a_fixation_weighs_neighbours_alike_on_both_sides(fixations: Make) -> None:
    """EGD-CXR's code scales them in place, so that weights pile up, and leaves out the last neighbour."""
    places = [(20, 20), (50, 20), (80, 20), (20, 80), (50, 80), (80, 80)]
    frames = fixation_heatmaps(fixations(places, (100, 100)), (100, 100), GazeHeatmap(2, "pixels"), window=2)
    peaks = torch.stack([frames[:, y - 1, x - 1] for x, y in places], 1)
    apart = (torch.arange(6)[:, None] - torch.arange(6)).abs().float()
    torch.testing.assert_close(peaks, torch.exp(-apart) * (apart <= 2), atol=1e-6, rtol=1e-6)
    alone = fixation_heatmaps(fixations(places, (100, 100)), (100, 100), GazeHeatmap(2, "pixels"))
    torch.testing.assert_close(torch.stack([alone[:, y - 1, x - 1] for x, y in places], 1), torch.eye(6))


def test_a_few_fixations_have_a_frame_each_as_in_egd_and_the_frames_left_over_are_0(
    random_fixations: Callable[..., Fixations],
) -> None:
    gaze = random_fixations(4, (30, 40))
    frames = grouped_heatmaps(gaze, (15, 20), SUM, frames=6)
    torch.testing.assert_close(frames[:4], fixation_heatmaps(gaze, (15, 20), SUM))
    assert (frames[4:] == 0).all()


@pytest.mark.parametrize("count", [7, 10, 23])
def test_many_fixations_share_frames_in_their_order_evenly(fixations: Make, count: int) -> None:
    places = [(20.5, 20.5 + 20 * i) for i in range(count)]
    gaze = fixations(places, (20 * count + 40, 40), duration=[1 + i for i in range(count)])
    frames = grouped_heatmaps(gaze, gaze.size, GazeHeatmap(1, "pixels", weight="count"), frames=5)
    shown = [[int(frames[f, 20 + 20 * i, 20] > 0.9) for i in range(count)] for f in range(5)]
    order = [f for i in range(count) for f in range(5) if shown[f][i]]
    assert len(order) == count  # each is on one frame
    assert order == sorted(order)
    assert max(map(sum, shown)) - min(map(sum, shown)) <= 1
    sums = grouped_heatmaps(gaze, gaze.size, SUM, frames=5).sum(0, keepdim=True)
    torch.testing.assert_close(sums, gaze_heatmap(gaze, gaze.size, SUM))


def test_frames_on_a_larger_canvas_are_as_the_map_there(random_fixations: Callable[..., Fixations]) -> None:
    gaze = random_fixations(9, (30, 40))
    drawn = grouped_heatmaps(gaze, (20, 20), SUM, frames=3, canvas=(40, 40)).sum(0, keepdim=True)
    torch.testing.assert_close(drawn, gaze_heatmap(gaze, (20, 20), SUM, canvas=(40, 40)))
    outside = replace(gaze, x=gaze.x - 100)
    assert grouped_heatmaps(outside, (20, 20), frames=3).isnan().all()
    assert grouped_heatmaps(outside, (20, 20), frames=3).shape == (3, 20, 20)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"sigma": 0}, "sigma must be positive, got 0"), ({"truncate": 0}, "truncate must be positive, or null")],
)
def test_settings_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        GazeHeatmap(**options)


def test_what_cannot_be_drawn_is_refused(fixations: Make) -> None:
    gaze = fixations([(2, 2)], (9, 9))
    with pytest.raises(ShapeError, match="size must be two lengths of at least 1, got"):
        gaze_heatmap(gaze, (9, 0))
    with pytest.raises(ShapeError, match=r"canvas must be no smaller than the image of \(9, 9\) pixels, got \(9, 8\)"):
        gaze_heatmap(gaze, (9, 9), canvas=(9, 8))
    with pytest.raises(DataError, match="sigma in degrees needs gaze with pixels_per_degree"):
        gaze_heatmap(gaze, (9, 9), GazeHeatmap(1, "degrees"))
    with pytest.raises(SettingsError, match="frames must be at least 1, got 0"):
        windowed_heatmaps(gaze, (9, 9), frames=0)
    with pytest.raises(SettingsError, match="frames must be at least 1, got 0"):
        grouped_heatmaps(gaze, (9, 9), frames=0)
    with pytest.raises(SettingsError, match="window must be 0 or more fixations, got -1"):
        fixation_heatmaps(gaze, (9, 9), window=-1)
