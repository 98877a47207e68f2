"""What a report shows: plain records of plain arrays, so that figures and pages know nothing of models or runs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.errors import DataError
from sightline.reporting.gallery_rows import GalleryRow

CONDITION_WORDS = {
    "on": ("Bias on", "as in training"),
    "off": ("Bias off", "removed from the image"),
    "swapped": ("Bias swapped", "mark of a wrong class"),
}


def condition_words(condition: str) -> tuple[str, str]:
    """Say a test condition in words: a name and a few words of explanation, empty for a condition of the user's own."""
    return CONDITION_WORDS.get(condition, (condition, ""))


@dataclass(frozen=True)
class Score:
    """A number and its interval.

    Attributes:
        value: the number; NaN when it could not be computed.
        low: lower end of the interval; NaN when there is none.
        high: upper end of the interval; NaN when there is none.
    """

    value: float
    low: float = float("nan")
    high: float = float("nan")

    @property
    def has_interval(self) -> bool:
        """Whether both ends are known."""
        return bool(np.isfinite(self.low) and np.isfinite(self.high))


@dataclass(frozen=True)
class PValue:
    """The p-value of a test.

    Attributes:
        value: 0 to 1; NaN where undefined.
    """

    value: float


Cell = str | int | Score | PValue | None


@dataclass(frozen=True)
class GapRow:
    """One recipe in the bias-gap chart.

    Attributes:
        recipe: its name, as the reader shall see it.
        scores: the same metric under each condition (`on`, `off`, `swapped`, or a name of one's own), in reading order.
        guided: drawn in colour; a recipe that is not guided is drawn in grey.
        change: change from the first condition, paired by patient, for each of the others; may be empty.
    """

    recipe: str
    scores: Mapping[str, Score]
    guided: bool = False
    change: Mapping[str, Score] = field(default_factory=dict)

    @property
    def first(self) -> str:
        """The condition that the others are compared with."""
        return next(iter(self.scores))

    def difference(self, condition: str) -> float:
        """Change of the metric from the first condition to this one: the paired one where given."""
        if condition in self.change:
            return self.change[condition].value
        return self.scores[condition].value - self.scores[self.first].value


@dataclass(frozen=True)
class ScoreRow:
    """One line of the table: one recipe under one condition.

    Attributes:
        recipe: name of the recipe; lines of one recipe stand together.
        condition: what it was tested on.
        scores: column name to number, in column order.
        cases: how many images were tested; None leaves it out.
    """

    recipe: str
    condition: str
    scores: Mapping[str, Score]
    cases: int | None = None


@dataclass(frozen=True)
class Table:
    """A table that the reader can sort.

    Attributes:
        title: heading; also the name of its scrolling box.
        columns: names of the columns; the first one names the line.
        rows: cells by line: text, a whole number, a score, a p-value, or None where unknown.
        lead: what stands above it; may be empty.
        folded: whether it waits behind its title.
        signed: whether scores are written with their sign.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    lead: str = ""
    folded: bool = False
    signed: bool = False

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise DataError(f"{self.title}: a line must have {len(self.columns)} cells, got {len(row)}")

    @property
    def textual(self) -> tuple[bool, ...]:
        """Which columns hold text; they stand flush left."""
        return tuple(any(isinstance(row[column], str) for row in self.rows) for column in range(len(self.columns)))


@dataclass(frozen=True)
class Priced:
    """One recipe: what it costs and what it is worth.

    Attributes:
        name: of the recipe.
        cost: of its training step over the plain step.
        score: what it scores, with its interval.
        guided: drawn in colour.
    """

    name: str
    cost: float
    score: Score
    guided: bool = False


@dataclass(frozen=True)
class Curve:
    """One line of one training chart.

    Attributes:
        recipe: name of the recipe.
        panel: title of the chart that it belongs to, such as "Validation macro-F1".
        x: epochs, `(n,)`.
        y: values, `(n,)`.
        guided: drawn in colour; see `GapRow.guided`.
    """

    recipe: str
    panel: str
    x: NDArray[Any]
    y: NDArray[Any]
    guided: bool = False


@dataclass(frozen=True)
class Confusion:
    """How often each true class was answered as each class.

    Attributes:
        recipe: name of the recipe.
        condition: what it was tested on.
        counts: `(K, K)`, true class down, predicted class across.
        classes: the `K` names.
    """

    recipe: str
    condition: str
    counts: NDArray[Any]
    classes: tuple[str, ...]


@dataclass(frozen=True)
class CardPart:
    """A part of a model card or data sheet.

    Attributes:
        heading: of the part.
        facts: name to value; a value that is not known says so.
        words: paragraphs.
        tables: under them.
    """

    heading: str
    facts: Mapping[str, str] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()


@dataclass(frozen=True)
class Card:
    """A model card, or the data sheet of a cohort.

    Attributes:
        title: heading.
        file: name of its Markdown file.
        parts: in reading order.
    """

    title: str
    file: str
    parts: tuple[CardPart, ...]


@dataclass(frozen=True)
class ReportContent:
    """Everything on the page; a part that is empty is left out.

    Attributes:
        title: heading of the page.
        gaps: recipes of the bias-gap chart.
        table: lines of the table of scores.
        details: further tables of scores, under it.
        pairs: tables of every two recipes against each other.
        costs: recipes of the chart of scores against costs.
        costs_where: what the scores of that chart were measured on.
        costs_table: the same costs, and numbers of weights.
        attention: tables of where the models look.
        gallery: images with their heatmaps.
        curves: lines of the training charts.
        confusions: confusion matrices.
        answer: the first sentence; written from `gaps` when empty.
        summary: sentences that follow it, a paragraph each.
        metric: name of the metric in `gaps`.
        chance: what guessing scores in that metric; None draws no line.
        interval: what the intervals are.
        region_name: what is inside the region, with its article.
        settings: name of a recipe to its resolved settings, as text.
        facts: how it was made, name to value: cohort, seeds, date.
        commands: command lines that make the report again.
        environment: machine, versions, and the like, name to value.
        limits: what the numbers do not say, a paragraph each.
        cards: model cards and data sheets.
    """

    title: str
    gaps: tuple[GapRow, ...] = ()
    table: tuple[ScoreRow, ...] = ()
    details: tuple[Table, ...] = ()
    pairs: tuple[Table, ...] = ()
    costs: tuple[Priced, ...] = ()
    costs_where: str = ""
    costs_table: Table | None = None
    attention: tuple[Table, ...] = ()
    gallery: tuple[GalleryRow, ...] = ()
    curves: tuple[Curve, ...] = ()
    confusions: tuple[Confusion, ...] = ()
    answer: str = ""
    summary: tuple[str, ...] = ()
    metric: str = "macro-F1"
    chance: float | None = None
    interval: str = "95 % intervals over patients"
    region_name: str = "the region"
    settings: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    limits: tuple[str, ...] = ()
    cards: tuple[Card, ...] = ()


def conditions_of(gaps: Iterable[GapRow]) -> tuple[str, ...]:
    """List the conditions that every recipe was tested under.

    Raises:
        DataError: there is no recipe or no condition, or the recipes were tested under different ones.
    """
    found = [tuple(row.scores) for row in gaps]
    if not found or not found[0]:
        raise DataError("a bias-gap chart needs at least one recipe with one score, got none; evaluate a recipe first")
    for names in found:
        if names != found[0]:
            raise DataError(f"every recipe needs scores for {found[0]}, got {names}; evaluate the missing ones")
    return found[0]
