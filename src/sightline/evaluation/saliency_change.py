"""Whether one model draws nearer to the gaze than another, on the same cases."""

from dataclasses import dataclass, replace
from typing import Any

from sightline.errors import DataError
from sightline.evaluation.saliency import Saliency
from sightline.metrics.intervals import Interval
from sightline.metrics.paired import DifferenceTest, paired_t_test, wilcoxon_signed_rank
from sightline.metrics.resampling import Resampling


@dataclass(frozen=True)
class SaliencyChange:
    """How a measure differs between two models; each difference is the second's less the first's.

    Attributes:
        t_test: paired, of the cases, as in the literature.
        wilcoxon: signed ranks of the cases.
        bootstrap: mean difference with its interval by drawing patients, which holds for several images a patient too.
    """

    t_test: DifferenceTest
    wilcoxon: DifferenceTest
    bootstrap: Interval

    def as_dict(self) -> dict[str, Any]:
        """Fields by name, for JSON."""
        return {
            "t_test": self.t_test.as_dict(),
            "wilcoxon": self.wilcoxon.as_dict(),
            "bootstrap": self.bootstrap.as_dict(),
        }


def saliency_change(
    first: Saliency, second: Saliency, *, resampling: Resampling | None = None
) -> dict[str, SaliencyChange]:
    """Subtract the measures of two models case by case, and test the differences.

    Args:
        first: of one model, such as the baseline.
        second: of another; cases that only one has are left out.
        resampling: how often, from which seed, which level.

    Returns:
        By measure.

    Raises:
        DataError: they share no case, or disagree on the patient of one.
    """
    place = {case: row for row, case in enumerate(second.cases)}
    rows = [row for row, case in enumerate(first.cases) if case in place]
    if not rows:
        raise DataError("the two evaluations share no case; evaluate the same split both times")
    old, new = first.take(rows), second.take([place[first.cases[row]] for row in rows])
    for case, patient, other in zip(old.cases, old.patients, new.patients, strict=True):
        if patient != other:
            raise DataError(f"case {case} has another patient in the second evaluation; the cohort has changed")
    changed = replace(old, values={name: new.values[name] - old.values[name] for name in old.values})
    level = (resampling or Resampling()).level
    return {
        name: SaliencyChange(
            paired_t_test(new.values[name], old.values[name], level=level),
            wilcoxon_signed_rank(new.values[name], old.values[name], level=level),
            replace(interval, method=f"paired {interval.method}"),
        )
        for name, interval in changed.means(resampling=resampling).items()
    }
