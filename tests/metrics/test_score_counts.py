import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.errors import DataError
from sightline.metrics.score_counts import counts_from


def test_by_hand() -> None:
    thresholds, positive, negative = counts_from([1, 0, 1, 0, np.nan], [0.9, 0.5, 0.5, 0.1, 0.7])
    assert thresholds.tolist() == [0.9, 0.5, 0.1]
    assert positive.tolist() == [1, 2, 2]
    assert negative.tolist() == [0, 1, 2]


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(0, 20))
def test_they_are_counts_at_each_threshold(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    labels, scores, weights = rng.integers(0, 2, n), rng.integers(0, 5, n) / 4, rng.integers(0, 3, (2, n)).astype(float)
    thresholds, positive, negative = counts_from(labels, scores, weights=weights)
    assert thresholds.tolist() == sorted(set(scores), reverse=True)
    for place, threshold in enumerate(thresholds):
        above = scores >= threshold
        assert positive[:, place] == pytest.approx(weights[:, above & (labels == 1)].sum(1))
        assert negative[:, place] == pytest.approx(weights[:, above & (labels == 0)].sum(1))


def test_labels_of_several_classes_are_refused() -> None:
    with pytest.raises(DataError, match="labels must be 0, 1 or NaN"):
        counts_from([0, 1, 2], [0.1, 0.2, 0.3])
