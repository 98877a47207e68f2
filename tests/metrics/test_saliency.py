import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from sightline.errors import DataError, SettingsError, ShapeError
from sightline.guidance import saliency_loss
from sightline.metrics.saliency import (
    histogram_similarity,
    saliency_correlation,
    saliency_divergence,
    saliency_divergence_reversed,
    value_histogram_intersection,
)

NAN, INF = float("nan"), float("inf")
ALL = (
    saliency_divergence,
    saliency_divergence_reversed,
    saliency_correlation,
    histogram_similarity,
    value_histogram_intersection,
)
SEEDS = st.integers(0, 2**32 - 1)


def pair(seed: int, n: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.random((n, 4, 5)) + 1e-3, rng.random((n, 4, 5)) * (rng.random((n, 4, 5)) < 0.7) + 1e-3


def test_by_hand_on_four_pixels() -> None:
    predicted, gaze = [[2.0, 1, 1, 0]], [[1.0, 1, 0, 0]]  # p = 1/2 1/4 1/4 0, q = 1/2 1/2 0 0
    assert saliency_divergence(predicted, gaze).item() == pytest.approx(0.5 * np.log(2))
    assert saliency_divergence(gaze, predicted).item() == INF
    expected = 0.25 * np.log(0.5) + 0.25 * np.log(0.25 / 1e-7)
    assert saliency_divergence_reversed(predicted, gaze).item() == pytest.approx(expected)
    assert saliency_divergence_reversed(predicted, gaze, eps=0).item() == INF
    assert saliency_correlation(predicted, gaze).item() == pytest.approx(0.125 / (0.125 * 0.25) ** 0.5)
    assert histogram_similarity(predicted, gaze).item() == pytest.approx(0.75)
    # two bins: values 1 1/2 1/2 0 are three in the upper and one in the lower, 1 1 0 0 are two in each
    assert value_histogram_intersection(predicted, gaze, bins=2).item() == pytest.approx(0.75)
    assert value_histogram_intersection([[4.0, 1, 1, 2]], gaze, bins=2).item() == 1  # 1 1/4 1/4 1/2: two in each
    assert value_histogram_intersection([[0.0, 1, 1, 2]], predicted).item() == 1  # places do not count


@given(SEEDS)
def test_divergence_correlation_and_similarity_agree_with_torch_and_scipy(seed: int) -> None:
    predicted, gaze = pair(seed)
    p, q = (torch.from_numpy(maps).flatten(1) for maps in (predicted, gaze))
    p, q = p / p.sum(1, keepdim=True), q / q.sum(1, keepdim=True)
    expected = F.kl_div(p.log(), q, reduction="none").sum(1)
    np.testing.assert_allclose(saliency_divergence(predicted, gaze), expected)
    np.testing.assert_allclose(saliency_divergence_reversed(predicted, gaze), saliency_divergence(gaze, predicted))
    expected = [stats.pearsonr(a.ravel(), b.ravel()).statistic for a, b in zip(predicted, gaze, strict=True)]
    np.testing.assert_allclose(saliency_correlation(predicted, gaze), expected)
    np.testing.assert_allclose(histogram_similarity(predicted, gaze), torch.minimum(p, q).sum(1))


@given(SEEDS)
def test_they_are_the_losses_that_decoders_are_trained_with(seed: int) -> None:
    predicted, gaze = (torch.from_numpy(maps)[:, None] for maps in pair(seed))
    gaze = gaze / gaze.max()
    for kind, measured in (
        ("kl", saliency_divergence(predicted, gaze)),
        ("cc", 1 - saliency_correlation(predicted, gaze)),
        ("hs", 1 - histogram_similarity(predicted, gaze)),
    ):
        loss = saliency_loss(predicted.log(), gaze, kind)[:, 0]  # type: ignore[arg-type]
        np.testing.assert_allclose(measured, loss, atol=1e-6)


@given(SEEDS)
def test_scaling_a_map_changes_nothing_and_equal_maps_are_perfect(seed: int) -> None:
    predicted, gaze = pair(seed)
    for measure in ALL:
        np.testing.assert_allclose(measure(4 * predicted, gaze / 8), measure(predicted, gaze), rtol=1e-12)
        perfect = 0.0 if measure in ALL[:2] else 1.0
        np.testing.assert_allclose(measure(gaze, gaze), perfect, atol=1e-9)


@pytest.mark.parametrize("measure", ALL)
@pytest.mark.parametrize("nothing", [0.0, NAN, INF])
def test_a_map_that_is_no_density_says_nothing_and_leaves_the_others_alone(measure, nothing: float) -> None:  # noqa: ANN001
    predicted, gaze = pair(0)
    expected = measure(predicted, gaze)
    gaze[1] = nothing
    found = measure(predicted, gaze)
    assert np.isnan(found[1])
    np.testing.assert_array_equal(found[[0, 2]], expected[[0, 2]])
    assert np.isnan(measure(gaze, predicted)[1])


def test_an_even_map_has_no_correlation() -> None:
    assert np.isnan(saliency_correlation(np.full((1, 7), 0.1), np.arange(7.0)[None]))


@pytest.mark.parametrize("measure", ALL)
def test_wrong_maps_are_refused(measure) -> None:  # noqa: ANN001
    with pytest.raises(ShapeError, match=r"one shape \(N, ...\), got \(2, 3\) and \(2, 4\)"):
        measure(np.ones((2, 3)), np.ones((2, 4)))
    with pytest.raises(DataError, match=r"^predicted must not be negative, got -1; take the softmax of logits$"):
        measure([[-1.0, 2.0]], [[1.0, 2.0]])


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(SettingsError, match="eps must be at least 0, got -1"):
        saliency_divergence_reversed([[1.0]], [[1.0]], eps=-1)
    with pytest.raises(SettingsError, match="bins must be at least 1, got 0"):
        value_histogram_intersection([[1.0]], [[1.0]], bins=0)


@pytest.mark.parametrize("measure", ALL)
def test_no_image_has_no_value(measure) -> None:  # noqa: ANN001
    assert measure(np.empty((0, 3, 4)), np.empty((0, 3, 4))).shape == (0,)


@given(SEEDS)
def test_ranges(seed: int) -> None:
    predicted, gaze = pair(seed)
    assert (saliency_divergence(predicted, gaze) >= 0).all()
    assert (np.abs(saliency_correlation(predicted, gaze)) <= 1).all()
    for measure in (histogram_similarity, value_histogram_intersection):
        found = measure(predicted, gaze)
        assert ((found >= 0) & (found <= 1 + 1e-12)).all()
        np.testing.assert_allclose(measure(gaze, predicted), found)  # either way round
