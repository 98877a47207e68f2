import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from sightline.errors import DataError, SettingsError, ShapeError
from sightline.metrics.implicit_class import choose_implicit_threshold, with_implicit_class

SCORES = [[0.9, 0.2], [0.3, 0.6], [0.2, 0.1], [0.45, 0.4]]


def test_the_implicit_score_is_greatest_where_all_are_below_the_threshold() -> None:
    extended = with_implicit_class(SCORES, 0.5)
    assert extended[:, 2] == pytest.approx([0.1, 0.4, 0.8, 0.55])
    assert extended.argmax(1).tolist() == [0, 1, 2, 2]


def test_by_hand() -> None:
    # all right for thresholds over 0.45 and up to 0.6
    threshold, score = choose_implicit_threshold([0, 1, 2, 2], SCORES, step=0.01)
    assert (threshold, score) == (pytest.approx(0.46), 1)
    assert choose_implicit_threshold([0, 1, 2, 0], SCORES, step=0.01)[0] == pytest.approx(0.21)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_no_threshold_of_the_grid_does_better(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels, scores = rng.integers(0, 3, 12), rng.random((12, 2))
    threshold, found = choose_implicit_threshold(labels, scores, step=0.05)
    theirs = [
        f1_score(labels, with_implicit_class(scores, t).argmax(1), average="macro", zero_division=0)
        for t in np.arange(0, 1.01, 0.05)
    ]
    assert found == pytest.approx(max(theirs))
    assert threshold == pytest.approx(0.05 * int(np.argmax(np.array(theirs) >= max(theirs) - 1e-9)))


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"scores must be \(N, K\)"):
        with_implicit_class([0.1, 0.2], 0.5)
    with pytest.raises(DataError, match="got none"):
        choose_implicit_threshold([], np.empty((0, 2)))
    with pytest.raises(DataError, match="sigmoid of logits"):
        choose_implicit_threshold([0], [[1.5, 0.2]])
    with pytest.raises(DataError, match="labels must lie in 0 to 2, got 3"):
        choose_implicit_threshold([3], [[0.5, 0.2]])
    with pytest.raises(SettingsError, match="step"):
        choose_implicit_threshold([0], [[0.5, 0.2]], step=0)
