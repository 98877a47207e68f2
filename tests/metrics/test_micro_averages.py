import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from sightline.metrics.classification import accuracy, confusion_matrix, label_tables
from sightline.metrics.micro_averages import (
    micro_f1,
    micro_precision,
    micro_recall,
    micro_specificity,
    one_vs_rest_tables,
    pooled_table,
)

SEEDS = st.integers(0, 2**32 - 1)


def test_by_hand() -> None:
    # [[TN, FP], [FN, TP]] of a frequent and of a rare label
    tables = np.array([[[50.0, 10], [8, 32]], [[95, 1], [3, 1]]])
    assert pooled_table(tables).tolist() == [[145, 11], [11, 33]]
    assert micro_precision(tables) == micro_recall(tables) == micro_f1(tables) == 33 / 44
    assert micro_specificity(tables) == 145 / 156


@settings(max_examples=30)
@given(SEEDS, st.integers(1, 30))
def test_micro_averages_agree_with_scikit_learn(seed: int, n: int) -> None:
    labels, predicted = np.random.default_rng(seed).integers(0, 2, (2, n, 3))
    tables = label_tables(labels, predicted)
    for ours, theirs in (
        (micro_precision, sk.precision_score),
        (micro_recall, sk.recall_score),
        (micro_f1, sk.f1_score),
    ):
        expected = theirs(labels, predicted, average="micro", zero_division=np.nan)
        assert ours(tables) == pytest.approx(expected, nan_ok=True)


@settings(max_examples=30)
@given(SEEDS, st.integers(2, 5))
def test_with_one_class_an_image_all_of_them_are_the_accuracy(seed: int, num_classes: int) -> None:
    labels, predicted = np.random.default_rng(seed).integers(0, num_classes, (2, 25))
    table = confusion_matrix(labels, predicted, num_classes)
    tables = one_vs_rest_tables(table)
    assert tables == pytest.approx(sk.multilabel_confusion_matrix(labels, predicted, labels=range(num_classes)))
    for score in (micro_precision, micro_recall, micro_f1):
        assert score(tables) == pytest.approx(float(accuracy(table)))


def test_leading_axes_are_kept_and_nothing_to_divide_by_is_nan() -> None:
    drawn = confusion_matrix([0, 1, 2], [0, 1, 1], 3, weights=np.array([[1.0, 1, 1], [2, 0, 1], [0, 0, 0]]))
    assert one_vs_rest_tables(drawn).shape == (3, 3, 2, 2)
    assert micro_f1(one_vs_rest_tables(drawn)).tolist() == pytest.approx([2 / 3, 2 / 3, np.nan], nan_ok=True)
    negative = np.array([[[5.0, 0], [0, 0]]])
    assert np.isnan([micro_precision(negative), micro_recall(negative), micro_f1(negative)]).all()
    assert micro_specificity(negative) == 1
