import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multicomp import pairwise_tukeyhsd
from statsmodels.stats.oneway import anova_oneway

from sightline.errors import DataError, SettingsError, ShapeError
from sightline.metrics.group_tests import one_way_anova, tukey_hsd

NAN = float("nan")
# three groups of three with means 2, 3 and 7: between 42 with 2 degrees of freedom, within 6 with 6
GROUPS = {"a": [1.0, 2.0, 3.0], "b": [2.0, 3.0, 4.0], "c": [6.0, 7.0, 8.0]}


def test_anova_by_hand() -> None:
    found = one_way_anova(GROUPS)
    assert found.statistic == pytest.approx((42 / 2) / (6 / 6))
    assert found.p == pytest.approx(stats.f.sf(21, 2, 6))
    assert (found.groups, found.n) == (3, 9)


def test_tukey_by_hand() -> None:
    pairs = tukey_hsd(GROUPS)
    assert [(pair.first, pair.second) for pair in pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    assert [pair.difference for pair in pairs] == [-1, -5, -4]
    half = stats.studentized_range.ppf(0.95, 3, 6) * math.sqrt(1 / 3)
    for pair in pairs:
        q = abs(pair.difference) / math.sqrt(1 / 3)
        assert pair.p == pytest.approx(stats.studentized_range.sf(q, 3, 6), rel=1e-6)
        assert (pair.low, pair.high) == pytest.approx((pair.difference - half, pair.difference + half))


def test_unknown_numbers_are_left_out() -> None:
    more = {name: [NAN, *values] for name, values in GROUPS.items()}
    assert one_way_anova(more) == one_way_anova(GROUPS)
    assert tukey_hsd(more) == tukey_hsd(GROUPS)


def test_what_does_not_vary_or_is_too_few_is_undefined() -> None:
    for groups in ({"a": [1.0, 1.0], "b": [2.0, 2.0]}, {"a": [], "b": [1.0, 2.0]}, {"a": [1.0], "b": [2.0]}):
        assert math.isnan(one_way_anova(groups).p)
        (pair,) = tukey_hsd(groups)
        assert np.isnan([pair.p, pair.low, pair.high]).all()


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(DataError, match="groups must be two at least, got 1"):
        one_way_anova({"a": [1.0]})
    with pytest.raises(ShapeError, match=r"group b must be a row \(N,\), got \(1, 1\)"):
        tukey_hsd({"a": [1.0], "b": [[1.0]]})
    with pytest.raises(SettingsError, match="level"):
        tukey_hsd(GROUPS, level=1.0)


def test_records_become_json() -> None:
    assert one_way_anova(GROUPS).as_dict()["groups"] == 3
    assert tukey_hsd(GROUPS)[0].as_dict()["second"] == "b"


def test_both_agree_with_statsmodels() -> None:
    rng = np.random.default_rng(0)
    groups = {name: rng.normal(mean, size=n) for name, mean, n in (("a", 0, 8), ("b", 1, 12), ("c", 0.5, 5))}
    values = np.concatenate(list(groups.values()))
    names = np.repeat(list(groups), [len(row) for row in groups.values()])
    theirs = pairwise_tukeyhsd(values, names)
    found = tukey_hsd(groups)
    assert [pair.p for pair in found] == pytest.approx(theirs.pvalues, rel=1e-4)
    assert [-pair.difference for pair in found] == pytest.approx(theirs.meandiffs)  # second less first
    np.testing.assert_allclose([(-pair.high, -pair.low) for pair in found], theirs.confint, rtol=1e-3)
    expected, anova = anova_oneway(list(groups.values()), use_var="equal"), one_way_anova(groups)
    assert (anova.statistic, anova.p) == pytest.approx((expected.statistic, expected.pvalue))
