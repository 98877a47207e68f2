import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from sightline.errors import DataError, ShapeError
from sightline.metrics.classification import (
    accuracy,
    balanced_accuracy,
    confusion_matrix,
    f1,
    f1_of_averages,
    label_tables,
    macro_f1,
    precision,
    recall,
    specificity,
)

# rows true A, B, C: worked by hand below
TABLE = np.array([[6.0, 2.0, 0.0], [1.0, 3.0, 0.0], [3.0, 0.0, 5.0]])


def test_scores_of_a_small_table_equal_those_on_paper() -> None:
    assert accuracy(TABLE) == pytest.approx(14 / 20)
    assert recall(TABLE) == pytest.approx([6 / 8, 3 / 4, 5 / 8])
    assert precision(TABLE) == pytest.approx([6 / 10, 3 / 5, 1.0])
    assert specificity(TABLE) == pytest.approx([8 / 12, 14 / 16, 1.0])
    assert f1(TABLE) == pytest.approx([12 / 18, 6 / 9, 10 / 13])
    assert macro_f1(TABLE) == pytest.approx((2 / 3 + 2 / 3 + 10 / 13) / 3)
    assert balanced_accuracy(TABLE) == pytest.approx((0.75 + 0.75 + 0.625) / 3)


@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.integers(1, 40))
def test_scores_agree_with_scikit_learn_also_where_classes_are_missing(seed: int, num_classes: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    labels, predicted = rng.integers(0, num_classes, (2, n))
    weights = rng.integers(0, 3, n).astype(float)
    weights[0] = 1.0
    used = weights > 0  # scikit-learn counts a class of weight 0 as present
    table = confusion_matrix(labels, predicted, num_classes, weights=weights)
    truth, decision, sample_weight = labels[used], predicted[used], weights[used]
    options = {"sample_weight": sample_weight}
    assert table == pytest.approx(sk.confusion_matrix(truth, decision, labels=range(num_classes), **options))
    assert accuracy(table) == pytest.approx(sk.accuracy_score(truth, decision, **options))
    assert macro_f1(table) == pytest.approx(sk.f1_score(truth, decision, average="macro", zero_division=0, **options))
    present = [k for k in range(num_classes) if k in truth]
    recalls = sk.recall_score(truth, decision, labels=present, average=None, **options)
    assert balanced_accuracy(table) == pytest.approx(recalls.mean())


@given(st.integers(0, 2**32 - 1), st.integers(1, 30))
def test_rows_of_weights_equal_repeated_images(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    labels, predicted = rng.integers(0, 3, (2, n))
    weights = rng.integers(0, 4, (5, n))
    tables = confusion_matrix(labels, predicted, 3, weights=weights.astype(float))
    for row, table in zip(weights, tables, strict=True):
        assert (table == confusion_matrix(labels.repeat(row), predicted.repeat(row), 3)).all()


def test_a_class_that_nobody_has_and_nobody_is_taken_for_is_undefined_and_left_out() -> None:
    table = confusion_matrix([0, 0, 1], [0, 1, 1], 3)
    assert np.isnan(f1(table)[2])
    assert np.isnan(recall(table)[2])
    assert macro_f1(table) == pytest.approx(2 / 3)
    assert balanced_accuracy(table) == pytest.approx(3 / 4)
    assert np.isnan(macro_f1(np.zeros((3, 3))))


def test_unknown_labels_are_left_out_of_their_table_only() -> None:
    labels = np.array([[1, 0], [np.nan, 1], [0, np.nan], [1, 1]])
    predicted = np.array([[1, 1], [1, 1], [1, 0], [0, 0]])
    expected = [[[0, 1], [1, 1]], [[0, 1], [1, 1]]]
    assert (label_tables(labels, predicted) == expected).all()
    doubled = label_tables(labels, predicted, weights=np.array([[1.0, 1, 1, 1], [0, 5, 0, 2]]))
    assert (doubled[0] == expected).all()
    assert (doubled[1] == [[[0, 0], [2, 0]], [[0, 0], [2, 5]]]).all()


def test_multi_label_f1_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    labels, predicted = rng.integers(0, 2, (2, 50, 4))
    ours = f1(label_tables(labels, predicted))[:, 1]
    assert ours == pytest.approx(sk.f1_score(labels, predicted, average=None))


def test_classes_out_of_range_and_lengths_that_differ_are_refused() -> None:
    with pytest.raises(DataError, match="labels must lie in 0 to 1, got 0 to 2"):
        confusion_matrix([0, 2], [0, 1], 2)
    with pytest.raises(DataError, match="predicted must lie in 0 to 1, got -1 to 1"):
        confusion_matrix([0, 1], [-1, 1], 2)
    with pytest.raises(ShapeError, match=r"got \(2,\) and \(3,\)"):
        confusion_matrix([0, 1], [0, 1, 1], 2)
    with pytest.raises(ShapeError, match="weights must end in the number of images, 2"):
        confusion_matrix([0, 1], [0, 1], 2, weights=np.ones((4, 3)))
    with pytest.raises(DataError, match="decide by a threshold"):
        label_tables([[0.0, 1.0]], [[0.2, 0.7]])


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(2, 4), st.integers(1, 30))
def test_scores_of_each_class_agree_with_scikit_learn_where_they_are_defined(seed: int, k: int, n: int) -> None:
    labels, predicted = np.random.default_rng(seed).integers(0, k, (2, n))
    table = confusion_matrix(labels, predicted, k)
    options = {"labels": range(k), "average": None, "zero_division": np.nan}
    assert precision(table) == pytest.approx(sk.precision_score(labels, predicted, **options), nan_ok=True)
    assert recall(table) == pytest.approx(sk.recall_score(labels, predicted, **options), nan_ok=True)
    assert f1(table) == pytest.approx(sk.f1_score(labels, predicted, **options), nan_ok=True)
    others = [
        sk.recall_score(labels != of, predicted != of, zero_division=np.nan) if (labels != of).any() else np.nan
        for of in range(k)
    ]
    assert specificity(table) == pytest.approx(others, nan_ok=True)
    for scores in (precision(table), recall(table), specificity(table), f1(table), [accuracy(table)]):
        known = np.asarray(scores)[~np.isnan(scores)]
        assert ((known >= 0) & (known <= 1)).all()


def test_the_f1_of_averages_is_another_number_and_never_below_the_mean() -> None:
    # means of precision 2.2 / 3 and of recall 2.125 / 3
    assert f1_of_averages(TABLE) == pytest.approx(2 * (2.2 / 3) * (2.125 / 3) / (4.325 / 3))
    rng = np.random.default_rng(0)
    tables = rng.integers(1, 40, (200, 3, 3)).astype(float)
    assert (f1_of_averages(tables) >= macro_f1(tables) - 1e-12).all()
    assert np.isnan(f1_of_averages(np.zeros((2, 2))))


def test_scores_do_not_depend_on_the_order_of_the_classes() -> None:
    order = [2, 0, 1]
    turned = TABLE[np.ix_(order, order)]
    assert f1(turned) == pytest.approx(f1(TABLE)[order])
    for score in (accuracy, macro_f1, balanced_accuracy, f1_of_averages):
        assert score(turned) == pytest.approx(float(score(TABLE)))


def test_no_image_has_an_empty_table_and_no_score() -> None:
    table = confusion_matrix([], [], 2)
    assert (table == 0).all()
    for score in (accuracy, balanced_accuracy, macro_f1, precision, recall, specificity, f1):
        assert np.isnan(score(table)).all()
