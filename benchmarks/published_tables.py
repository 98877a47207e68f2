"""The statistics of the ISNet paper's tables 1, 3, 4 and 5 again, from what the paper tells of the counts.

    python benchmarks/published_tables.py

writes the tables "published, ours" into `docs/methods/statistics.md`. Table 1 follows from the confusion matrices of
table 2. The counts behind tables 3 and 4 are not printed; they are searched for: whole numbers whose Wilson intervals
round to the printed cells. Of table 5 only the means follow.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sightline.metrics import (
    Interval,
    f1,
    f1_interval,
    highest_density_interval,
    mean_halfwidth,
    posterior_draws,
    precision,
    recall,
    specificity,
    wilson_interval,
)
from sightline.runs import write_text

ROOT = Path(__file__).parents[1]
PUBLISHED: dict[str, Any] = json.loads((ROOT / "benchmarks/published/isnet.json").read_text(encoding="utf-8"))
PAGE = ROOT / "docs/methods/statistics.md"
BEGIN, END = "<!-- made by benchmarks/published_tables.py -->", "<!-- end of what it made -->"
SCORES = {"precision": precision, "recall": recall, "specificity": specificity, "F1": f1}
ROUNDED = 5.01e-4  # of a number printed with three digits
Cell = tuple[float, ...]


@dataclass(frozen=True)
class Row:
    """A line of a published table beside ours: a cell a class, and the mean last."""

    model: str
    score: str
    published: Sequence[Cell]
    ours: Sequence[Cell]

    @property
    def apart(self) -> list[float]:
        """Greatest difference in each cell."""
        return [
            max(abs(a - b) for a, b in zip(*pair, strict=True)) for pair in zip(self.published, self.ours, strict=True)
        ]


def table_1(*, draws: int = 200_000) -> list[Row]:
    """Mean, standard deviation and 95 % interval of highest density of each score, by class and on average."""
    part, rows = PUBLISHED["covid"], []
    for name, score in SCORES.items():
        for model in PUBLISHED["models"]:
            of_class = posterior_draws(part["confusion"][model], score, draws=draws)
            columns = np.column_stack([of_class, of_class.mean(axis=1)]).T
            ours = [(float(x.mean()), float(x.std()), *highest_density_interval(x)) for x in columns]
            rows.append(Row(model, name, [tuple(cell) for cell in part[name][model]], ours))
    return rows


def printed(interval: Interval) -> Cell:
    """Centre and half-width, which is what the paper prints."""
    return (interval.low + interval.high) / 2, (interval.high - interval.low) / 2


def rounded(interval: Interval) -> Interval:
    """The interval that centre and half-width, rounded to three digits, stand for."""
    centre, half = (round(number, 3) for number in printed(interval))
    return Interval(centre, centre - half, centre + half, interval.n, interval.method)


@dataclass(frozen=True)
class Counts:
    """What a classifier decided on one class: found of the images that have it, and taken for it in all."""

    found: int
    positives: int
    taken: int

    def intervals(self, *, recall_over_taken: bool = False) -> tuple[Interval, Interval, Interval]:
        """Of precision, recall and F1; in table 4 that of recall is as wide as over the images taken for the class."""
        of_precision = wilson_interval(self.found, self.taken)
        trials = self.taken if recall_over_taken else self.positives
        of_recall = wilson_interval(self.found / self.positives * trials, trials)
        return of_precision, of_recall, f1_interval(rounded(of_precision), rounded(of_recall))


def near(found: Sequence[float], asked: Sequence[float], tolerance: float = ROUNDED) -> bool:
    return all(abs(a - b) <= tolerance for a, b in zip(found, asked, strict=True))


def around(share: float, total: float) -> range:
    """Whole numbers whose share of a total is near to a Wilson centre."""
    return range(max(0, int(total * (share - 0.004))), int(total * (share + 0.004)) + 2)


def counts_of_two(cells: dict[str, Any], model: str, sizes: tuple[int, int]) -> Iterator[tuple[Counts, Counts]]:
    """Counts of table 3 for so many images of each class: both precisions and recalls round to what is printed."""
    (p_one, p_other, _), (r_one, r_other, _) = cells["precision"][model], cells["recall"][model]
    for first in around(r_one[0], sizes[0]):
        for second in around(r_other[0], sizes[1]):
            if not (0 < first <= sizes[0] and 0 < second <= sizes[1]):
                continue
            one = Counts(first, sizes[0], first + sizes[1] - second)
            other = Counts(second, sizes[1], second + sizes[0] - first)
            pairs = ((one, p_one, r_one), (other, p_other, r_other))
            if all(
                near(printed(count.intervals()[0]), p) and near(printed(count.intervals()[1]), r)
                for count, p, r in pairs
            ):
                yield one, other


def counts_of_label(cells: dict[str, Any], model: str, index: int, positives: int) -> Iterator[Counts]:
    """Counts of table 4 for so many images with the attribute."""
    p, r = cells["precision"][model][index], cells["recall"][model][index]
    for found in around(r[0], positives):
        if not 0 < found <= positives:
            continue
        for taken in around(1.0, found / p[0]):
            if taken < found:
                continue
            if not near(printed(wilson_interval(found, taken)), p):
                continue
            counts = Counts(found, positives, taken)
            _, of_recall, of_f1 = counts.intervals(recall_over_taken=True)
            if near(printed(of_recall), r) and near(printed(of_f1), cells["F1"][model][index], 1e-3):
                yield counts


def common_positives(index: int, candidates: range) -> dict[int, dict[str, Counts]]:
    """Numbers of images with an attribute that explain as many models' cells of table 4 as any, with their counts."""
    cells = PUBLISHED["faces"]
    found = {
        positives: {
            model: counts
            for model in PUBLISHED["models"]
            if (counts := next(counts_of_label(cells, model, index, positives), None))
        }
        for positives in candidates
    }
    most = max(len(models) for models in found.values())
    return {positives: models for positives, models in found.items() if len(models) == most}


FACES = (range(300, 380), range(1300, 1450), range(1300, 1450))  # images with each attribute that are tried
OTHER_SIZES = (374, 383)  # that explain the one model of table 3 which 370 and 383 do not


def lines_of(model: str, cells: dict[str, Any], intervals: Sequence[Sequence[Interval]]) -> list[Row]:
    """Rows of precision, recall and F1 of a model from those of its classes, with their mean."""
    rows = []
    for place, score in enumerate(("precision", "recall", "F1")):
        of_class = [interval[place] for interval in intervals]
        cell = [printed(interval) for interval in (*of_class, mean_halfwidth(of_class))]
        rows.append(Row(model, score, [tuple(each) for each in cells[score][model]], cell))
    return rows


def table_3(model: str, sizes: tuple[int, int]) -> list[Row]:
    """Precision, recall and F1 of a model from the first counts that explain it; empty if none do."""
    cells = PUBLISHED["tuberculosis"]
    counts = next(counts_of_two(cells, model, sizes), None)
    return [] if counts is None else lines_of(model, cells, [count.intervals() for count in counts])


def table_4(tried: Sequence[range] = FACES) -> tuple[list[Row], list[list[int]]]:
    """Rows of the models, and for each attribute the numbers of positives that explain most of them.

    Where a model's cells have no counts, the nearest do: of the search those whose precision and F1 fit.
    """
    cells = PUBLISHED["faces"]
    explained = [common_positives(index, tried[index]) for index in range(3)]
    rows = []
    for model in PUBLISHED["models"]:
        intervals = []
        for index, by_positives in enumerate(explained):
            positives, counts = next(iter(by_positives.items()))
            count = counts.get(model) or nearest(cells, model, index, positives)
            intervals.append(count.intervals(recall_over_taken=True))
        rows += lines_of(model, cells, intervals)
    return rows, [list(by_positives) for by_positives in explained]


def nearest(cells: dict[str, Any], model: str, index: int, positives: int) -> Counts:
    """Counts whose values of precision and recall are nearest to the printed ones, whatever the half-widths."""
    p, r = cells["precision"][model][index], cells["recall"][model][index]

    def apart(count: Counts) -> float:
        of_precision, of_recall, _ = count.intervals(recall_over_taken=True)
        far = (printed(of_precision)[0] - p[0], printed(of_recall)[0] - r[0])
        return float(max(map(abs, far)))

    found = around(r[0], positives)
    return min((Counts(hits, positives, taken) for hits in found for taken in around(1.0, hits / p[0])), key=apart)


def table_5() -> list[Row]:
    """Means of the areas, plus or minus the mean of the half-widths."""
    rows = []
    for model, cells in PUBLISHED["mimic"]["AUC"].items():
        labels = [Interval(area, area - half, area + half, 0, "DeLong") for area, half in cells[:-1]]
        rows.append(Row(model, "AUC", [tuple(cells[-1])], [printed(mean_halfwidth(labels))]))
    return rows


def text(cell: Cell) -> str:
    if len(cell) == 4:
        return f"{cell[0]:.3f} ± {cell[1]:.3f} [{cell[2]:.3f}, {cell[3]:.3f}]"
    return f"{cell[0]:.3f} ± {cell[1]:.3f}"


def markdown(title: Sequence[str], rows: Sequence[Row]) -> list[str]:
    """A table with the published numbers above ours."""
    lines = ["| model | score | | " + " | ".join(title) + " | furthest apart |", "|---" * (len(title) + 4) + "|"]
    for row in rows:
        theirs, ours = (" | ".join(map(text, cells)) for cells in (row.published, row.ours))
        lines += [
            f"| {row.model} | {row.score} | published | {theirs} | |",
            f"| | | ours | {ours} | {max(row.apart):.4f} |",
        ]
    return lines


def page() -> str:
    """All tables."""
    one, (four, positives) = table_1(), table_4()
    three = [row for model in PUBLISHED["models"] for row in table_3(model, tuple(PUBLISHED["tuberculosis"]["images"]))]
    missing = [model for model in PUBLISHED["models"] if model not in {row.model for row in three}]
    cells = sum(len(row.ours) for row in one)
    lines = [
        "### Table 1: COVID-19, posterior mean ± standard deviation [95 % interval of highest density]",
        "",
        f"All {cells} cells agree within {max(max(row.apart) for row in one):.4f}.",
        "",
        *markdown([*PUBLISHED["covid"]["classes"], "mean"], one),
        "",
        "### Table 3: tuberculosis, Wilson",
        "",
        *markdown([*PUBLISHED["tuberculosis"]["classes"], "mean"], three),
        "",
        f"No counts of 370 and 383 images give the cells of {', '.join(missing)}. Those of {OTHER_SIZES[0]} and "
        f"{OTHER_SIZES[1]} do:",
        "",
        *markdown(
            [*PUBLISHED["tuberculosis"]["classes"], "mean"],
            [row for model in missing for row in table_3(model, OTHER_SIZES)],
        ),
        "",
        "### Table 4: faces, Wilson",
        "",
        "Images with the attribute that explain the cells: "
        + "; ".join(
            f"{name}, {numbers[0]}" + (f" to {numbers[-1]}, {len(numbers)} of them" if len(numbers) > 1 else " alone")
            for name, numbers in zip(PUBLISHED["faces"]["classes"], positives, strict=True)
        )
        + ". The first of each is taken.",
        "",
        *markdown([*PUBLISHED["faces"]["classes"], "mean"], four),
        "",
        "### Table 5: MIMIC, mean of the areas ± mean of the half-widths",
        "",
        *markdown(["mean of 6 labels"], table_5()),
    ]
    return "\n".join(lines)


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
    write_text(PAGE, f"{before}{BEGIN}\n\n{page()}\n\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
