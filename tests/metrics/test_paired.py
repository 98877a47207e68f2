from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from sightline.errors import SettingsError, ShapeError
from sightline.metrics.paired import DifferenceTest, paired_t_test, welch_t_test, wilcoxon_signed_rank

NAN = float("nan")
Test = Callable[..., DifferenceTest]
ALL = (paired_t_test, wilcoxon_signed_rank, welch_t_test)


def test_the_paired_t_test_by_hand() -> None:
    # differences 1, 2, 3: mean 2, sd 1, standard error 1 / sqrt(3)
    found = paired_t_test([2.0, 4, 6], [1.0, 2, 3])
    assert found.statistic == pytest.approx(2 * 3**0.5)
    assert found.p == pytest.approx(2 * stats.t.sf(2 * 3**0.5, 2))
    half = stats.t.ppf(0.975, 2) / 3**0.5
    assert (found.difference.value, found.difference.n) == (pytest.approx(2), 3)
    assert (found.difference.low, found.difference.high) == pytest.approx((2 - half, 2 + half))


def test_the_signed_rank_test_by_hand() -> None:
    # ranks of -1, 2, 3, 4: one negative of rank 1; of 16 signs 2 have a lesser sum of at most 1 on each side
    found = wilcoxon_signed_rank([0.0, 2, 3, 4], [1.0, 0, 0, 0])
    assert found.statistic == 1
    assert found.p == pytest.approx(4 / 16)
    assert found.difference == paired_t_test([0.0, 2, 3, 4], [1.0, 0, 0, 0]).difference


def test_welchs_test_by_hand() -> None:
    # means 2 and 6, variances 1 and 4, of 3 each: standard error sqrt(5 / 3)
    found = welch_t_test([1.0, 2, 3], [4.0, 6, 8])
    error = (5 / 3) ** 0.5
    freedom = (5 / 3) ** 2 / ((1 / 3) ** 2 / 2 + (4 / 3) ** 2 / 2)
    assert found.statistic == pytest.approx(-4 / error)
    assert found.p == pytest.approx(2 * stats.t.sf(4 / error, freedom))
    half = stats.t.ppf(0.975, freedom) * error
    assert (found.difference.low, found.difference.high) == pytest.approx((-4 - half, -4 + half))
    assert (found.difference.value, found.difference.n) == (pytest.approx(-4), 6)


@pytest.mark.parametrize("test", ALL)
def test_unknown_numbers_are_left_out_and_the_sides_can_be_swapped(test: Test) -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 12))
    whole = test(first, second, level=0.9)
    paired = test is not welch_t_test
    holed = test(
        np.append(first, [NAN, 1.0] if paired else NAN), np.append(second, [1.0, NAN] if paired else NAN), level=0.9
    )
    assert holed == whole
    swapped = test(second, first, level=0.9)
    assert swapped.p == pytest.approx(whole.p)
    assert swapped.difference.value == pytest.approx(-whole.difference.value)
    assert swapped.difference.high == pytest.approx(-whole.difference.low)
    assert (
        whole.difference.high - whole.difference.low
        < test(first, second).difference.high - test(first, second).difference.low
    )


@pytest.mark.parametrize("test", ALL)
@pytest.mark.parametrize(
    ("first", "second"), [([], []), ([1.0], [2.0]), ([0.1, 0.1], [0.1, 0.1]), ([NAN, NAN], [1.0, 2.0])]
)
def test_too_little_says_nothing(test: Test, first: list[float], second: list[float]) -> None:
    found = test(first, second)
    assert np.isnan([found.difference.low, found.difference.high]).all()
    if len(first) != 1 or test is not wilcoxon_signed_rank:  # which has one rank then
        assert np.isnan([found.statistic, found.p]).all()


def test_the_same_difference_in_every_pair_has_ranks_but_no_spread() -> None:
    first, second = [1.0, 2, 3, 4, 5], [0.5, 1.5, 2.5, 3.5, 4.5]
    assert np.isnan(paired_t_test(first, second).p)
    assert paired_t_test(first, second).difference.value == 0.5
    assert wilcoxon_signed_rank(first, second).p == pytest.approx(2 / 32)


@pytest.mark.parametrize("test", ALL)
def test_wrong_arguments_are_refused(test: Test) -> None:
    with pytest.raises(ShapeError, match=r"values must be a row \(N,\), got \(2, 2\)"):
        test(np.zeros((2, 2)), np.zeros((2, 2)))
    with pytest.raises(SettingsError, match="level must lie between 0 and 1"):
        test([1.0, 2.0], [1.0, 3.0], level=95)
    if test is not welch_t_test:
        with pytest.raises(ShapeError, match=r"one length, got \(2,\) and \(3,\)"):
            test([1.0, 2.0], [1.0, 2.0, 3.0])


def test_the_record_is_plain_for_json() -> None:
    plain = paired_t_test([2.0, 4, 6], [1.0, 2, 3]).as_dict()
    assert plain.keys() == {"statistic", "p", "difference"}
    assert plain["difference"]["method"] == "Student's t of paired differences"
