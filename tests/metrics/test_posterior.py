import numpy as np
import pytest

from sightline.errors import DataError, SettingsError, ShapeError
from sightline.metrics.classification import f1, f1_of_averages, macro_f1, precision, recall, specificity
from sightline.metrics.intervals import highest_density_interval
from sightline.metrics.posterior import posterior_draws, posterior_interval

# ISNet paper, Table 2: rows true Normal, Pneumonia, COVID-19; Table 1: macro-F1 mean, sd, 95 % interval
PUBLISHED = {
    "ISNet": ([[210, 157, 3], [81, 1210, 4], [93, 156, 1266]], 0.773, 0.009, 0.755, 0.791),
    "U-Net+DenseNet": ([[296, 9, 65], [271, 604, 420], [95, 149, 1271]], 0.645, 0.009, 0.626, 0.663),
    "DenseNet121": ([[211, 16, 143], [306, 381, 608], [63, 62, 1390]], 0.546, 0.010, 0.527, 0.565),
    "multi-task U-Net": ([[125, 42, 203], [62, 103, 1130], [38, 300, 1177]], 0.374, 0.010, 0.355, 0.394),
    "AG-Sononet": ([[57, 2, 311], [346, 233, 716], [151, 114, 1250]], 0.356, 0.008, 0.340, 0.372),
    "extended GAIN": ([[81, 145, 144], [241, 526, 528], [108, 200, 1207]], 0.466, 0.009, 0.449, 0.485),
}


@pytest.mark.parametrize("model", PUBLISHED)
def test_macro_f1_agrees_with_the_published_markov_chain(model: str) -> None:
    confusion, mean, deviation, low, high = PUBLISHED[model]
    draws = posterior_draws(confusion, macro_f1, draws=50_000)
    assert draws.mean() == pytest.approx(mean, abs=1.1e-3)
    assert draws.std() == pytest.approx(deviation, abs=1.1e-3)
    assert highest_density_interval(draws) == pytest.approx((low, high), abs=1.6e-3)


def test_class_scores_agree_with_the_published_ones() -> None:
    confusion = PUBLISHED["ISNet"][0]
    printed = {
        precision: (0.544, 0.794, 0.993),
        recall: (0.566, 0.933, 0.835),
        specificity: (0.937, 0.834, 0.995),
        f1: (0.555, 0.858, 0.907),
    }
    for score, values in printed.items():
        assert posterior_draws(confusion, score, draws=20_000).mean(0) == pytest.approx(values, abs=1.5e-3)


def test_recall_of_two_classes_has_a_beta_posterior() -> None:
    draws = posterior_draws([[7, 3], [0, 0]], recall, draws=50_000)
    assert draws.mean(0) == pytest.approx([8 / 12, 1 / 2], abs=3e-3)
    assert draws[:, 0].var() == pytest.approx(8 * 4 / (12**2 * 13), rel=0.03)


def test_interval_names_what_it_rests_on() -> None:
    interval = posterior_interval([[7, 3], [2, 8]], macro_f1, draws=1000, seed=5, level=0.9)
    assert interval == posterior_interval([[7, 3], [2, 8]], macro_f1, draws=1000, seed=5, level=0.9)
    assert (interval.n, interval.resamples, interval.seed, interval.level) == (20, 1000, 5, 0.9)
    assert interval.low < interval.value < interval.high


def test_tables_that_hold_no_counts_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"got \(2, 3\)"):
        posterior_draws(np.zeros((2, 3)), macro_f1)
    with pytest.raises(DataError, match="negative"):
        posterior_draws([[1, -1], [0, 1]], macro_f1)


def test_a_weaker_prior_pulls_less() -> None:
    counts = [[7, 3], [0, 0]]
    draws = posterior_draws(counts, recall, draws=50_000, prior=0.5)
    assert draws.mean(0) == pytest.approx([7.5 / 11, 1 / 2], abs=3e-3)
    strong, weak = (posterior_interval([[9, 1], [1, 9]], macro_f1, prior=prior).value for prior in (1.0, 0.1))
    assert strong < weak < 0.9
    for prior in (0, -1, float("inf"), float("nan")):
        with pytest.raises(SettingsError, match="prior must be a number of images above 0"):
            posterior_draws(counts, recall, prior=prior)


def test_the_macro_f1_of_averages_is_not_what_the_paper_prints() -> None:
    draws = posterior_draws(PUBLISHED["ISNet"][0], f1_of_averages, draws=20_000)
    assert draws.mean() == pytest.approx(0.777, abs=1e-3)  # printed: 0.773


def test_an_empty_matrix_leaves_the_prior() -> None:
    draws = posterior_draws(np.zeros((2, 2)), recall, draws=20_000)
    assert draws.mean() == pytest.approx(0.5, abs=0.01)
    assert draws.std() == pytest.approx(12**-0.5, abs=0.01)  # even
