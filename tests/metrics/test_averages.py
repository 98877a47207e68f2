import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sightline.metrics.averages import mean_defined, median_defined, ratio, weighted_mean


def test_division_by_zero_is_undefined_without_a_warning() -> None:
    np.testing.assert_equal(ratio([1, 0], [2, 0]), [0.5, np.nan])


def test_mean_leaves_the_undefined_out() -> None:
    np.testing.assert_equal(mean_defined([[1, np.nan, 3], [np.nan] * 3]), [2, np.nan])
    np.testing.assert_equal(mean_defined([[1, np.nan], [5, 2]], axis=0), [3, 2])


def test_the_median_leaves_the_undefined_out() -> None:
    np.testing.assert_equal(median_defined([[1, np.nan, 9, 3], [np.nan] * 4]), [3, np.nan])
    np.testing.assert_equal(median_defined([[1, np.nan], [5, 2]], axis=0), [3, 2])


def test_weights_count_repetitions_of_what_is_known() -> None:
    values = [1.0, np.nan, 4.0]
    assert weighted_mean(values) == pytest.approx(2.5)
    np.testing.assert_equal(weighted_mean(values, weights=np.array([[2.0, 9, 1], [0, 1, 0]])), [2, np.nan])


@given(arrays(np.float64, (4, 5), elements=st.one_of(st.floats(-9, 9), st.just(np.nan))))
def test_they_agree_with_numpy_where_something_is_known(values: np.ndarray) -> None:
    values[:, 0] = 1.0
    np.testing.assert_allclose(mean_defined(values), np.nanmean(values, axis=-1))
    np.testing.assert_allclose(median_defined(values), np.nanmedian(values, axis=-1))
    np.testing.assert_allclose(mean_defined(values, axis=0)[0], 1)
    np.testing.assert_allclose([weighted_mean(row) for row in values], mean_defined(values))


def test_nothing_has_no_mean() -> None:
    assert np.isnan(mean_defined([]))
    assert np.isnan(median_defined([]))
    assert np.isnan(weighted_mean([]))
    assert np.isnan(weighted_mean([np.nan]))
