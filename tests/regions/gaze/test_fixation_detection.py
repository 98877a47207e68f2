from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.errors import DataError, SettingsError
from sightline.regions.gaze import Detector, DispersionThreshold, Samples, VelocityThreshold

BOTH: tuple[Detector, ...] = (
    DispersionThreshold(dispersion=20, unit="pixels"),
    VelocityThreshold(velocity=1500, unit="pixels"),
)


def samples(
    places: Sequence[tuple[float, float]] | np.ndarray, *, rate: float = 60, valid: Sequence[bool] | None = None
) -> Samples:
    x, y = np.asarray(places, float).reshape(-1, 2).T
    kept = np.ones(len(x), bool) if valid is None else np.asarray(valid, bool)
    return Samples(np.arange(len(x)) / rate, x, y, kept, (1000, 1000))


def scanpath(centres: Sequence[tuple[float, float]], counts: Sequence[int], *, noise: float, seed: int) -> Samples:
    """Rests of some samples each, with two samples in flight between them."""
    rng = np.random.default_rng(seed)
    pieces = []
    for number, (centre, count) in enumerate(zip(centres, counts, strict=True)):
        if number:
            last = np.asarray(centres[number - 1])
            pieces += [last + (centre - last) * share for share in (1 / 3, 2 / 3)]
        pieces += list(np.asarray(centre) + rng.uniform(-noise, noise, (count, 2)))
    return samples(np.asarray(pieces))


@pytest.mark.parametrize("detector", BOTH)
def test_two_rests_and_a_jump_by_hand(detector: Detector) -> None:
    gaze = detector(samples([(100, 100), (102, 100), (98, 100), (100, 104)] * 3 + [(500, 300)] * 12))
    assert gaze.x.tolist() == [100, 500]
    assert gaze.y.tolist() == [101, 300]
    np.testing.assert_allclose(gaze.start, [0, 0.2])
    np.testing.assert_allclose(gaze.duration, [0.2, 0.2])  # the last sample stands until the next


@given(st.integers(1, 6), st.integers(0, 2**31))
@settings(max_examples=50)
def test_known_fixations_are_found_again(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    corners = np.asarray([(100, 100), (900, 100), (500, 500), (100, 900), (900, 900)])
    order = [int(rng.integers(5))]
    for _ in range(count - 1):
        order.append(int(rng.choice([c for c in range(5) if c != order[-1]])))
    centres = [tuple(corners[c]) for c in order]
    counts = rng.integers(8, 40, count).tolist()
    path = scanpath(centres, counts, noise=4, seed=seed)
    starts = np.cumsum([0, *[c + 2 for c in counts[:-1]]]) / 60
    for detector in BOTH:
        gaze = detector(path)
        assert len(gaze) == count
        np.testing.assert_allclose(np.stack((gaze.x, gaze.y), axis=1), centres, atol=4)
        np.testing.assert_allclose(gaze.start, starts, atol=1e-9)
        np.testing.assert_allclose(gaze.duration, np.asarray(counts) / 60, atol=1e-9)


@pytest.mark.parametrize("detector", BOTH)
def test_a_blink_parts_a_rest_and_a_lost_sample_does_not(detector: Detector) -> None:
    valid = [True] * 10 + [False] * 2 + [True] * 10 + [False] * 12 + [True] * 10
    gaze = detector(samples([(50.0, 60.0)] * 44, valid=valid))
    np.testing.assert_allclose(gaze.start, [0, 34 / 60])
    np.testing.assert_allclose(gaze.duration, [22 / 60, 10 / 60])


@pytest.mark.parametrize("detector", BOTH)
def test_what_is_not_valid_is_not_looked_at(detector: Detector) -> None:
    places = np.full((12, 2), 50.0)
    places[5] = np.nan
    places[6] = 999
    gaze = detector(samples(places, valid=[i not in (5, 6) for i in range(12)]))
    assert gaze.x.tolist() == [50]
    assert gaze.duration.tolist() == [pytest.approx(0.2)]


@pytest.mark.parametrize("detector", BOTH)
def test_short_rests_are_no_fixations(detector: Detector) -> None:
    assert len(detector(samples([(100, 100)] * 5 + [(500, 500)] * 5 + [(900, 100)] * 5))) == 0
    assert len(detector(samples([(100, 100)] * 6))) == 1  # 6 samples are 0.1 s at 60 Hz


@pytest.mark.parametrize("detector", BOTH)
@pytest.mark.parametrize("count", [0, 1])
def test_few_or_no_samples_have_no_fixation(detector: Detector, count: int) -> None:
    assert len(detector(samples(np.zeros((count, 2))))) == 0


def test_the_dispersion_is_that_of_both_axes_together() -> None:
    places = [(100, 100), (106, 100), (100, 105), (106, 105)] * 2
    assert len(DispersionThreshold(dispersion=11, unit="pixels")(samples(places))) == 1
    assert len(DispersionThreshold(dispersion=10.99, unit="pixels")(samples(places))) == 0


@given(st.integers(0, 2**31), st.floats(1, 100))
@settings(max_examples=50)
def test_dispersion_fixations_keep_their_promises(seed: int, dispersion: float) -> None:
    rng = np.random.default_rng(seed)
    path = samples(rng.normal(0, 3, (200, 2)).cumsum(axis=0) + 500)
    gaze = DispersionThreshold(dispersion=dispersion, unit="pixels")(path)
    bounds = [
        (path.time >= s - 1e-9) & (path.time < s + d - 1e-9) for s, d in zip(gaze.start, gaze.duration, strict=True)
    ]
    for number, held in enumerate(bounds):
        x, y = path.x[held], path.y[held]
        assert np.ptp(x) + np.ptp(y) <= dispersion
        assert gaze.duration[number] >= 0.1 - 1e-9
        np.testing.assert_allclose((gaze.x[number], gaze.y[number]), (x.mean(), y.mean()))
        following = int(np.flatnonzero(held)[-1]) + 1
        if following < len(path):  # as long as can be
            x, y = np.append(x, path.x[following]), np.append(y, path.y[following])
            assert np.ptp(x) + np.ptp(y) > dispersion
    for first, second in pairwise(bounds):
        assert not (first & second).any()


def test_velocity_is_that_between_two_samples() -> None:
    places = [(100 + 2.0 * i, 100) for i in range(30)]  # 120 pixels a second
    assert len(VelocityThreshold(velocity=121, unit="pixels")(samples(places))) == 1
    assert len(VelocityThreshold(velocity=119, unit="pixels")(samples(places))) == 0


def test_without_a_shortest_duration_a_sample_in_flight_is_still_no_fixation() -> None:
    detector = VelocityThreshold(velocity=1500, min_duration_s=0, unit="pixels")
    gaze = detector(samples([(100, 100), (100, 100), (300, 100), (500, 100), (500, 100)]))
    assert gaze.x.tolist() == [100, 500]


def test_degrees_are_pixels_times_pixels_per_degree_along_each_axis() -> None:
    path = scanpath([(100, 100), (500, 500)], [20, 20], noise=4, seed=0)
    stretched = Samples(
        path.time, path.x * 3, path.y * 2, path.valid, (2000, 3000), np.tile((60.0, 40.0), (len(path), 1))
    )
    for pixels, degrees in (
        (DispersionThreshold(20, unit="pixels"), DispersionThreshold(1)),
        (VelocityThreshold(600, unit="pixels"), VelocityThreshold(30)),
    ):
        expected, gaze = pixels(path), degrees(stretched)
        np.testing.assert_allclose(gaze.x, expected.x * 3)
        np.testing.assert_allclose(gaze.y, expected.y * 2)
        np.testing.assert_allclose(gaze.start, expected.start)
        assert gaze.pixels_per_degree is not None
        np.testing.assert_allclose(gaze.pixels_per_degree, [(60, 40), (60, 40)])


@pytest.mark.parametrize("detector", [DispersionThreshold(), VelocityThreshold()])
def test_degrees_need_pixels_per_degree(detector: Detector) -> None:
    with pytest.raises(DataError, match="needs samples with pixels_per_degree; give it, or say unit='pixels'"):
        detector(samples([(1, 1)] * 9))


@pytest.mark.parametrize("detector", BOTH)
def test_samples_too_far_apart_are_refused(detector: Detector) -> None:
    with pytest.raises(DataError, match=r"samples are 0.1 s apart, more than max_gap_s of 0.075; raise it"):
        detector(samples([(1, 1)] * 9, rate=10))


@pytest.mark.parametrize("kind", [DispersionThreshold, VelocityThreshold])
@pytest.mark.parametrize("values", [(0, 0.1, 0.1), (1, -1, 0.1), (1, 0.1, 0), (float("nan"), 0.1, 0.1)])
def test_settings_out_of_range_are_refused(kind: type[Detector], values: tuple[float, float, float]) -> None:
    with pytest.raises(SettingsError, match="must be"):
        kind(*values)
