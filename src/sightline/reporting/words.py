"""Numbers and findings in words."""

from collections.abc import Sequence

import numpy as np

from sightline.reporting.content import Confusion, Curve, GapRow, Priced, Score, condition_words
from sightline.reporting.gallery_rows import GalleryMap, GalleryRow

UNKNOWN, MINUS, SPACE = "\N{EN DASH}", "\N{MINUS SIGN}", "\N{NO-BREAK SPACE}"
LEVEL = 0.03  # a change of a score that a reader should not read anything into


def number(value: float, *, signed: bool = False) -> str:
    """Write a score with two decimals, `–` when unknown; `signed` with its sign.

    >>> number(0.7349), number(float("nan")), number(-0.8312, signed=True)
    ('0.73', '–', '−0.83')
    """
    if not np.isfinite(value):
        return UNKNOWN
    rounded = round(float(value), 2) + 0.0  # + 0.0 makes -0.0 an ordinary zero
    text = f"{rounded:+.2f}" if signed and rounded else f"{rounded:.2f}"
    return text.replace("-", MINUS)


def percent(share: float) -> str:
    """Write a share as whole per cent, `–` when unknown; the ends are said only when they are meant.

    >>> [percent(share).replace(SPACE, " ") for share in (0.3249, 0.9999, 1.0)]
    ['32 %', '> 99 %', '100 %']
    """
    if not np.isfinite(share):
        return UNKNOWN
    if 0 < share < 0.005:
        return f"<{SPACE}1{SPACE}%"
    if 0.995 < share < 1:
        return f">{SPACE}99{SPACE}%"
    return f"{100 * share:.0f}{SPACE}%"


def p_value(value: float) -> str:
    """Write a p-value with three decimals, `–` when unknown; a smaller one is said to be below 0.001.

    >>> [p_value(value).replace(SPACE, " ") for value in (0.0312, 0.0004, float("nan"))]
    ['0.031', '< 0.001', '–']
    """
    if not np.isfinite(value):
        return UNKNOWN
    return f"<{SPACE}0.001" if value < 0.001 else f"{value:.3f}"


def interval(score: Score, *, signed: bool = False) -> str:
    """Write the interval of a score, empty when there is none.

    >>> interval(Score(0.7, 0.65, 0.752))
    '0.65 to 0.75'
    """
    return f"{number(score.low, signed=signed)} to {number(score.high, signed=signed)}" if score.has_interval else ""


def answer(gaps: Sequence[GapRow], metric: str) -> str:
    """Say what happens to each recipe when the bias goes, in one sentence with the numbers.

    Every recipe is named in turn, so that the sentence never claims more than the numbers do. A change of at most
    0.03 counts as level.
    """
    told = [row for row in gaps if {"on", "off"} <= set(row.scores)]
    if not told:
        parts = [
            f"{row.recipe} reaches {_with_article(metric)} of {number(row.scores[row.first].value)}" for row in gaps
        ]
        return f"{'; '.join(parts)}." if parts else ""
    parts = [_movement(row, f"{_with_article(metric)} of " if index == 0 else "") for index, row in enumerate(told)]
    return f"When the bias is taken out of the test images, {'; '.join(parts)}."


def _with_article(metric: str) -> str:
    return f"{'an' if metric[:1].lower() in tuple('aeio') else 'a'} {metric}"


def _movement(row: GapRow, metric: str) -> str:
    on, off, change = row.scores["on"].value, row.scores["off"].value, row.difference("off")
    if not np.isfinite(change):
        return f"{row.recipe} cannot be compared, because a score is missing"
    if abs(change) <= LEVEL:
        return f"{row.recipe} stays level, at {metric}{number(off)} after {number(on)}"
    return f"{row.recipe} {'falls' if change < 0 else 'rises'} from {metric}{number(on)} to {number(off)}"


def change_words(row: GapRow) -> str:
    """Say what becomes of a score without the bias; empty where that is not known."""
    if not {"on", "off"} <= set(row.scores):
        return ""
    change = row.difference("off")
    if not np.isfinite(change):
        return ""
    told = f"{number(change, signed=True)} without the bias"
    return f"level: {told}" if abs(change) <= LEVEL else told


def describe_gaps(gaps: Sequence[GapRow], metric: str) -> str:
    """Say the bias-gap chart to someone who does not see it."""
    lines = [
        f"{row.recipe}: " + ", ".join(f"{number(s.value)} with {condition_words(c)[0]}" for c, s in row.scores.items())
        for row in gaps
    ]
    return f"Chart of {metric} by recipe and bias of the test images. {'; '.join(lines)}."


def describe_costs(costs: Sequence[Priced], metric: str, where: str) -> str:
    """Say the chart of scores against costs to someone who does not see it."""
    lines = [f"{each.name}: {number(each.score.value)} at {number(each.cost)} times the plain step" for each in costs]
    return f"Chart of {metric} on {where} by the cost of a training step. {'; '.join(lines)}."


def describe_curves(curves: Sequence[Curve]) -> str:
    """Say the training charts to someone who does not see them."""
    lines = [f"{c.panel}, {c.recipe}: from {number(c.y[0])} to {number(c.y[-1])}" for c in curves if len(c.y)]
    return f"Training charts. {'; '.join(lines)}."


def describe_confusions(confusions: Sequence[Confusion]) -> str:
    """Say the confusion matrices to someone who does not see them."""
    lines = [
        f"{c.recipe}, {condition_words(c.condition)[0]}: {int(np.trace(c.counts))} of {int(np.sum(c.counts))} right"
        for c in confusions
    ]
    return f"Confusion matrices. {'; '.join(lines)}."


def describe_map(row: GalleryRow, shown: GalleryMap, region_name: str) -> str:
    """Say a heatmap to someone who does not see it."""
    by = f" by {shown.method}" if shown.method else ""
    of = f" of {shown.explained}" if shown.of != shown.predicted else ""
    inside = f"; {percent(shown.share_inside)} of its relevance inside {region_name}"
    return f"Heatmap{of}{by}, {shown.recipe} on {row.case}: answered {shown.predicted}, true {row.label}" + (
        inside if np.isfinite(shown.share_inside) else ""
    )
