"""How well labels agree with those of people: precision, recall and F of each finding."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sightline.errors import DataError, DataNotFoundError, ShapeError


@dataclass(frozen=True)
class FindingScore:
    """Agreement on one finding.

    Attributes:
        finding: its name.
        both: reports of which both say so.
        only_labels: reports of which the labels say so and the truth does not.
        only_truth: reports of which the truth says so and the labels do not.
    """

    finding: str
    both: int
    only_labels: int
    only_truth: int

    @property
    def precision(self) -> float:
        """Share of the labels that are true; NaN without any."""
        return _ratio(self.both, self.both + self.only_labels)

    @property
    def recall(self) -> float:
        """Share of the truth that is labelled; NaN without any."""
        return _ratio(self.both, self.both + self.only_truth)

    @property
    def f(self) -> float:
        r"""$2 \cdot both / (2 \cdot both + only_labels + only_truth)$; NaN if nobody ever says so."""
        return _ratio(2 * self.both, 2 * self.both + self.only_labels + self.only_truth)


def score_findings(
    labels: NDArray[np.floating], truth: NDArray[np.floating], findings: Sequence[str]
) -> tuple[FindingScore, ...]:
    """Compare labels with the truth.

    Args:
        labels: `(N, K)` of 0 and 1; NaN where unknown, which is then not counted.
        truth: `(N, K)`, likewise.
        findings: K names.

    Raises:
        ShapeError: the three do not fit each other.
    """
    if labels.shape != truth.shape or labels.ndim != 2 or labels.shape[1] != len(findings):
        raise ShapeError(f"labels and truth must be (N, {len(findings)}), got {labels.shape} and {truth.shape}")
    known = ~(np.isnan(labels) | np.isnan(truth))
    ours, theirs = (labels > 0.5) & known, (truth > 0.5) & known
    counts = ((ours & theirs).sum(0), (ours & ~theirs).sum(0), (~ours & theirs).sum(0))
    return tuple(FindingScore(name, *(int(count[k]) for count in counts)) for k, name in enumerate(findings))


def mean_f(scores: Sequence[FindingScore]) -> float:
    """Mean F over the findings that somebody ever has; NaN if there are none."""
    values = [score.f for score in scores if score.f == score.f]
    return float(np.mean(values)) if values else float("nan")


def score_rows(scores: Sequence[FindingScore]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of a table of the findings that somebody ever has, the mean F last."""
    rows = [
        [
            score.finding,
            *(str(count) for count in (score.both, score.only_labels, score.only_truth)),
            *(_shown(value) for value in (score.precision, score.recall, score.f)),
        ]
        for score in scores
        if score.f == score.f
    ]
    rows.append(["mean", "", "", "", "", "", _shown(mean_f(scores))])
    return ["finding", "both", "only labels", "only truth", "precision", "recall", "F"], rows


@dataclass(frozen=True)
class LabelledTable:
    """Reports that people labelled.

    Attributes:
        ids: of the reports.
        findings: columns.
        values: `(N, K)` of 0 and 1, NaN where nobody knows.
    """

    ids: tuple[str, ...]
    findings: tuple[str, ...]
    values: NDArray[np.float64]


def read_labelled(path: Path, known: Sequence[str]) -> LabelledTable:
    """Read a table with a column `id` and one a finding, of 0, 1 and nothing.

    Args:
        path: CSV.
        known: columns that count; others are passed over.

    Raises:
        DataNotFoundError: there is no such file.
        DataError: no column counts, or a cell is none of these.
    """
    if not path.is_file():
        raise DataNotFoundError(f"labelled reports {path} are not there")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            header, rows = list(reader.fieldnames or ()), list(reader)
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path} is no CSV in UTF-8: {error}") from None
    columns = [name for name in header if name in known]
    if "id" not in header or not columns:
        raise DataError(f"{path} needs a column id and findings such as {known[0]}, got {', '.join(header) or 'none'}")
    values = np.full((len(rows), len(columns)), np.nan)
    for index, row in enumerate(rows):
        for column, name in enumerate(columns):
            cell = (row[name] or "").strip()
            if cell not in ("", "0", "1", "0.0", "1.0"):
                raise DataError(f"{path}: {name} of report {row['id']!r} must be 0, 1 or empty, got {cell!r}")
            values[index, column] = float(cell) if cell else np.nan
    return LabelledTable(tuple(row["id"] for row in rows), tuple(columns), values)


def compared(table: LabelledTable, labels: Mapping[str, Mapping[str, float]]) -> tuple[FindingScore, ...]:
    """Compare with a labelled table the labels of reports by id and finding.

    Raises:
        DataError: a report of the table was not labelled.
    """
    missing = next((name for name in table.ids if name not in labels), None)
    if missing is not None:
        raise DataError(f"report {missing!r} of the labelled table is not among the {len(labels)} reports")
    ours = np.array([[labels[name][finding] for finding in table.findings] for name in table.ids], dtype=float)
    return score_findings(ours.reshape(table.values.shape), table.values, table.findings)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def _shown(value: float) -> str:
    return "-" if value != value else f"{value:.3f}"
