import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from sightline.errors import DataError, ShapeError
from sightline.metrics.precision_recall import average_precision, average_precision_one_vs_rest

NAN = float("nan")


def test_by_hand() -> None:
    # positives at places 1 and 3 of 4: precision 1 and 2/3
    assert average_precision([0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4]) == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision([1, 0], [0.5, 0.5]) == 0.5  # ties together


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(2, 40))
def test_it_agrees_with_scikit_learn_with_ties_and_weights(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    labels, scores = rng.integers(0, 2, n), rng.integers(0, 8, n) / 8
    labels[0] = 1
    weights = rng.integers(0, 3, (3, n)).astype(float)
    weights[:, 0] = 1
    expected = [average_precision_score(labels, scores, sample_weight=row) for row in weights]
    assert average_precision(labels, scores, weights=weights) == pytest.approx(np.array(expected))
    found = float(average_precision(labels, scores))
    assert found == pytest.approx(average_precision_score(labels, scores))
    assert 0 < found <= 1
    assert average_precision(labels, np.exp(scores)) == pytest.approx(found)  # by order alone


def test_each_class_against_the_others_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    labels, scores = np.arange(30) % 3, rng.random((30, 3))
    expected = [average_precision_score(labels == k, scores[:, k]) for k in range(3)]
    assert average_precision_one_vs_rest(labels, scores) == pytest.approx(expected)
    several = rng.integers(0, 2, (30, 3))
    expected = average_precision_score(several, scores, average=None)
    assert average_precision_one_vs_rest(several, scores) == pytest.approx(expected)


def test_one_side_alone_and_no_image() -> None:
    assert np.isnan(average_precision([0, 0], [0.1, 0.2]))
    assert average_precision([1, 1], [0.1, 0.2]) == 1
    for nothing in ([], [NAN]):
        assert np.isnan(average_precision(nothing, [0.5] * len(nothing)))
    assert np.isnan(average_precision([1, 0], [0.2, 0.1], weights=np.array([[0.0, 1]]))).all()
    assert average_precision([1, 0, NAN], [0.2, 0.1, 0.9]) == 1
    found = average_precision_one_vs_rest([0, 0, 1], np.eye(3)[[0, 0, 1]])
    assert found == pytest.approx([1, 1, NAN], nan_ok=True)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"got \(2,\) and \(3,\)"):
        average_precision([0, 1], [0.1, 0.2, 0.3])
    with pytest.raises(DataError, match="finite"):
        average_precision([0, 1], [0.1, NAN])
    with pytest.raises(DataError, match="one class at a time"):
        average_precision([0, 2], [0.1, 0.2])
    with pytest.raises(ShapeError, match=r"scores must be \(N, K\)"):
        average_precision_one_vs_rest([0, 1], [0.1, 0.2])
