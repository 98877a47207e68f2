import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, recall_score, roc_curve

from sightline.errors import DataError, SettingsError
from sightline.metrics.thresholds import best_f1_threshold, threshold_at_sensitivity, youden_threshold

NAN = float("nan")
LABELS, SCORES = [1, 1, 0, 1, 0, 0], [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]
CHOOSERS = (youden_threshold, best_f1_threshold, lambda y, s: threshold_at_sensitivity(y, s, sensitivity=0.9))


def test_by_hand() -> None:
    # from above: J 1/3 2/3 1/3 2/3 1/3 0, of the two best the higher; F1 2/4 4/5 4/6 6/7 6/8 6/9
    assert youden_threshold(LABELS, SCORES) == 0.8
    assert best_f1_threshold(LABELS, SCORES) == 0.6
    assert threshold_at_sensitivity(LABELS, SCORES, sensitivity=0.5) == 0.8
    assert threshold_at_sensitivity(LABELS, SCORES, sensitivity=0.7) == 0.6


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(2, 30), st.floats(0.01, 1))
def test_none_of_the_scores_does_better(seed: int, n: int, sensitivity: float) -> None:
    rng = np.random.default_rng(seed)
    labels, scores = rng.integers(0, 2, n), rng.integers(0, 9, n) / 8
    labels[:2] = 0, 1
    false, found, thresholds = roc_curve(labels, scores, drop_intermediate=False)
    best = thresholds[1:][np.isclose((found - false)[1:], (found - false)[1:].max())]
    assert youden_threshold(labels, scores) == best.max()
    f1s = {score: f1_score(labels, scores >= score) for score in set(scores)}
    assert best_f1_threshold(labels, scores) == max(s for s, f in f1s.items() if f >= max(f1s.values()) - 1e-12)
    enough = [score for score in set(scores) if recall_score(labels, scores >= score) >= sensitivity - 1e-9]
    assert threshold_at_sensitivity(labels, scores, sensitivity=sensitivity) == max(enough)


@pytest.mark.parametrize("choose", CHOOSERS)
def test_monotone_scores_choose_the_same_image_and_the_unknown_do_not_count(choose: Callable[..., float]) -> None:
    assert choose(LABELS, np.exp(SCORES)) == pytest.approx(np.exp(choose(LABELS, SCORES)))
    assert choose([*LABELS, NAN], [*SCORES, 0.95]) == choose(LABELS, SCORES)
    assert choose([0, 1], [0.5, 0.5]) == 0.5


def test_without_positive_images_there_is_no_threshold() -> None:
    for choose in CHOOSERS:
        for labels in ([0, 0], [NAN, NAN], []):
            assert math.isnan(choose(labels, [0.1, 0.2][: len(labels)]))
    assert math.isnan(youden_threshold([1, 1], [0.1, 0.2]))
    assert best_f1_threshold([1, 1], [0.1, 0.2]) == 0.1


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(SettingsError, match="over 0 to 1, got 0"):
        threshold_at_sensitivity(LABELS, SCORES, sensitivity=0)
    with pytest.raises(DataError, match="0, 1 or NaN"):
        youden_threshold([0, 2], [0.1, 0.2])
