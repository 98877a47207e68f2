import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from sightline.errors import DataError, ShapeError
from sightline.metrics.mask_overlap import THRESHOLDS
from sightline.segmenting import best_threshold, overlap

PROBABILITIES = np.array([[0.9, 0.6, 0.5], [0.4, 0.1, 0.0]], np.float32)
TRUTH = np.array([[True, True, False], [True, False, False]])


def test_counts_by_hand() -> None:
    counted = overlap(PROBABILITIES, TRUTH, [0.2, 0.5, 0.95])
    assert counted.true == 3
    assert counted.predicted.tolist() == [4, 3, 0]
    assert counted.both.tolist() == [3, 2, 0]
    assert counted.iou.tolist() == [3 / 4, 2 / 4, 0]
    assert counted.dice.tolist() == [6 / 7, 4 / 6, 0]


def test_two_empty_masks_agree() -> None:
    nothing = np.zeros((2, 2), np.float32)
    counted = overlap(nothing, nothing > 0, [0.5])
    assert counted.iou == counted.dice == 1


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 99), share=st.sampled_from([0.0, 0.3, 1.0]))
def test_scores_are_those_of_scikit_learn(seed: int, share: float) -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    generator = np.random.default_rng(seed)
    truth = generator.random((7, 5)) < share
    probabilities = generator.random((7, 5)).astype(np.float32).round(2)  # on thresholds, too
    counted = overlap(probabilities, truth, THRESHOLDS)
    for index in range(0, len(THRESHOLDS), 9):
        mask = probabilities >= np.float32(THRESHOLDS[index])
        jaccard = metrics.jaccard_score(truth.ravel(), mask.ravel(), zero_division=1.0)
        dice = metrics.f1_score(truth.ravel(), mask.ravel(), zero_division=1.0)
        assert counted.iou[index] == pytest.approx(jaccard, abs=1e-12)
        assert counted.dice[index] == pytest.approx(dice, abs=1e-12)


@given(seed=st.integers(0, 99))
def test_dice_follows_from_iou(seed: int) -> None:
    generator = np.random.default_rng(seed)
    counted = overlap(generator.random((4, 4)), generator.random((4, 4)) < 0.5, THRESHOLDS)
    np.testing.assert_allclose(counted.dice, 2 * counted.iou / (1 + counted.iou), rtol=0, atol=1e-12)


def test_other_sizes_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"mask and truth must be of one size, got \(2, 3\) and \(3, 2\)"):
        overlap(PROBABILITIES, TRUTH.T, [0.5])


def test_the_threshold_is_that_of_the_best_mean_over_images() -> None:
    iou = np.array([[0.9, 0.7, 0.1], [0.0, 0.6, 0.9]])  # means 0.45, 0.65, 0.5
    assert best_threshold(iou, [0.3, 0.5, 0.7]) == 1
    assert best_threshold(iou[:1], [0.3, 0.5, 0.7]) == 0


def test_of_equal_thresholds_it_is_the_one_nearest_to_a_half() -> None:
    assert best_threshold(np.array([[0.8, 0.8, 0.8, 0.2]]), [0.1, 0.4, 0.9, 0.95]) == 1


def test_without_images_there_is_nothing_to_choose_by() -> None:
    with pytest.raises(DataError, match="a threshold is chosen on validation images with masks, got none"):
        best_threshold(np.empty((0, 3)), [0.3, 0.5, 0.7])
