import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.errors import DataError, ShapeError
from sightline.metrics.fixation_saliency import auc_judd, normalized_scanpath_saliency
from sightline.metrics.ranking import auroc

NAN = float("nan")
SEEDS = st.integers(0, 2**32 - 1)
ALL = (normalized_scanpath_saliency, auc_judd)


def looked_at(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    fixations = (rng.random((3, 4, 5)) < 0.3).astype(float)
    fixations[:, 0, 0], fixations[:, 0, 1] = 1, 0
    return rng.normal(size=(3, 4, 5)), fixations


def test_by_hand() -> None:
    # mean 2, standard deviation sqrt(5 / 2)... of 0 1 2 5: squares 4 1 0 9, mean 3.5
    maps, fixations = [[0.0, 1, 2, 5]], [[0, 1, 0, 1]]
    assert normalized_scanpath_saliency(maps, fixations).item() == pytest.approx((-1 + 3) / 2 / 3.5**0.5)
    # thresholds 5 and 1: found 1/2 and 1, false 0 and 1/2: 0.5 * (0.5 + 1) / 2 + 0.5 * 1
    assert auc_judd(maps, fixations).item() == pytest.approx(0.875)


@settings(max_examples=30)
@given(SEEDS)
def test_nss_is_the_mean_of_the_standardised_map(seed: int) -> None:
    maps, fixations = looked_at(seed)
    expected = [((m - m.mean()) / m.std())[f > 0].mean() for m, f in zip(maps, fixations, strict=True)]
    assert normalized_scanpath_saliency(maps, fixations) == pytest.approx(np.array(expected))


@settings(max_examples=30)
@given(SEEDS)
def test_the_area_is_the_usual_one_plus_what_its_fewer_thresholds_add(seed: int) -> None:
    maps, fixations = looked_at(seed)
    for m, f, found in zip(maps, fixations, auc_judd(maps, fixations), strict=True):
        hit = f.ravel() > 0
        above = (m.ravel()[~hit] >= m.ravel()[hit].min()).mean()
        usual = float(auroc(hit, m.ravel()))
        assert found == pytest.approx(usual + above / (2 * hit.sum()))
        assert 0 <= found <= 1


@settings(max_examples=30)
@given(SEEDS)
def test_scale_and_repeated_fixations_do_not_count(seed: int) -> None:
    maps, fixations = looked_at(seed)
    for measure in ALL:
        found = measure(maps, fixations)
        assert measure(7 * maps - 3, 5 * fixations) == pytest.approx(found)
        assert measure(maps[1:2], fixations[1:2]) == pytest.approx(found[1:2])
    assert normalized_scanpath_saliency(-maps, fixations) == pytest.approx(
        -normalized_scanpath_saliency(maps, fixations)
    )
    assert auc_judd(np.exp(maps), fixations) == pytest.approx(auc_judd(maps, fixations))


def test_a_map_of_the_fixations_is_perfect_and_an_even_one_says_nothing_of_order() -> None:
    _, fixations = looked_at(0)
    assert auc_judd(fixations, fixations) == pytest.approx(1)
    assert auc_judd(np.ones_like(fixations), fixations) == pytest.approx(0.5)
    assert np.isnan(normalized_scanpath_saliency(np.full_like(fixations, 0.1), fixations)).all()
    assert np.isnan(normalized_scanpath_saliency(np.zeros_like(fixations), fixations)).all()


@pytest.mark.parametrize("measure", ALL)
def test_what_says_nothing_is_nan_and_leaves_the_others_alone(measure) -> None:  # noqa: ANN001
    maps, fixations = looked_at(1)
    expected = measure(maps, fixations)
    maps[1, 0, 0] = NAN
    fixations[2] = 0
    found = measure(maps, fixations)
    assert np.isnan(found[1:]).all()
    assert found[0] == expected[0]
    assert measure(maps[:0], fixations[:0]).shape == (0,)
    fixations[0, 1, 1] = np.inf
    assert np.isnan(measure(maps, fixations)).all()


def test_a_reader_who_looked_everywhere_has_no_area() -> None:
    assert np.isnan(auc_judd([[1.0, 2.0]], [[1, 1]])).all()
    assert normalized_scanpath_saliency([[1.0, 2.0]], [[1, 1]]) == pytest.approx([0])


@pytest.mark.parametrize("measure", ALL)
def test_wrong_maps_are_refused(measure) -> None:  # noqa: ANN001
    with pytest.raises(ShapeError, match=r"one shape \(N, ...\), got \(2, 3\) and \(2, 4\)"):
        measure(np.ones((2, 3)), np.ones((2, 4)))
    with pytest.raises(DataError, match="fixations must not be negative, got -1"):
        measure([[1.0, 2.0]], [[-1, 1]])
