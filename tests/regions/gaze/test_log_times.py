import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sightline.regions.gaze import Fixations, log_times

Make = Callable[..., Fixations]


def test_a_place_holds_the_logarithm_of_the_time_since_the_fixation_before_by_hand(fixations: Make) -> None:
    gaze = fixations([(0.5, 0.5), (2.9, 1.1), (3.5, 3.5)], (4, 4), start=[0, 1, 2], duration=[0.5, 0.2, 2])
    # ends at 0.5, 1.2 and 4 s
    expected = np.zeros((4, 4))
    for (row, column), time in {(0, 0): 0.5, (1, 2): 0.7, (3, 3): 2.8}.items():
        expected[row, column] = (math.log(time + 0.01) - math.log(0.01)) / (math.log(2.81) - math.log(0.01))
    np.testing.assert_allclose(log_times(gaze, (4, 4))[0], expected, rtol=1e-6)


def test_of_two_fixations_on_one_pixel_of_the_file_the_later_counts_and_neighbours_add_up(fixations: Make) -> None:
    gaze = fixations([(0.2, 0.2), (0.8, 0.8), (1.5, 0.5), (6.5, 6.5)], (8, 8), start=[0, 1, 2, 3])
    value = math.log1p(1 / 0.01)  # each ends 1 s after the one before
    drawn = log_times(gaze, (4, 4))
    torch.testing.assert_close(drawn[0, 0, 0], torch.tensor(1.0))  # two pixels, not three fixations
    torch.testing.assert_close(drawn[0, 3, 3], torch.tensor(value / (2 * value)))
    assert drawn.count_nonzero() == 2


def test_what_lies_outside_is_outside_and_not_at_the_far_edge(fixations: Make) -> None:
    """GazeGNN's code takes negative places for pixels counted from the far edge."""
    gaze = fixations([(-1, -1), (2.5, 2.5), (9, 2), (-0.4, 2)], (8, 8))
    drawn = log_times(gaze, (8, 8))[0]
    assert drawn.nonzero().tolist() == [[2, 2]]
    assert drawn[2, 2] == 1
    before = fixations([(2.5, 2.5)], (8, 8), start=[1])
    assert torch.equal(log_times(before, (8, 8))[0], drawn)


def test_the_time_of_a_fixation_counts_from_one_outside(fixations: Make) -> None:
    gaze = fixations([(1.5, 1.5), (-5, 2), (5.5, 5.5)], (8, 8), start=[0, 1, 10], duration=[1, 8, 1])
    drawn = log_times(gaze, (8, 8))[0]
    assert drawn[5, 5] == 1  # 11 s - 9 s, longer than the 1 s of the first
    torch.testing.assert_close(drawn[1, 1].item(), math.log1p(100) / math.log1p(200))


def test_no_time_is_no_gaze_and_nothing_is_divided_by_zero(fixations: Make) -> None:
    """GazeGNN's code divides by the range of the map, which is 0 where no time is spent."""
    nothing = fixations([], (8, 8))
    at_once = fixations([(1, 1), (2, 2)], (8, 8), start=[0, 0], duration=[0, 0])
    beside = fixations([(-1, -1)], (8, 8))
    for gaze in (nothing, at_once, beside):
        assert log_times(gaze, (4, 6)).isnan().all()
        assert log_times(gaze, (4, 6)).shape == (1, 4, 6)
    backwards = fixations([(1, 1), (5, 5)], (8, 8), start=[3, 0], duration=[1, 1])  # shown again: the clock restarts
    assert log_times(backwards, (8, 8)).count_nonzero() == 1


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(1, 30), rows=st.integers(1, 40), columns=st.integers(1, 40), seed=st.integers(0, 99))
def test_any_size_lies_in_0_to_1_and_reaches_1(
    random_fixations: Callable[..., Fixations], count: int, rows: int, columns: int, seed: int
) -> None:
    drawn = log_times(random_fixations(count, (31, 17), seed), (rows, columns))
    assert drawn.shape == (1, rows, columns)
    assert drawn.max() == 1
    assert drawn.min() >= 0


def test_a_padded_image_lies_in_the_middle_of_its_canvas(random_fixations: Callable[..., Fixations]) -> None:
    gaze = random_fixations(12, (20, 40))
    padded = log_times(gaze, (40, 40), canvas=(40, 40))[0]
    torch.testing.assert_close(padded[10:30], log_times(gaze, (20, 40))[0])
    assert padded.count_nonzero() == padded[10:30].count_nonzero()
    moved = replace(gaze, y=gaze.y + 10, size=(40, 40))
    torch.testing.assert_close(log_times(moved, (40, 40))[0], padded)
