import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_curve

from sightline.errors import SettingsError
from sightline.metrics.operating_points import sensitivity_at_specificity, specificity_at_sensitivity

NAN = float("nan")
LABELS, SCORES = [1, 1, 0, 1, 0, 0], [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]


def test_by_hand() -> None:
    # from above: found 1/3 2/3 2/3 1 1 1, false 0 0 1/3 1/3 2/3 1
    assert sensitivity_at_specificity(LABELS, SCORES, specificity=1) == pytest.approx(2 / 3)
    assert sensitivity_at_specificity(LABELS, SCORES, specificity=2 / 3) == 1
    assert specificity_at_sensitivity(LABELS, SCORES, sensitivity=2 / 3) == 1
    assert specificity_at_sensitivity(LABELS, SCORES, sensitivity=0.7) == pytest.approx(2 / 3)


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.integers(2, 30))
def test_they_are_points_of_scikit_learns_curve(seed: int, share: float, n: int) -> None:
    rng = np.random.default_rng(seed)
    labels, scores = rng.integers(0, 2, n), rng.integers(0, 9, n) / 8
    labels[:2] = 0, 1
    false, found, _ = roc_curve(labels, scores, drop_intermediate=False)
    expected = found[1 - false >= share - 1e-12].max()
    assert sensitivity_at_specificity(labels, scores, specificity=share) == pytest.approx(expected)
    expected = (1 - false)[found >= share - 1e-12].max()
    assert specificity_at_sensitivity(labels, scores, sensitivity=share) == pytest.approx(expected)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_rows_of_weights_equal_repeated_images(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, scores, weights = rng.integers(0, 2, 20), rng.random(20), rng.integers(0, 3, (4, 20))
    for measure in (sensitivity_at_specificity, specificity_at_sensitivity):
        rows = measure(labels, scores, weights=weights.astype(float))
        again = [measure(labels.repeat(row), scores.repeat(row)) for row in weights]
        np.testing.assert_allclose(rows, again)


def test_ties_are_not_parted_and_one_side_alone_says_nothing() -> None:
    assert sensitivity_at_specificity([1, 0], [0.5, 0.5]) == 0
    assert specificity_at_sensitivity([1, 0], [0.5, 0.5]) == 0
    assert specificity_at_sensitivity([1, 0], [0.5, 0.5], sensitivity=0) == 1
    for measure in (sensitivity_at_specificity, specificity_at_sensitivity):
        for labels in ([1, 1], [0, 0], [NAN, NAN]):
            assert np.isnan(measure(labels, [0.1, 0.2]))
        assert np.isnan(measure([], []))
        assert measure([0, 1, NAN], [0.1, 0.2, 0.3]) == 1


def test_percentages_are_refused() -> None:
    with pytest.raises(SettingsError, match="specificity must be a share of 0 to 1, got 95"):
        sensitivity_at_specificity(LABELS, SCORES, specificity=95)
    with pytest.raises(SettingsError, match="sensitivity must be a share of 0 to 1, got -1"):
        specificity_at_sensitivity(LABELS, SCORES, sensitivity=-1)
