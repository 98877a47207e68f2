"""Findings by places: 1 where a report has a finding, 0 where not, NaN where that is not known."""

from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sightline.regions.reports.mentions import Mention
from sightline.regions.reports.terms import OTHER_FINDING, OTHER_PLACE, Vocabulary, possible_places


class Matrix:
    """Rows and columns of a matrix of findings and places.

    Args:
        vocabulary: names the findings and places; `other_finding` and `other_location` come last.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.findings = (*vocabulary.finding_names, OTHER_FINDING)
        self.places = (*vocabulary.place_names, OTHER_PLACE)
        self._row = {name: index for index, name in enumerate(self.findings)}
        self._column = {name: index for index, name in enumerate(self.places)}
        self._cells = lru_cache(100_000)(self._find_cells)
        self._by_name = {finding.name: finding for finding in vocabulary.findings}

    def unknown(self) -> NDArray[np.float32]:
        """Of a report of which nothing is known: NaN throughout."""
        return np.full((len(self.findings), len(self.places)), np.nan, np.float32)

    def of(self, mentions: Iterable[Mention], value: Sequence[float], *, cleaned: bool = True) -> NDArray[np.float32]:
        """Fill it in.

        A finding without a place is in `other_location`, if it has no place elsewhere in the report.

        Args:
            mentions: what a report tells; those that are not there are passed over.
            value: of each mention, 1 or NaN; a 1 wins over a NaN.
            cleaned: leave out places where a finding cannot be.

        Returns:
            `(findings, places)` float32.
        """
        cells: dict[int, float] = {}
        width = len(self.places)
        for mention, filled in zip(mentions, value, strict=True):
            for cell in self._cells(mention.finding, mention.places, cleaned):
                cells[cell] = 1.0 if filled == 1 or cells.get(cell) == 1 else filled
        placed = {cell // width for cell, filled in cells.items() if filled == 1 and (cell + 1) % width}
        matrix = np.zeros((len(self.findings), width), np.float32)
        kept = [cell for cell in cells if (cell + 1) % width or cell // width not in placed]
        matrix.ravel()[kept] = [cells[cell] for cell in kept]
        return matrix

    def _find_cells(self, name: str, places: frozenset[str], cleaned: bool) -> tuple[int, ...]:
        finding = self._by_name.get(name)
        names = possible_places(finding, places) if cleaned and finding is not None else places
        columns = [self._column[place] for place in names if place in self._column]
        first = self._row[name] * len(self.places)
        return tuple(first + column for column in columns or [self._column[OTHER_PLACE]])
