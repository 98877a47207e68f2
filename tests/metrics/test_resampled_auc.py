import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from sightline.errors import DataError, SettingsError, ShapeError
from sightline.metrics import Resampling
from sightline.metrics.resampled_auc import (
    SmallSamples,
    paired_bootstrap_test,
    resampled_auroc,
    resampled_difference,
    resampled_intervals,
)

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 3, 90)
GOOD = RNG.normal(size=(90, 3)) + 1.5 * np.eye(3)[LABELS]
POOR = RNG.normal(size=(90, 3)) + 0.3 * np.eye(3)[LABELS]
PATIENTS = [str(n // 2) for n in range(90)]


@pytest.mark.parametrize("replace", [True, False])
def test_samples_have_the_sizes_asked_for(replace: bool) -> None:
    counts = SmallSamples(iterations=200, least=5, most=7, replace=replace).draw(9)
    assert counts.shape == (200, 9)
    assert set(counts.sum(1)) == {5, 6, 7}
    assert (counts.max() > 1) == replace


def test_areas_are_scikit_learns_of_the_images_drawn() -> None:
    samples = SmallSamples(iterations=5)
    areas = resampled_auroc(LABELS, GOOD, samples=samples)
    for row, counts in zip(areas, samples.draw(90).astype(int), strict=True):
        drawn = np.repeat(np.arange(90), counts)
        expected = [roc_auc_score(LABELS[drawn] == k, GOOD[drawn, k]) for k in range(3)]
        assert row == pytest.approx([np.mean(expected), *expected])


def test_the_printed_numbers_are_the_percentiles() -> None:
    areas = resampled_auroc(LABELS, GOOD)
    intervals = resampled_intervals(areas)
    assert len(intervals) == 4
    for column, interval in zip(areas.T, intervals, strict=True):
        assert (interval.low, interval.value, interval.high) == pytest.approx(np.percentile(column, [2.5, 50, 97.5]))
        assert (interval.resamples, interval.n) == (30, 60)


def test_a_class_that_no_sample_has_is_undefined() -> None:
    labels = np.where(LABELS == 2, 1, LABELS)
    areas = resampled_auroc(labels, GOOD)
    assert np.isnan(areas[:, 3]).all()
    assert areas[:, 0] == pytest.approx(areas[:, 1:3].mean(1))
    assert np.isnan(resampled_intervals(areas)[3].value)


def test_welchs_test_is_scipys() -> None:
    good, poor = (resampled_auroc(LABELS, scores) for scores in (GOOD, POOR))
    for m, test in enumerate(resampled_difference(good, poor)):
        assert test.p == pytest.approx(stats.ttest_ind(good[:, m], poor[:, m], equal_var=False).pvalue)
        assert test.difference.value > 0


def test_the_paired_bootstrap_finds_a_difference_and_none_between_equals() -> None:
    drawn = Resampling(resamples=400)
    tests = paired_bootstrap_test(LABELS, GOOD, POOR, PATIENTS, resampling=drawn)
    one, other = (np.mean([roc_auc_score(k == LABELS, scores[:, k]) for k in range(3)]) for scores in (GOOD, POOR))
    assert tests[0].difference.value == pytest.approx(one - other)
    assert all(test.p < 0.05 and test.difference.low > 0 and test.statistic > 2 for test in tests)
    assert tests[0].p >= 2 / 401
    assert [test.p for test in paired_bootstrap_test(LABELS, GOOD, GOOD, PATIENTS, resampling=drawn)] == [1.0] * 4


def test_the_paired_bootstrap_is_mirrored_when_the_models_are_swapped() -> None:
    one = paired_bootstrap_test(LABELS, GOOD, POOR, PATIENTS)[0]
    other = paired_bootstrap_test(LABELS, POOR, GOOD, PATIENTS)[0]
    assert (other.p, other.statistic) == pytest.approx((one.p, -one.statistic))
    assert (other.difference.low, other.difference.high) == pytest.approx((-one.difference.high, -one.difference.low))


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(SettingsError, match="iterations must be at least 1, got 0"):
        SmallSamples(iterations=0)
    with pytest.raises(SettingsError, match="1 <= least <= most, got 9 and 8"):
        SmallSamples(least=9, most=8)
    with pytest.raises(DataError, match="samples of 60 of 50 images need replace=True"):
        SmallSamples(replace=False).draw(50)
    with pytest.raises(ShapeError, match=r"got \(30, 4\) and \(30, 3\)"):
        resampled_difference(np.zeros((30, 4)), np.zeros((30, 3)))


def test_corrected_limits_leave_the_test_as_it_is() -> None:
    plain, moved = (
        paired_bootstrap_test(LABELS, GOOD, POOR, PATIENTS, resampling=Resampling(200, limits=limits))
        for limits in ("percentile", "bca")
    )
    for one, other in zip(plain, moved, strict=True):
        assert (one.p, one.statistic, one.difference.value) == (other.p, other.statistic, other.difference.value)
        assert one.difference.low != other.difference.low
