import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from sightline.errors import DataError, SettingsError, ShapeError
from sightline.metrics.calibration import brier_score, calibration_error, reliability_curve, top_label

NAN = float("nan")
SEEDS = st.integers(0, 2**32 - 1)


def test_by_hand() -> None:
    # bins (0, 0.5] and (0.5, 1]: 0.5 and 0 are in the lower one
    labels, probabilities = [1, 0, 1, 1, 0], [0.5, 0.0, 0.9, 0.7, 0.8]
    curve = reliability_curve(labels, probabilities, bins=2)
    assert curve.counts.tolist() == [2, 3]
    assert curve.predicted == pytest.approx([0.25, 0.8])
    assert curve.observed == pytest.approx([1 / 2, 2 / 3])
    assert calibration_error(labels, probabilities, bins=2) == pytest.approx(2 / 5 * 0.25 + 3 / 5 * (0.8 - 2 / 3))
    assert brier_score(labels, probabilities) == pytest.approx((0.25 + 0 + 0.01 + 0.09 + 0.64) / 5)
    assert brier_score([0, 2], [[0.5, 0.5, 0], [0.1, 0.2, 0.7]]) == pytest.approx((0.5 + 0.01 + 0.04 + 0.09) / 2)


@settings(max_examples=40)
@given(SEEDS, st.integers(1, 20), st.sampled_from([("width", "uniform"), ("count", "quantile")]))
def test_the_curve_agrees_with_scikit_learn(seed: int, bins: int, binning: tuple[str, str]) -> None:
    rng = np.random.default_rng(seed)
    probabilities = rng.random(60)
    labels = (rng.random(60) < probabilities).astype(float)
    curve = reliability_curve(labels, probabilities, bins=bins, binning=binning[0])  # type: ignore[arg-type]
    observed, predicted = calibration_curve(labels, probabilities, n_bins=bins, strategy=binning[1])
    filled = curve.counts > 0
    assert curve.observed[filled] == pytest.approx(observed)
    assert curve.predicted[filled] == pytest.approx(predicted)
    assert np.isnan(curve.observed[~filled]).all()
    assert curve.counts.sum() == 60


@settings(max_examples=30)
@given(SEEDS, st.integers(2, 4))
def test_brier_scores_agree_with_scikit_learn(seed: int, num_classes: int) -> None:
    rng = np.random.default_rng(seed)
    labels, table = np.arange(20) % num_classes, rng.dirichlet(np.ones(num_classes), 20)
    theirs = brier_score_loss(labels, table, labels=range(num_classes), scale_by_half=False)
    assert brier_score(labels, table) == pytest.approx(theirs)
    binary = brier_score(labels == 1, table[:, 1])
    assert binary == pytest.approx(brier_score_loss(labels == 1, table[:, 1]))
    assert 0 <= float(binary) <= 1
    if num_classes == 2:
        assert brier_score(labels, table) == pytest.approx(2 * float(binary))


@settings(max_examples=20)
@given(SEEDS)
def test_rows_of_weights_equal_repeated_images(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, probabilities, weights = rng.integers(0, 2, 20), rng.random(20), rng.integers(0, 3, (4, 20))
    for measure in (calibration_error, brier_score):
        rows = measure(labels, probabilities, weights=weights.astype(float))
        again = [measure(labels.repeat(row), probabilities.repeat(row)) for row in weights]
        np.testing.assert_allclose(rows, again)
        assert ((rows >= 0) & (rows <= 1)).all()


def test_honest_probabilities_have_a_small_error_and_certain_wrong_ones_the_largest() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.random(20_000)
    labels = (rng.random(20_000) < probabilities).astype(float)
    assert float(calibration_error(labels, probabilities)) < 0.02
    assert calibration_error([1, 0], [0.0, 1.0]) == 1
    assert calibration_error([1, 0], [1.0, 0.0]) == 0


def test_the_top_label_is_the_most_probable_class() -> None:
    right, confidence = top_label([1, 0, 1], [[0.2, 0.8], [0.3, 0.7], [0.5, 0.5]])
    assert right.tolist() == [1, 0, 0]  # of equal classes the first
    assert confidence.tolist() == [0.8, 0.7, 0.5]


def test_no_image_says_nothing_and_unknown_labels_are_left_out() -> None:
    for labels in ([], [NAN]):
        assert np.isnan(calibration_error(labels, [0.5] * len(labels)))
        assert np.isnan(brier_score(labels, [0.5] * len(labels)))
        assert np.isnan(calibration_error(labels, [0.5] * len(labels), binning="count"))
    assert brier_score([1, NAN], [0.5, NAN]) == 0.25
    assert calibration_error([1, NAN], [0.5, NAN]) == 0.5
    assert calibration_error([1, 1], [0.5, 0.5], binning="count") == 0.5  # all edges in one place


def test_wrong_arguments_are_refused() -> None:
    for measure in (calibration_error, brier_score, reliability_curve):
        with pytest.raises(DataError, match="sigmoid or softmax"):
            measure([0, 1], [0.1, 1.5])
        with pytest.raises(DataError, match="sigmoid or softmax"):
            measure([0, 1], [0.1, NAN])
        with pytest.raises(DataError, match="0, 1 or NaN"):
            measure([0, 2], [0.1, 0.5])
        with pytest.raises(ShapeError, match=r"got \(2,\) and \(3,\)"):
            measure([0, 1], [0.1, 0.5, 0.6])
    with pytest.raises(DataError, match="labels must lie in 0 to 1"):
        brier_score([0, 2], [[0.5, 0.5], [0.1, 0.9]])
    with pytest.raises(ShapeError, match=r"probabilities must be \(N, K\)"):
        brier_score([0, 1, 1], [[0.5, 0.5], [0.1, 0.9]])
    with pytest.raises(ShapeError, match=r"probabilities must be \(N, K\)"):
        top_label([0, 1], [0.5, 0.5])
    with pytest.raises(SettingsError, match="bins must be at least 1, got 0"):
        calibration_error([0], [0.5], bins=0)
    with pytest.raises(SettingsError, match="binning must be one of width, count, got 'equal'"):
        calibration_error([0], [0.5], binning="equal")  # type: ignore[arg-type]
