import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.nonparametric import rank_compare_2indep

from sightline.errors import DataError, SettingsError, ShapeError
from sightline.metrics.delong import delong_interval, delong_test
from sightline.metrics.ranking import auroc
from sightline.metrics.resampling import Resampling, bootstrap

NAN = float("nan")
Z = 1.959963984540054
SEEDS = st.integers(0, 2**32 - 1)


def scored(seed: int, *, sick: int = 30, well: int = 40, levels: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.r_[np.ones(sick), np.zeros(well)])
    scores = rng.normal(size=sick + well) + labels
    return labels, np.round(scores * levels) / levels if levels else scores


def test_the_variance_by_hand() -> None:
    # positives 3, 2; negatives 2, 1, 0: shares beaten 1 and 5/6, area 11/12; shares lost 3/4, 1, 1
    interval = delong_interval([1, 1, 0, 0, 0], [3, 2, 2, 1, 0], scale="area")
    variance = np.var([1, 5 / 6], ddof=1) / 2 + np.var([3 / 4, 1, 1], ddof=1) / 3
    assert interval.value == pytest.approx(11 / 12)
    assert interval.low == pytest.approx(11 / 12 - Z * variance**0.5)
    assert interval.high == 1  # cut off
    odds = np.log(11) - Z * variance**0.5 * 144 / 11
    assert delong_interval([1, 1, 0, 0, 0], [3, 2, 2, 1, 0]).low == pytest.approx(1 / (1 + np.exp(-odds)))


def test_the_covariance_of_two_scores_by_hand() -> None:
    # the second score: positives 1, 4; negatives 2, 0, 3: shares beaten 1/3 and 1, area 2/3; shares lost 1/2, 1, 1/2
    found = delong_test([1, 1, 0, 0, 0], [3, 2, 2, 1, 0], [1, 4, 2, 0, 3])
    up, down = np.array([1 - 1 / 3, 5 / 6 - 1]), np.array([3 / 4 - 1 / 2, 1 - 1, 1 - 1 / 2])
    error = (up.var(ddof=1) / 2 + down.var(ddof=1) / 3) ** 0.5
    assert found.difference.value == pytest.approx(11 / 12 - 2 / 3)
    assert found.statistic == pytest.approx((11 / 12 - 2 / 3) / error)
    assert found.p == pytest.approx(2 * stats.norm.sf((11 / 12 - 2 / 3) / error))
    assert found.difference.low == pytest.approx(1 / 4 - Z * error)


@given(SEEDS, st.sampled_from([0, 2, 5]))
def test_area_and_limits_agree_with_statsmodels(seed: int, levels: int) -> None:
    labels, scores = scored(seed, levels=levels)
    theirs = rank_compare_2indep(scores[labels == 1], scores[labels == 0], use_t=False)
    ours = delong_interval(labels, scores, scale="area", level=0.9)
    assert ours.value == pytest.approx(theirs.prob1)
    if 0 < ours.value < 1:
        assert (ours.low, ours.high) == pytest.approx(np.clip(theirs.conf_int(alpha=0.1), 0, 1))


@given(SEEDS)
def test_limits_hold_the_area_and_mirror_with_the_scores(seed: int) -> None:
    labels, scores = scored(seed, sick=6, well=5, levels=3)
    for scale in ("area", "logit"):
        found = delong_interval(labels, scores, scale=scale)  # type: ignore[arg-type]
        mirrored = delong_interval(labels, -scores, scale=scale)  # type: ignore[arg-type]
        assert 0 <= found.low <= found.value <= found.high <= 1
        assert found.value == pytest.approx(float(auroc(labels, scores)))
        assert (mirrored.low, mirrored.high) == pytest.approx((1 - found.high, 1 - found.low))
        monotone = delong_interval(labels, np.exp(scores), scale=scale)  # type: ignore[arg-type]
        assert (monotone.low, monotone.high) == pytest.approx((found.low, found.high))


@given(SEEDS)
def test_the_test_is_that_of_one_minus_the_other(seed: int) -> None:
    labels, first = scored(seed)
    second = first + np.random.default_rng(seed + 1).normal(size=len(first))
    found, turned = delong_test(labels, first, second), delong_test(labels, second, first)
    assert found.p == pytest.approx(turned.p)
    assert found.difference.value == pytest.approx(-turned.difference.value)
    assert found.difference.low == pytest.approx(-turned.difference.high)
    assert found.difference.value == pytest.approx(float(auroc(labels, first) - auroc(labels, second)))
    # what is rejected at 5 % has an interval without 0
    assert (found.p < 0.05) == (found.difference.low * found.difference.high > 0)


def test_patients_with_one_image_each_change_nothing() -> None:
    labels, scores = scored(3)
    alone, named = delong_interval(labels, scores), delong_interval(labels, scores, patients=list(map(str, range(70))))
    assert (named.low, named.high) == pytest.approx((alone.low, alone.high))
    assert (alone.n_patients, named.n_patients) == (None, 70)


def test_copies_of_each_image_do_not_narrow_the_interval_of_patients() -> None:
    labels, scores = scored(4)
    owner = list(map(str, range(70)))
    once = delong_interval(labels, scores, patients=owner)
    often = delong_interval(np.tile(labels, 3), np.tile(scores, 3), patients=owner * 3)
    assert (often.low, often.high) == pytest.approx((once.low, once.high))
    assert delong_interval(np.tile(labels, 3), np.tile(scores, 3)).low > once.low
    assert (often.n, often.n_patients) == (210, 70)


def test_the_error_of_patients_with_mixed_images_agrees_with_their_bootstrap() -> None:
    rng = np.random.default_rng(5)
    owner = np.repeat(np.arange(120), rng.integers(1, 6, 120))
    labels = (rng.random(len(owner)) < rng.beta(1, 2, 120)[owner]).astype(float)
    scores = labels + rng.normal(size=120)[owner] + 0.5 * rng.normal(size=len(owner))
    patients: Sequence[str] = [f"p{index}" for index in owner]
    drawn = bootstrap(
        lambda weights: {"area": auroc(labels, scores, weights=weights)}, patients, resampling=Resampling(4000)
    )["area"]
    found = delong_interval(labels, scores, patients=patients, scale="area")
    assert found.high - found.low == pytest.approx(drawn.high - drawn.low, rel=0.06)


@pytest.mark.parametrize(("sign", "area"), [(1, 1.0), (-1, 0.0)])
def test_a_perfect_area_has_the_limits_of_the_score_interval(sign: int, area: float) -> None:
    labels, scores = np.r_[np.ones(12), np.zeros(20)], sign * np.r_[np.ones(12), np.zeros(20)]
    found = delong_interval(labels, scores)
    assert (found.value, found.method) == (area, "Newcombe score")
    far = found.low if area else 1 - found.high
    # the area whose own Hanley-McNeil error, with the mean of both sizes, leaves 1 as far away as z
    spread = far * (1 - far) / (12 * 20) * (1 + (16 - 1) * ((1 - far) / (2 - far) + far / (1 + far)))
    assert (1 - far) / spread**0.5 == pytest.approx(Z, rel=1e-4)
    assert {found.low, found.high} & {area}
    larger = delong_interval(np.tile(labels, 4), np.tile(scores, 4))
    assert larger.high - larger.low < found.high - found.low


def test_one_positive_image_has_the_limits_of_the_score_interval() -> None:
    found = delong_interval([1, 0, 0, 0], [0.6, 0.1, 0.9, 0.2])
    assert (found.value, found.method) == (pytest.approx(2 / 3), "Newcombe score")
    assert 0 < found.low < 2 / 3 < found.high < 1
    single = delong_interval([1, 1, 1, 0, 0], [0.6, 0.7, 0.8, 0.1, 0.7], patients=["a", "a", "a", "b", "c"])
    assert single.method == "Newcombe score"


def test_without_both_sides_nothing_is_said() -> None:
    for labels in ([1, 1], [0, 0], [NAN, NAN], []):
        found = delong_interval(labels, [0.1, 0.2][: len(labels)])
        assert math.isnan(found.value)
        assert math.isnan(found.low)
        assert math.isnan(delong_test(labels, [0.1, 0.2][: len(labels)], [0.1, 0.2][: len(labels)]).p)


def test_scores_of_one_order_cannot_be_told_apart() -> None:
    labels, scores = scored(6)
    found = delong_test(labels, scores, 3 * scores + 1)
    assert found.difference.value == 0
    assert math.isnan(found.p)
    assert math.isnan(found.difference.low)
    perfect = delong_test(labels, labels, 2 * labels)
    assert (perfect.difference.value, math.isnan(perfect.p)) == (0, True)
    assert delong_test(labels, labels, scores).p < 0.05  # one perfect, one not


def test_unknown_labels_are_left_out() -> None:
    labels, scores = scored(7)
    holed = delong_interval(np.append(labels, NAN), np.append(scores, NAN))
    assert holed == delong_interval(labels, scores)


@settings(max_examples=20)
@given(SEEDS)
def test_a_higher_level_is_wider(seed: int) -> None:
    labels, scores = scored(seed)
    narrow, wide = (delong_interval(labels, scores, level=level) for level in (0.8, 0.99))
    assert wide.low <= narrow.low <= narrow.high <= wide.high


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"scores must be \(2,\) as the labels, got \(3,\)"):
        delong_interval([0, 1], [0.1, 0.2, 0.3])
    with pytest.raises(ShapeError, match=r"labels must be \(N,\), got \(2,\) and patients as many, got 1"):
        delong_interval([0, 1], [0.1, 0.2], patients=["a"])
    with pytest.raises(DataError, match="0, 1 or NaN"):
        delong_interval([0, 2], [0.1, 0.2])
    with pytest.raises(DataError, match="finite"):
        delong_test([0, 1], [0.1, 0.2], [0.1, NAN])
    with pytest.raises(SettingsError, match="scale must be one of area, logit, got 'probit'"):
        delong_interval([0, 1], [0.1, 0.2], scale="probit")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="level"):
        delong_interval([0, 1], [0.1, 0.2], level=95)
