from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from sightline.errors import DataError, ShapeError
from sightline.metrics.multiplicity import benjamini_hochberg, holm

NAN = float("nan")
METHODS = [(holm, "holm"), (benjamini_hochberg, "fdr_bh")]
P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def test_by_hand() -> None:
    # sorted 0.01 0.02 0.03 0.5: times 4 3 2 1, never falling; times 4/1 4/2 4/3 4/4, never rising from behind
    assert holm([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    assert benjamini_hochberg([0.03, 0.01, 0.5, 0.02]) == pytest.approx([0.04, 0.04, 0.5, 0.04])


@pytest.mark.parametrize(("method", "name"), METHODS)
@settings(max_examples=10)  # theirs takes its time
@given(values=P_VALUES)
def test_both_agree_with_statsmodels(method: Callable[..., np.ndarray], name: str, values: list[float]) -> None:
    assert method(values) == pytest.approx(multipletests(values, method=name)[1])


@pytest.mark.parametrize(("method", "name"), METHODS)
@given(values=P_VALUES)
def test_adjusting_keeps_the_order_and_never_helps(
    method: Callable[..., np.ndarray], name: str, values: list[float]
) -> None:
    adjusted = method(values)
    assert ((adjusted >= np.array(values) - 1e-15) & (adjusted <= 1)).all(), name
    assert (np.diff(adjusted[np.argsort(values, kind="stable")]) >= -1e-15).all()
    assert (benjamini_hochberg(values) <= holm(values) + 1e-12).all()


@pytest.mark.parametrize("method", [holm, benjamini_hochberg])
def test_undefined_tests_stay_so_and_are_not_counted(method: Callable[..., np.ndarray]) -> None:
    found = method([0.01, NAN, 0.04])
    assert np.isnan(found[1])
    assert found[[0, 2]] == pytest.approx(method([0.01, 0.04]))
    assert method([]).shape == (0,)
    assert np.isnan(method([NAN])).all()


@pytest.mark.parametrize("method", [holm, benjamini_hochberg])
def test_what_is_no_row_of_p_values_is_refused(method: Callable[..., np.ndarray]) -> None:
    with pytest.raises(ShapeError, match=r"row \(M,\), got \(1, 1\)"):
        method([[0.1]])
    with pytest.raises(DataError, match="0 to 1"):
        method([0.1, 1.2])
