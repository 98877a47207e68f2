import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from sightline.errors import DataError, ShapeError
from sightline.metrics.mcnemar import mcnemar

NAN = float("nan")


def rows(first_only: int, second_only: int, both: int, neither: int) -> tuple[list[int], list[int]]:
    first = [1] * first_only + [0] * second_only + [1] * both + [0] * neither
    second = [0] * first_only + [1] * second_only + [1] * both + [0] * neither
    return first, second


def test_by_hand() -> None:
    # 4 against 1 of 5: 2 (1 + 5) / 32; mid-p takes off 5 / 32
    found = mcnemar(*rows(4, 1, 7, 2))
    assert (found.first_only, found.second_only, found.n) == (4, 1, 14)
    assert found.p_exact == pytest.approx(12 / 32)
    assert found.p_mid == pytest.approx(7 / 32)


def test_mid_p_of_the_published_example() -> None:
    # Fagerland et al. 2013, airway hyper-responsiveness: 1 against 7 of 21; exact 0.070, mid-p 0.039
    found = mcnemar(*rows(1, 7, 1, 12))
    assert (round(found.p_exact, 3), round(found.p_mid, 3)) == (0.070, 0.039)


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 5))
def test_the_exact_p_agrees_with_statsmodels_and_the_binomial_test(b: int, c: int, rest: int) -> None:
    found = mcnemar(*rows(b, c, rest, rest))
    theirs = statsmodels_mcnemar([[rest, b], [c, rest]], exact=True)
    assert found.p_exact == pytest.approx(theirs.pvalue)
    if b + c:
        assert found.p_exact == pytest.approx(stats.binomtest(b, b + c).pvalue)
    assert 0 < found.p_mid <= found.p_exact <= 1


@given(st.integers(0, 9), st.integers(0, 9))
def test_images_that_both_got_right_or_wrong_and_the_order_of_the_models_do_not_matter(b: int, c: int) -> None:
    found, more, turned = mcnemar(*rows(b, c, 0, 0)), mcnemar(*rows(b, c, 9, 4)), mcnemar(*rows(c, b, 0, 0))
    assert (found.p_exact, found.p_mid) == (more.p_exact, more.p_mid) == (turned.p_exact, turned.p_mid)


def test_models_that_never_disagree_are_not_told_apart() -> None:
    for first, second in ((rows(0, 0, 3, 2)), ([], [])):
        found = mcnemar(first, second)
        assert (found.p_exact, found.p_mid) == (1, 1)
    even = mcnemar(*rows(3, 3, 0, 0))
    assert (even.p_exact, even.p_mid) == (1, 1)


def test_unknown_images_are_left_out() -> None:
    first, second = rows(4, 1, 2, 2)
    assert mcnemar([*first, NAN, 1], [*second, 1, NAN]) == mcnemar(first, second)


def test_wrong_rows_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"got \(2,\) and \(3,\)"):
        mcnemar([0, 1], [0, 1, 1])
    with pytest.raises(DataError, match="1 for right and 0 for wrong"):
        mcnemar([0, 2], [0, 1])
    assert mcnemar(np.array([True, False]), np.array([True, True])).as_dict()["second_only"] == 1
