from importlib import import_module

import hypothesis.strategies as st
import numpy as np
import pytest
import torch
from hypothesis import given

from sightline.errors import DataError, SettingsError, ShapeError
from sightline.metrics import (
    ORGAN_IOU_THRESHOLDS,
    Resampling,
    choose_thresholds,
    counts_above,
    normalised_attention,
    organ_iou,
    organ_iou_scores,
)

FEW = Resampling(resamples=200)
NAN = float("nan")
ORGAN = [[1, 1], [0, 0]]


def one(attention: object, allowed: object = ORGAN, threshold: float = 0.5, *, as_code: bool = False) -> float:
    values = organ_iou([attention], [allowed], [threshold], zero_if_either_is_zero=as_code)
    return float(values[0, 0])


def plainly(attention: np.ndarray, allowed: np.ndarray, threshold: float) -> float:
    """The definition, place by place."""
    left = [bool(here) for value, here in zip(attention.ravel(), allowed.ravel(), strict=True) if value > threshold]
    return sum(left) / len(left) if left else NAN


def test_the_thresholds_are_the_53_of_the_paper() -> None:
    assert len(ORGAN_IOU_THRESHOLDS) == 53
    assert ORGAN_IOU_THRESHOLDS[:6] == (0.004, 0.008, 0.012, 0.016, 0.02, 0.04)
    assert ORGAN_IOU_THRESHOLDS[-1] == 0.98


def test_attention_is_rectified_and_stretched_in_each_volume() -> None:
    maps = [[[-5.0, 1.0], [2.0, 3.0]], [[4.0, 2.0], [3.0, 6.0]], [[7.0, 7.0], [7.0, 7.0]], [[-1.0, -2.0], [-3.0, 0.0]]]
    expected = [[[0, 1 / 3], [2 / 3, 1]], [[0.5, 0], [0.25, 1]], [[0, 0], [0, 0]], [[0, 0], [0, 0]]]
    np.testing.assert_allclose(normalised_attention(maps), expected)
    single = normalised_attention(np.asarray(maps, np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, rtol=1e-6)


def test_values_by_hand() -> None:
    assert one([[0.9, 0.2], [0.6, 0.1]]) == 1 / 2
    assert one([[0.9, 0.2], [0.6, 0.1]], threshold=0.15) == 2 / 3
    assert one([[0.9, 0.2], [0.6, 0.6]]) == 1 / 3
    assert one([[0.5, 0.2], [0.6, 0.6]]) == 0  # 0.5 is not above 0.5
    assert one([[0.9, 0.8], [0.7, 0.1]], [[0.5, 0], [0.25, 1]]) == 0.75 / 3  # shares of organs count by share


@pytest.mark.parametrize(
    ("attention", "paper", "code"),
    [
        ([[1.0, 0.7], [0.0, 0.0]], 1.0, 0.0),  # all of it allowed
        ([[0.0, 0.0], [1.0, 0.7]], 0.0, 0.0),  # all of it forbidden
        ([[0.0, 0.0], [0.0, 0.0]], NAN, 0.0),  # nothing left
        ([[0.0, 0.9], [1.0, 0.7]], 1 / 3, 1 / 3),
    ],
)
def test_limiting_cases_of_the_paper_and_of_its_code(attention: list[list[float]], paper: float, code: float) -> None:
    assert one(attention) == pytest.approx(paper, nan_ok=True)
    assert one(attention, as_code=True) == pytest.approx(code)


def test_an_unknown_region_has_no_value_in_either() -> None:
    for as_code in (False, True):
        for top in (1.0, 0.1):  # above the threshold and below
            assert np.isnan(one([[top, 0.0], [0.0, 0.0]], [[NAN, NAN], [NAN, NAN]], as_code=as_code))


@given(seed=st.integers(0, 999), scans=st.integers(1, 4), side=st.integers(1, 4))
def test_all_thresholds_at_once_are_the_definition(seed: int, scans: int, side: int) -> None:
    generator = np.random.default_rng(seed)
    maps = generator.normal(size=(scans, side, 3, 2)).round(2)
    attention, allowed = normalised_attention(maps), generator.random(maps.shape) < 0.4
    values = organ_iou(attention, allowed)
    for row in range(scans):
        expected = [plainly(attention[row], allowed[row], cut) for cut in ORGAN_IOU_THRESHOLDS]
        np.testing.assert_allclose(values[row], expected, rtol=1e-12)
    inside, outside = counts_above(attention, allowed)
    other_in, other_out = counts_above(attention, ~allowed)
    np.testing.assert_array_equal(inside, other_out)
    np.testing.assert_array_equal(outside, other_in)


@given(seed=st.integers(0, 999), scale=st.floats(1e-3, 1e3))
def test_the_scale_of_attention_and_of_single_precision_does_not_matter(seed: int, scale: float) -> None:
    generator = np.random.default_rng(seed)
    maps = generator.integers(-8, 9, (3, 3, 4)).astype(np.float64)  # thresholds lie between the steps of such maps
    allowed = generator.random(maps.shape) < 0.5
    expected = organ_iou(normalised_attention(maps), allowed, [0.3, 0.7])
    scaled = organ_iou(normalised_attention((maps * scale).astype(np.float32)), allowed, [0.3, 0.7])
    np.testing.assert_array_equal(scaled, expected)


@given(seed=st.integers(0, 999))
def test_a_map_that_is_not_the_same_everywhere_has_a_value_at_every_threshold(seed: int) -> None:
    maps = np.random.default_rng(seed).normal(size=(4, 5))
    maps[0] = 2.0
    values = organ_iou(normalised_attention(maps), np.ones(maps.shape))
    assert np.isnan(values[0]).all()
    varies = (np.maximum(maps, 0) != np.maximum(maps, 0)[:, :1]).any(1)
    assert (np.isnan(values).any(1) == ~varies).all()
    assert (values[varies] == 1).all()


def test_volumes_are_counted_block_by_block_as_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(0)
    attention, allowed = generator.random((7, 3, 4)), generator.random((7, 3, 4)) < 0.5
    expected = organ_iou(attention, allowed)
    monkeypatch.setattr(import_module("sightline.metrics.organ_iou"), "_BLOCK", 30)  # two maps a block
    np.testing.assert_array_equal(organ_iou(attention, allowed), expected)
    tensors = organ_iou(torch.from_numpy(attention), torch.from_numpy(allowed))
    np.testing.assert_array_equal(tensors, expected)


def test_each_label_has_the_threshold_of_its_best_mean_the_first_of_equals() -> None:
    values = [[0.2, 0.9, 0.4], [0.8, NAN, 0.4], [0.3, 0.3, 0.1], [NAN, NAN, NAN]]
    chosen = choose_thresholds(values, [0, 0, 1, 3], 4)
    assert chosen.tolist() == [1, 0, -1, -1]  # 0.5, 0.9, 0.4; equal 0.3; no pair; no number


def test_scores_by_hand() -> None:
    values, labels = [1.0, 0.5, 0.0, NAN, 0.25], [0, 0, 1, 1, 2]
    groups = {"lung": ["a", "b"], "heart": ["c"], "both": ["a", "c"]}
    found = organ_iou_scores(values, labels, ["p", "q", "q", "r", "r"], "abcd", groups=groups, resampling=FEW)
    overall = found.overall
    assert overall.mean.value == pytest.approx(0.4375)
    assert (overall.mean.n, overall.mean.n_patients, overall.empty) == (4, 3, 1)
    assert overall.sd == pytest.approx(np.std([1, 0.5, 0, 0.25], ddof=1))
    assert overall.median == pytest.approx(0.375)
    assert overall.mean.low < overall.mean.value < overall.mean.high
    assert [found.per_label[name].mean.value for name in "abc"] == [0.75, 0.0, 0.25]
    assert np.isnan(found.per_label["c"].mean.low)  # of one patient
    assert np.isnan([found.per_label["d"].mean.value, found.per_label["d"].median, found.per_label["c"].sd]).all()
    assert [found.per_group[name].mean.value for name in groups] == pytest.approx([0.5, 0.25, 1.75 / 3])
    assert [found.per_group[name].empty for name in groups] == [1, 0, 0]
    told = found.as_dict()
    assert told["overall"]["value"] == pytest.approx(0.4375)
    assert told["per_group"]["lung"]["empty"] == 1


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"one shape \(N, \*S\), got \(1, 2, 2\) and \(1, 4\)"):
        organ_iou([ORGAN], [[1, 1, 0, 0]])
    with pytest.raises(ShapeError, match=r"attention must be maps \(N, \*S\), got \(2,\)"):
        normalised_attention([1.0, 2.0])
    with pytest.raises(DataError, match="attention holds NaN or infinity"):
        organ_iou([[[NAN, 1], [1, 1]]], [ORGAN])
    with pytest.raises(SettingsError, match=r"thresholds must be numbers that rise, got \[0.5, 0.5\]"):
        organ_iou([ORGAN], [ORGAN], [0.5, 0.5])
    with pytest.raises(ShapeError, match=r"values must be \(N, T\) and labels \(N,\), got \(2,\) and \(2,\)"):
        choose_thresholds([0.1, 0.2], [0, 1], 2)
    with pytest.raises(ShapeError, match=r"must be \(N,\), got \(2,\), \(2,\), 1"):
        organ_iou_scores([0.1, 0.2], [0, 1], ["p"], "ab")
    with pytest.raises(DataError, match="group lung has the label x, which is not one of a, b"):
        organ_iou_scores([0.1], [0], ["p"], "ab", groups={"lung": ["a", "x"]})
    with pytest.raises(DataError, match="no case to resample"):
        organ_iou_scores([], [], [], "ab")
