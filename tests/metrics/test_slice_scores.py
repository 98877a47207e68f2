import hypothesis.strategies as st
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings

from sightline.errors import DataError, ShapeError
from sightline.metrics import Resampling, resample_slices, slice_score_curves

FEW = Resampling(resamples=100)
NAN = float("nan")


def test_middles_of_slices_meet_on_one_axis() -> None:
    found = resample_slices([[[0.0, 1.0]], [[2.0]], [[0.0, 1.0, 2.0, 3.0]]], 4)
    np.testing.assert_allclose(found[:, 0], [[0, 0.25, 0.75, 1], [2, 2, 2, 2], [0, 1, 2, 3]])


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 99), old=st.integers(1, 9), new=st.integers(1, 9))
def test_it_is_the_interpolation_that_brings_maps_to_another_size(seed: int, old: int, new: int) -> None:
    scores = torch.from_numpy(np.random.default_rng(seed).normal(size=(1, 2, old)))
    expected = F.interpolate(scores, size=new, mode="linear", align_corners=False)
    np.testing.assert_allclose(resample_slices([scores[0].numpy()], new), expected.numpy(), atol=1e-12)


def test_curves_by_hand() -> None:
    scores = np.arange(12.0).reshape(4, 1, 3)  # 0 1 2, 3 4 5, 6 7 8, 9 10 11
    curves = slice_score_curves(scores, [[1], [0], [1], [NAN]], ["p", "q", "r", "s"], ["nodule"], resampling=FEW)
    present, absent = curves["nodule"].present, curves["nodule"].absent
    assert present.mean.tolist() == [3, 4, 5]
    assert (present.n, present.n_patients, absent.n) == (2, 2, 1)
    assert present.low.tolist() == [0, 1, 2]  # of two patients often the same one is drawn
    assert present.high.tolist() == [6, 7, 8]
    assert absent.mean.tolist() == [3, 4, 5]
    assert np.isnan(absent.low).all()


def test_scans_of_one_patient_are_drawn_together() -> None:
    scores, labels = np.random.default_rng(0).normal(size=(20, 1, 2)), np.ones((20, 1))
    alone = slice_score_curves(scores, labels, [f"p{i}" for i in range(20)], ["a"], resampling=FEW)["a"].present
    together = slice_score_curves(scores, labels, ["p", "q"] * 10, ["a"], resampling=FEW)["a"].present
    assert together.n == alone.n == 20
    assert together.n_patients == 2
    means = scores[0::2, 0].mean(0), scores[1::2, 0].mean(0)
    np.testing.assert_allclose(together.low, np.minimum(*means))
    np.testing.assert_allclose(together.high, np.maximum(*means))


def test_a_finding_that_nobody_has_has_no_curve() -> None:
    curves = slice_score_curves(np.zeros((2, 1, 3)), [[0], [0]], ["p", "q"], ["a"], resampling=FEW)["a"]
    assert np.isnan(curves.present.mean).all()
    assert (curves.present.n, curves.absent.n) == (0, 2)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(DataError, match="no scan to resample"):
        resample_slices([], 3)
    with pytest.raises(ShapeError, match=r"scores must be \(1, S\) to become \(1, 3\), got \(2, 4\)"):
        resample_slices([np.zeros((1, 4)), np.zeros((2, 4))], 3)
    with pytest.raises(ShapeError, match=r"scores must be \(2, 1\) and S, labels \(2, 1\), got \(2, 2, 3\)"):
        slice_score_curves(np.zeros((2, 2, 3)), np.zeros((2, 1)), ["p", "q"], ["a"])
