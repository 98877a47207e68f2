from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sightline.errors import DataError, ShapeError
from sightline.regions.gaze import Fixations, Samples, drop_outside, every_sample

ONES = np.ones(3)
YES = np.ones(3, bool)


def test_inside_is_from_the_first_edge_to_before_the_last(fixations: Callable[..., Fixations]) -> None:
    places = [(0, 0), (4, 0), (3.999, 2.999), (0, 3), (-1e-9, 1), (1, -1)]
    assert fixations(places, (3, 4)).inside.tolist() == [True, False, True, False, False, False]


def test_fixations_outside_are_taken_out_and_counted(fixations: Callable[..., Fixations]) -> None:
    gaze, dropped = drop_outside(fixations([(1, 1), (-3, 1), (2, 2)], (3, 4), pixels_per_degree=(5, 6)))
    assert dropped == 1
    assert gaze.x.tolist() == [1, 2]
    assert gaze.start.tolist() == [0, 2]
    assert gaze.pixels_per_degree is not None
    assert gaze.pixels_per_degree.tolist() == [[5, 6], [5, 6]]


def test_samples_outside_stay_and_are_not_valid() -> None:
    samples = Samples(
        np.arange(4.0), np.asarray([1, -1, np.nan, 2]), np.ones(4), np.asarray([1, 1, 0, 1], bool), (3, 4)
    )
    kept, dropped = drop_outside(samples)
    assert dropped == 1
    assert kept.valid.tolist() == [True, False, False, True]
    assert len(kept) == 4


def test_every_valid_sample_becomes_a_fixation_of_one_step() -> None:
    valid = np.asarray([True, False, True])
    samples = Samples(np.asarray([0.0, 0.5, 1.0]), ONES, 2 * ONES, valid, (3, 4), np.full((3, 2), 7.0))
    gaze = every_sample(samples)
    assert gaze.start.tolist() == [0, 1]
    assert gaze.duration.tolist() == [0.5, 0.5]
    assert gaze.pixels_per_degree is not None
    assert gaze.pixels_per_degree.shape == (2, 2)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"y": np.ones(2)}, ShapeError, r"columns of fixations must be \(N,\), got .*'y': \(2,\)"),
        ({"size": (0, 4)}, ShapeError, "size must be height and width"),
        ({"x": np.asarray([1, np.nan, 1])}, DataError, "x of fixations must be finite"),
        ({"duration": -ONES}, DataError, "lasts no less than 0 s, got -1"),
        ({"pixels_per_degree": np.ones((2, 2))}, ShapeError, r"must be \(3, 2\), got \(2, 2\)"),
        ({"pixels_per_degree": np.zeros((3, 2))}, DataError, "must be positive"),
        ({"pixels_per_degree": np.full((3, 2), np.nan)}, DataError, "must be positive"),
    ],
)
def test_fixations_that_cannot_be_are_refused(change: dict[str, Any], error: type[Exception], message: str) -> None:
    good = {"x": ONES, "y": ONES, "start": ONES, "duration": ONES, "size": (3, 4)}
    Fixations(**good)  # type: ignore[arg-type]
    with pytest.raises(error, match=message):
        Fixations(**(good | change))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"time": np.asarray([0.0, 2, 1])}, DataError, "never fall"),
        ({"time": np.asarray([0.0, 2, np.nan])}, DataError, "never fall"),
        ({"x": np.asarray([1, np.nan, 1])}, DataError, "set valid to False"),
        ({"valid": ONES}, DataError, "valid must be bool, got float64"),
        ({"valid": YES[:2]}, ShapeError, "columns of samples"),
        ({"pixels_per_degree": np.full((3, 2), np.nan)}, DataError, "must be positive"),
    ],
)
def test_samples_that_cannot_be_are_refused(change: dict[str, Any], error: type[Exception], message: str) -> None:
    good = {"time": ONES, "x": ONES, "y": ONES, "valid": YES, "size": (3, 4)}
    Samples(**good)  # type: ignore[arg-type]
    with pytest.raises(error, match=message):
        Samples(**(good | change))  # type: ignore[arg-type]


def test_what_is_not_valid_may_be_anything() -> None:
    nothing = np.full(3, np.nan)
    samples = Samples(ONES, nothing, nothing, ~YES, (3, 4), np.stack((nothing, nothing), axis=1))
    assert not len(every_sample(samples))
