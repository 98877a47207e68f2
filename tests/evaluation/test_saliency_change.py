import json

import numpy as np
import pytest
from scipy import stats

from sightline.errors import DataError
from sightline.evaluation.saliency import MEASURES, Saliency
from sightline.evaluation.saliency_change import saliency_change
from sightline.metrics import Resampling

FEW = Resampling(resamples=200)


def random(seed: int, n: int = 20) -> Saliency:
    rng = np.random.default_rng(seed)
    names = tuple(f"case-{i}" for i in range(n))
    return Saliency(names, tuple(f"patient-{i // 2}" for i in range(n)), {name: rng.random(n) for name in MEASURES})


def test_differences_are_tested_on_the_cases_that_both_have() -> None:
    first, second = random(0), random(1).take([*range(19, 4, -1)])  # in another order, without five
    first.values["cc"][9] = np.nan
    found = saliency_change(first, second, resampling=FEW)
    assert found.keys() == MEASURES.keys()
    old, new = first.values["kl"][5:], second.values["kl"][::-1]
    assert found["kl"].t_test.p == pytest.approx(stats.ttest_rel(new, old).pvalue)
    assert found["kl"].t_test.statistic == pytest.approx(stats.ttest_rel(new, old).statistic)
    assert found["kl"].wilcoxon.p == pytest.approx(stats.wilcoxon(new, old).pvalue)
    assert found["kl"].bootstrap.value == pytest.approx((new - old).mean())
    assert found["kl"].bootstrap.value == pytest.approx(found["kl"].t_test.difference.value)
    assert found["kl"].bootstrap.method.startswith("paired ")
    assert (found["kl"].bootstrap.n, found["kl"].bootstrap.n_patients) == (15, 8)
    assert (found["cc"].bootstrap.n, found["cc"].t_test.difference.n) == (14, 14)
    json.dumps(found["kl"].as_dict())


def test_a_model_does_not_differ_from_itself() -> None:
    change = saliency_change(random(0), random(0), resampling=FEW)["hs"]
    assert np.isnan([change.t_test.p, change.wilcoxon.p]).all()
    assert (change.bootstrap.low, change.bootstrap.high) == (0, 0)


def test_evaluations_that_cannot_be_paired_are_refused() -> None:
    first = random(0)
    with pytest.raises(DataError, match="share no case"):
        saliency_change(first.take([0, 1]), first.take([2]))
    other = Saliency(first.cases, ("someone", *first.patients[1:]), first.values)
    with pytest.raises(DataError, match="case case-0 has another patient"):
        saliency_change(first, other)
