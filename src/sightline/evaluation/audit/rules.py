"""When a part of an audit says good, and when bad: the limits, each with its reason.

A verdict needs an interval, not a number. `good` needs the whole interval on the good side of a limit, `bad` the whole
interval beyond one that is worse; whatever lies between, and whatever too few patients leave open, is `doubtful`.
More patients can therefore turn `doubtful` into either, and nothing else can. The limits are conventions, and the
numbers are printed beside each verdict. They were chosen before any model was looked at, but for one: `inside` called
an AUC above 0.6 bad until an ISNet trained on phantoms had 0.62 to 0.65, and since then from `USEFUL` on only.
"""

from collections.abc import Iterable

from sightline.evaluation.audit.answers import Moved
from sightline.evaluation.audit.section import Verdict
from sightline.metrics import Interval, equivalent_within

MARGIN = 0.02
"""Change of a score that does not matter: two points in a hundred, which few would choose another model for."""

FEW_FLIPS = 0.05
"""Share of decisions that may flip: one in twenty, about what a reader changes who reads the same films again."""

MANY_FLIPS = 0.15
"""Share of decisions that must flip for a model to be said to be moved: three times as many."""

ABOVE_CHANCE = 0.6
"""AUC up to which next to nothing can be told: 0.5 is a coin, and 0.6 orders three pairs in five."""

USEFUL = 0.7
"""AUC from which a classifier tells classes apart acceptably (Hosmer, Lemeshow & Sturdivant 2013, section 5.2.4)."""

GAP = 0.05
"""Distance of a group's score from that of all others from which the group is worse served."""

PULL = 0.05
"""Probability that something foreign to the patient may add to the class it came with."""

_ORDER: tuple[Verdict, ...] = ("bad", "doubtful", "good", "unknown")


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the worst of some verdicts; `unknown` only if nothing was tested."""
    return min(verdicts, key=_ORDER.index, default="unknown")


def at_best(verdict: Verdict, limit: Verdict) -> Verdict:
    """Return a verdict that is no better than the limit."""
    return min(verdict, limit, key=_ORDER.index)


def at_worst(verdict: Verdict, limit: Verdict) -> Verdict:
    """Return a verdict that is no worse than the limit: what counts against `good` alone does not make it `bad`."""
    return max(verdict, limit, key=_ORDER.index)


def stays(moved: Moved, *, beyond_control: Moved | None = None) -> Verdict:
    """Judge whether answers stay as they were.

    `good`: every score that is defined lies within `MARGIN` of what it was (two one-sided tests, each at 2.5 %), and
    fewer than `FEW_FLIPS` of the decisions flip. `bad`: a score falls by more than `MARGIN`, or more than `MANY_FLIPS`
    of the decisions flip, also against the control.

    Args:
        moved: against the images as they are.
        beyond_control: against images on which the same was done without its content; None where there is none.
    """
    if _falls(moved) and (beyond_control is None or _falls(beyond_control)):
        return "bad"
    scores = [score for score in moved.scores.values() if score.value == score.value]
    alike = all(equivalent_within(score, margin=MARGIN).equivalent for score in scores)
    return "good" if alike and moved.flips.high < FEW_FLIPS else "doubtful"


def _falls(moved: Moved) -> bool:
    return any(score.high < -MARGIN for score in moved.scores.values()) or moved.flips.low > MANY_FLIPS


def below(interval: Interval, *, good: float, bad: float) -> Verdict:
    """Judge a number that should be low: `good` if all of its interval is below one limit, `bad` if above another."""
    return "good" if interval.high < good else "bad" if interval.low > bad else "doubtful"


def above(interval: Interval, *, good: float, bad: float) -> Verdict:
    """Judge a number that should be high: `good` if all of its interval is above one limit, `bad` if below another."""
    return "good" if interval.low > good else "bad" if interval.high < bad else "doubtful"
