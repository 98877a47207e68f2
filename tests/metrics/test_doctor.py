import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.errors import DataError, SettingsError, ShapeError
from sightline.metrics.doctor import doctor_alpha, doctor_beta, false_rejection_rate, rejection_curve
from sightline.metrics.ranking import auroc

NAN = float("nan")
SEEDS = st.integers(0, 2**32 - 1)


def test_scores_by_hand() -> None:
    # 0.6 0.3 0.1: two draws agree with 0.46; the greatest leaves 0.4
    assert doctor_alpha([[0.6, 0.3, 0.1]]) == pytest.approx([0.54 / 0.46])
    assert doctor_beta([[0.6, 0.3, 0.1]]) == pytest.approx([0.4 / 0.6])


def test_the_curve_by_hand() -> None:
    # wrong predictions score 3 and 1, right ones 2, 0, 0; rejected where the score is above the threshold
    curve = rejection_curve([3.0, 2, 1, 0, 0], [0, 1, 0, 1, 1])
    assert curve.thresholds.tolist() == [3, 2, 1, 0, -np.inf]
    assert curve.false_rejection == pytest.approx([0, 0, 1 / 3, 1 / 3, 1])
    assert curve.false_acceptance == pytest.approx([1, 1 / 2, 1 / 2, 0, 0])
    assert false_rejection_rate([3.0, 2, 1, 0, 0], [0, 1, 0, 1, 1]) == pytest.approx(1 / 3)
    assert false_rejection_rate([3.0, 2, 1, 0, 0], [0, 1, 0, 1, 1], true_rejection=0.5) == 0


@settings(max_examples=30)
@given(SEEDS, st.integers(1, 6))
def test_certainty_scores_0_an_even_row_the_most_and_the_order_of_classes_does_not_count(seed: int, k: int) -> None:
    rows = np.random.default_rng(seed).dirichlet(np.ones(k), 5)
    for score in (doctor_alpha, doctor_beta):
        found = score(rows)
        assert ((found >= 0) & (found <= k - 1 + 1e-9)).all()
        assert score(rows[:, ::-1]) == pytest.approx(found)
        assert score(np.eye(k)) == pytest.approx(np.zeros(k))
        assert score(np.full(k, 1 / k)) == pytest.approx(k - 1)


@settings(max_examples=30)
@given(SEEDS)
def test_of_two_classes_both_scores_put_predictions_in_one_order(seed: int) -> None:
    p = np.random.default_rng(seed).random(9)
    pairs = np.stack([p, 1 - p], -1)
    assert (np.argsort(doctor_alpha(pairs)) == np.argsort(doctor_beta(pairs))).all()
    assert (np.argsort(doctor_beta(pairs)) == np.argsort(-np.abs(p - 0.5))).all()


def test_labels_of_a_multi_label_network_are_predictions_of_their_own() -> None:
    p = np.array([[0.5, 1.0], [0.9, 0.2]])
    assert doctor_beta(np.stack([p, 1 - p], -1)) == pytest.approx(np.array([[1, 0], [1 / 9, 1 / 4]]))


@settings(max_examples=30)
@given(SEEDS)
def test_the_curve_holds_the_rates_of_each_threshold(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores, right = rng.integers(0, 6, 15) / 5, rng.integers(0, 2, 15)
    right[:2] = 0, 1
    curve = rejection_curve(scores, right)
    for threshold, frr, far in zip(curve.thresholds, curve.false_rejection, curve.false_acceptance, strict=True):
        rejected = scores > threshold
        assert frr == pytest.approx(rejected[right == 1].mean())
        assert far == pytest.approx((~rejected)[right == 0].mean())
    steps = np.diff(curve.false_rejection)
    area = ((1 - curve.false_acceptance[1:] + 1 - curve.false_acceptance[:-1]) / 2 * steps).sum()
    assert area == pytest.approx(float(auroc(1 - right, scores)))
    least = min(f for f, a in zip(curve.false_rejection, curve.false_acceptance, strict=True) if 1 - a >= 0.95 - 1e-9)
    assert false_rejection_rate(scores, right) == pytest.approx(least)


def test_without_wrong_or_without_right_predictions_a_rate_is_nan() -> None:
    assert np.isnan(rejection_curve([0.1, 0.2], [1, 1]).false_acceptance).all()
    assert np.isnan(rejection_curve([0.1, 0.2], [0, 0]).false_rejection).all()
    assert math.isnan(false_rejection_rate([0.1, 0.2], [1, 1]))
    assert math.isnan(false_rejection_rate([], []))
    assert rejection_curve([0.1, 0.2, 0.9], [1, 0, NAN]).thresholds.tolist() == [0.2, 0.1, -np.inf]
    empty = rejection_curve([], [])
    assert empty.thresholds.tolist() == [-np.inf]
    assert np.isnan(empty.false_rejection).all()


def test_what_is_no_distribution_is_refused() -> None:
    for rows in ([[0.5, 0.6]], [[1.5, -0.5]], [[NAN, 0.5]]):
        with pytest.raises(DataError, match=r"sum to 1; of a sigmoid hand in \(p, 1 - p\)"):
            doctor_alpha(rows)
    with pytest.raises(ShapeError, match="K of at least 1"):
        doctor_beta(np.empty((3, 0)))
    with pytest.raises(SettingsError, match="true_rejection"):
        false_rejection_rate([0.1], [1], true_rejection=0)
