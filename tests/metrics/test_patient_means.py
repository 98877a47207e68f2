import numpy as np
import pytest

from sightline.errors import DataError, ShapeError
from sightline.metrics import Resampling, bootstrap, patient_means, weighted_mean

FEW = Resampling(resamples=300, seed=3)
NAN = float("nan")


def test_sums_of_patients_give_what_drawing_rows_gives() -> None:
    generator = np.random.default_rng(0)
    values = generator.random((40, 3))
    values[generator.random((40, 3)) < 0.2] = NAN
    patients = [f"p{generator.integers(0, 9)}" for _ in range(40)]
    found = patient_means(values, patients, resampling=FEW)
    expected = bootstrap(
        lambda weights: {m: weighted_mean(values[:, m], weights=weights) for m in range(3)}, patients, resampling=FEW
    )
    for m, interval in enumerate(found):
        assert (interval.value, interval.low, interval.high) == pytest.approx(
            (expected[m].value, expected[m].low, expected[m].high), abs=1e-12
        )
        known = ~np.isnan(values[:, m])
        assert interval.n == known.sum()
        assert interval.n_patients == len({p for p, there in zip(patients, known, strict=True) if there})


def test_of_one_patient_or_none_there_are_no_limits() -> None:
    one, none = patient_means([[1.0, NAN], [3.0, NAN], [NAN, NAN]], ["p", "p", "q"], resampling=FEW)
    assert (one.value, one.n, one.n_patients) == (2.0, 2, 1)
    assert np.isnan([one.low, one.high, none.value, none.low]).all()
    assert (none.n, none.n_patients) == (0, 0)


def test_more_patients_make_it_narrower_more_rows_of_the_same_do_not() -> None:
    values = np.random.default_rng(1).random((30, 1))
    names = [f"p{i}" for i in range(30)]

    def width(times: int, *, same: bool) -> float:
        people = [name if same else f"{name}-{copy}" for copy in range(times) for name in names]
        (found,) = patient_means(np.tile(values, (times, 1)), people, resampling=FEW)
        return found.high - found.low

    assert width(9, same=True) == pytest.approx(width(1, same=True))
    assert width(9, same=False) < 0.5 * width(1, same=False)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"values must be \(2, M\), a row for each patient named, got \(1, 1\)"):
        patient_means([[1.0]], ["p", "q"])
    with pytest.raises(DataError, match="no case to resample"):
        patient_means(np.empty((0, 2)), [])
