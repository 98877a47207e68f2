from dataclasses import replace

import numpy as np
import pytest

from sightline.errors import DataError
from sightline.evaluation import OrganIoU, organ_iou_change
from sightline.metrics import Resampling

FEW = Resampling(resamples=200)
NAN = float("nan")


def measured(values: list[float], cases: str = "abcd", labels: tuple[int, ...] = (0, 0, 0, 0)) -> OrganIoU:
    return OrganIoU(
        "hirescam",
        False,
        ("nodule", "effusion"),
        {},
        np.array([0.1, 0.2]),
        np.array([3, 3]),
        tuple(cases),
        tuple(f"patient of {case}" for case in cases),
        np.array(labels, np.int64),
        np.array(values),
    )


def test_the_change_is_of_the_pairs_that_both_have() -> None:
    first = measured([0.2, 0.4, 0.6, 0.9], labels=(1, 0, 0, 0))
    second = measured([0.9, 0.7, NAN, 0.5], cases="bacd", labels=(0, 1, 0, 1))  # d for the other finding
    found = organ_iou_change(first, second, resampling=FEW)
    assert (found.first.value, found.second.value) == pytest.approx((0.3, 0.8))
    assert found.difference.value == pytest.approx(0.5)
    assert found.relative.value == pytest.approx(0.5 / 0.3)
    assert found.difference.n == 2
    assert found.difference.method == "paired percentile bootstrap of patients"
    assert found.as_dict()["relative"]["value"] == found.relative.value


def test_the_interval_of_a_change_that_all_have_is_narrow() -> None:
    values = np.random.default_rng(0).random(40) * 0.5
    cases = "".join(map(chr, range(200, 240)))
    first, second = (measured(list(each), cases, (0,) * 40) for each in (values, values + 0.25))
    found = organ_iou_change(first, second, resampling=FEW)
    assert found.difference.high - found.difference.low < 1e-9
    assert found.first.high - found.first.low > 0.05


def test_what_does_not_fit_is_refused() -> None:
    first = measured([0.2, 0.4, 0.6, 0.9])
    with pytest.raises(DataError, match="share no pair with a number"):
        organ_iou_change(first, measured([NAN] * 4))
    with pytest.raises(DataError, match="are of different labels"):
        organ_iou_change(first, replace(first, classes=("nodule", "mass")))
    with pytest.raises(DataError, match="case a has another patient in the second evaluation"):
        organ_iou_change(first, replace(first, patients=("x", "y", "z", "w")))
