import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from sightline.errors import DataError, ShapeError
from sightline.metrics.averages import mean_defined
from sightline.metrics.ranking import auroc, auroc_median, auroc_micro, auroc_one_vs_rest, auroc_pairwise

seeds = st.integers(0, 2**32 - 1)


def test_ties_count_half() -> None:
    # pairs (positive, negative): (.4,.1) won, (.4,.4) tied, (.8,.1) won, (.8,.4) won
    assert auroc([0, 0, 1, 1], [0.1, 0.4, 0.4, 0.8]) == pytest.approx(3.5 / 4)
    assert auroc([0, 1, 1], [0.5, 0.5, 0.5]) == pytest.approx(0.5)


@given(seeds, st.integers(2, 60))
def test_area_agrees_with_scikit_learn_with_ties_and_weights(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    labels[:2] = 0, 1
    scores = rng.integers(0, 8, n) / 8
    weights = rng.integers(0, 3, (3, n)).astype(float)
    weights[:, :2] = 1
    expected = [roc_auc_score(labels, scores, sample_weight=row) for row in weights]
    assert auroc(labels, scores, weights=weights) == pytest.approx(np.array(expected))
    assert auroc(labels, scores) == pytest.approx(roc_auc_score(labels, scores))


@given(seeds)
def test_area_depends_on_the_order_of_the_scores_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, scores = rng.integers(0, 2, 30), rng.normal(size=30)
    np.testing.assert_equal(auroc(labels, scores), auroc(labels, np.exp(3 * scores)))
    assert auroc(labels, -scores) == pytest.approx(1 - auroc(labels, scores))


@pytest.mark.parametrize("num_classes", [2, 3, 5])
def test_multi_class_areas_agree_with_scikit_learn(num_classes: int) -> None:
    rng = np.random.default_rng(num_classes)
    labels = rng.permutation(np.arange(80) % num_classes)
    scores = rng.dirichlet(np.ones(num_classes), 80).round(2)
    scores[:, -1] = 1 - scores[:, :-1].sum(1)  # scikit-learn wants rows that sum to 1
    weights = rng.integers(0, 3, (2, 80)).astype(float)
    truth = labels[:, None] == np.arange(num_classes)
    for row, ours in zip(weights, auroc_one_vs_rest(labels, scores, weights=weights), strict=True):
        theirs = [roc_auc_score(truth[:, k], scores[:, k], sample_weight=row) for k in range(num_classes)]
        assert ours == pytest.approx(theirs)
    if num_classes > 2:
        theirs = roc_auc_score(labels, scores, multi_class="ovo", average="macro")
        assert auroc_pairwise(labels, scores) == pytest.approx(theirs)
        theirs = roc_auc_score(labels, scores, multi_class="ovr", average="macro")
        assert mean_defined(auroc_one_vs_rest(labels, scores)) == pytest.approx(theirs)


def test_pairwise_area_takes_weights_as_repetitions() -> None:
    rng = np.random.default_rng(0)
    labels, scores = np.arange(30) % 3, rng.random((30, 3))
    times = rng.integers(0, 3, 30)
    repeated = auroc_pairwise(labels.repeat(times), scores.repeat(times, axis=0))
    assert auroc_pairwise(labels, scores, weights=times.astype(float)) == pytest.approx(repeated)


def test_area_without_both_sides_is_undefined_and_left_out_of_means() -> None:
    assert np.isnan(auroc([1, 1], [0.2, 0.3]))
    assert np.isnan(auroc([np.nan], [0.2]))
    assert np.isnan(auroc([0, 1], [0.2, 0.3], weights=np.array([[0.0, 2.0]])))
    areas = auroc_one_vs_rest([0, 1, 1], np.eye(3)[[0, 1, 1]])
    assert areas[:2] == pytest.approx([1, 1])
    assert np.isnan(areas[2])
    assert auroc_pairwise([0, 1, 1], np.eye(3)[[0, 1, 1]]) == 1


def test_the_median_is_of_the_areas_that_are_defined() -> None:
    labels = [[1, 0, 1, 1], [0, 1, 1, 0], [0, 0, 1, 1]]
    scores = [[0.9, 0.5, 0.1, 0.2], [0.1, 0.4, 0.2, 0.3], [0.2, 0.1, 0.3, 0.1]]
    assert auroc_one_vs_rest(labels, scores) == pytest.approx([1, 0.5, np.nan, 0], nan_ok=True)
    assert auroc_median(labels, scores) == 0.5
    drawn = np.array([[1.0, 1, 1], [2, 0, 1]])  # without the second image the first label alone has both sides
    assert auroc_median(labels, scores, weights=drawn).tolist() == [0.5, 1]
    assert auroc_median([0, 1, 1], np.eye(3)[[0, 1, 1]]) == 1


def test_unknown_labels_are_left_out() -> None:
    assert auroc([0, np.nan, 1], [0.3, 9, 0.2]) == 0
    labels = [[0, 1], [1, np.nan], [0, 0]]
    assert auroc_one_vs_rest(labels, [[0.1, 0.6], [0.9, 0.0], [0.2, 0.7]]) == pytest.approx([1, 0])


def test_scores_that_are_not_numbers_are_refused() -> None:
    with pytest.raises(DataError, match="finite"):
        auroc([0, 1], [0.1, np.nan])
    with pytest.raises(ShapeError, match=r"got \(2,\) and \(2, 1\)"):
        auroc([0, 1], [[0.1], [0.2]])
    with pytest.raises(ShapeError, match="K > 1"):
        auroc_one_vs_rest([0, 1], [[0.1], [0.2]])


@pytest.mark.parametrize("num_classes", [2, 4])
def test_the_micro_area_is_scikit_learns_of_all_pairs_of_image_and_class(num_classes: int) -> None:
    rng = np.random.default_rng(num_classes)
    labels, scores = rng.permutation(np.arange(40) % num_classes), rng.random((40, num_classes)).round(1)
    truth = labels[:, None] == np.arange(num_classes)
    assert auroc_micro(labels, scores) == pytest.approx(roc_auc_score(truth.ravel(), scores.ravel()))
    weights = rng.integers(0, 3, (2, 40))
    repeated = [auroc_micro(labels.repeat(row), scores.repeat(row, axis=0)) for row in weights]
    assert auroc_micro(labels, scores, weights=weights.astype(float)) == pytest.approx(np.array(repeated))


def test_the_micro_area_leaves_unknown_labels_out_and_asks_for_both_sides() -> None:
    assert auroc_micro([[1, 0], [np.nan, 0]], [[0.6, 0.5], [0.1, 0.7]]) == 0.5
    assert np.isnan(auroc_micro([[1, 1]], [[0.6, 0.5]]))
    assert np.isnan(auroc_micro([[np.nan, np.nan]], [[0.6, 0.5]]))
