import numpy as np
import pytest

from sightline.evaluation.audit.drawn_tests import drawn_tests
from sightline.metrics import (
    Resampling,
    auroc_one_vs_rest,
    bootstrap,
    mean_defined,
    paired_bootstrap_test,
    weighted_mean,
)

RESAMPLING = Resampling(500, seed=3)


def test_it_agrees_with_the_paired_test_of_areas() -> None:
    rng = np.random.default_rng(0)
    labels, first, second = rng.integers(0, 3, 60), rng.random((60, 3)), rng.random((60, 3))
    patients = [f"p{index // 2}" for index in range(60)]

    def statistic(weights: np.ndarray) -> dict[str, np.ndarray]:
        one, other = (auroc_one_vs_rest(labels, scores, weights=weights) for scores in (first, second))
        return {"mean": mean_defined(one) - mean_defined(other)}

    found = drawn_tests(statistic, patients, resampling=RESAMPLING)["mean"]
    expected = paired_bootstrap_test(labels, first, second, patients, resampling=RESAMPLING)[0]
    assert found == expected


def test_the_value_is_what_is_tested_against() -> None:
    values = np.random.default_rng(0).normal(0.8, 0.1, 50)
    patients = [str(index) for index in range(50)]

    def statistic(weights: np.ndarray) -> dict[str, np.ndarray]:
        return {"mean": weighted_mean(values, weights=weights)}

    far, near = (
        drawn_tests(statistic, patients, resampling=RESAMPLING, against=value)["mean"] for value in (0.5, values.mean())
    )
    assert far.p == pytest.approx(2 / 501)
    assert near.p > 0.8
    assert far.difference == near.difference == bootstrap(statistic, patients, resampling=RESAMPLING)["mean"]


def test_one_patient_and_the_undefined_say_nothing() -> None:
    def statistic(weights: np.ndarray) -> dict[str, np.ndarray]:
        return {"one": weights.sum(1), "none": np.full(len(weights), np.nan)}

    found = drawn_tests(statistic, ["p", "p"], resampling=RESAMPLING)
    assert np.isnan(found["one"].p)
    assert np.isnan(found["none"].p)
