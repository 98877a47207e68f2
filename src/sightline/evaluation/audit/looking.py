"""Where the model looks: the share of relevance inside the region, against that of a map that knows nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from sightline.evaluation.audit.look import Look
from sightline.evaluation.audit.maps.case_table import write_case_table
from sightline.evaluation.audit.maps.decided import CONFIDENT, answered, confidence
from sightline.evaluation.audit.maps.group_means import FEWEST, group_means, groups_of, numbers_of
from sightline.evaluation.audit.maps.methods import USUAL, NamedExplainer
from sightline.evaluation.audit.maps.share_inside import (
    AT_LEAST_HALF,
    HARDLY_ANY,
    areas,
    concentration,
    no_regions,
    shares_inside,
    telling_regions,
)
from sightline.evaluation.audit.material import Material
from sightline.evaluation.audit.part import Array, Columns, Part, column
from sightline.evaluation.audit.section import Section, Shown, Verdict
from sightline.evaluation.audit.store import Folder
from sightline.evaluation.audit.subject import Subject
from sightline.evaluation.audit.words import counted, percent, percent_of
from sightline.metrics.intervals import Interval
from sightline.metrics.localisation import border_share

SHARE, AREA = "share of relevance inside", "area of the region"
"""Names of numbers: with the method after a comma, and as they are."""

Means: TypeAlias = Mapping[str, Mapping[str, Interval]]


@dataclass(frozen=True)
class Looking(Part):
    """Share of the relevance inside the region, per class answered and per source.

    The verdict rests on the *concentration* of the first method (see `share_inside`), over all cases: `good` where its
    lower limit is at least 0.5 and no class and no source lies below that for certain; `bad` where its upper limit is
    below 0.1; `doubtful` in between. So outside there is less than half of what an even map has there, or more than
    nine tenths of it.

    Attributes:
        methods: the first gives the verdict.
        border: width of the frame along the edges whose share of relevance is told, as a share of each side.
        shown: worst cases to show.
    """

    name: ClassVar[str] = "looking"
    question: ClassVar[str] = "Does the model look where it should?"

    methods: tuple[NamedExplainer, ...] = USUAL
    border: float = 0.05
    shown: int = 12

    def unfit(self, subject: Subject, material: Material) -> str:
        """Refuse models that only answer, and cohorts without regions."""
        return super().unfit(subject, material) or no_regions(material)

    def measure(self, subject: Subject, material: Material, look: Look) -> Mapping[str, Array]:
        """Measure shares of relevance inside the region and along the border."""
        del subject, material
        regions = telling_regions(look)
        values: dict[str, Array] = {
            "answered": answered(look),
            "confidence": column(confidence(look)),
            "area": areas(regions),
            "border area": column(border_share(torch.ones_like(regions), width=self.border)),
        }
        look.draw_together([method.explainer for method in self.methods])
        for index, method in enumerate(self.methods):
            maps = method.maps(look, needed=index == 0)
            values[f"inside {method.name}"] = shares_inside(maps, regions)
            values[f"border {method.name}"] = column(border_share(maps[:, None], width=self.border))
        return values

    def conclude(self, subject: Subject, material: Material, columns: Columns, folder: Folder) -> Section:
        """Compare shares with the area of the region."""
        groups = groups_of(columns, columns["answered"], subject.classes)
        judge = self.methods[0].name
        values = self._values(columns)
        means = group_means(values, groups, columns.patients, material.resampling)
        means |= group_means(self._asides(columns), {"": groups[""]}, columns.patients, material.resampling)
        overall = means[f"concentration, {judge}"]
        known = columns["area"][~np.isnan(columns["area"])]
        table = {name: columns[name] for name in ("area", *(f"inside {method.name}" for method in self.methods))}
        named = [subject.classes[index] for index in columns["answered"]]
        files = write_case_table(
            folder, self.name, columns.cases, {"answered": named, "confidence": columns["confidence"], **table}
        )
        return Section(
            self.name,
            self.question,
            _verdict(overall),
            self._answer(means),
            numbers_of(means),
            self._worst(columns, values[f"concentration, {judge}"], named),
            (
                "A map says what the answer rests on, not whether that is right: a model may look at the right place "
                "for a wrong reason.",
                f"Regions are known of {counted(len(known), 'case')} of {len(columns.cases)}; of the others nothing "
                "is said.",
                "Relevance is counted by its size, whatever it speaks for; the class explained is the likeliest one.",
            ),
            files,
        )

    def _values(self, columns: Columns) -> dict[str, NDArray[np.float64]]:
        """Columns to average over all cases, classes and sources, the most telling first."""
        judge, *others = (method.name for method in self.methods)
        return {
            f"{SHARE}, {judge}": columns[f"inside {judge}"],
            AREA: columns["area"],
            f"concentration, {judge}": concentration(columns[f"inside {judge}"], columns["area"]),
            **{f"{SHARE}, {name}": columns[f"inside {name}"] for name in others},
        }

    def _asides(self, columns: Columns) -> dict[str, NDArray[np.float64]]:
        """Columns to average over all cases only."""
        judge, *others = (method.name for method in self.methods)
        return {
            **{f"concentration, {name}": concentration(columns[f"inside {name}"], columns["area"]) for name in others},
            f"share of relevance along the border, {judge}": columns[f"border {judge}"],
            "area of the border": columns["border area"],
        }

    def _answer(self, means: Means) -> str:
        judge = self.methods[0].name
        share, area, found = (means[name] for name in (f"{SHARE}, {judge}", AREA, f"concentration, {judge}"))
        overall = found[""]
        if not np.isfinite(overall.value):
            return "Not tested: of no case are both a map and a region known."
        text = (
            f"{percent(share[''])} of the relevance that {judge} finds lies inside the region, which covers "
            f"{percent_of(area[''].value)} of the image: {_likened(overall)}."
        )
        if (overall.n_patients or 0) < FEWEST:
            return f"{text} That is of {counted(overall.n_patients or 0, 'patient')}, too few for a verdict."
        worst = _below(found, AT_LEAST_HALF)
        if worst and not overall.high < HARDLY_ANY:
            text += f" Least so for {worst[0]}, with {percent(share[worst[0]])} inside."
        return text

    def _worst(self, columns: Columns, found: NDArray[np.float64], named: list[str]) -> tuple[Shown, ...]:
        """Sure answers with the least relevance inside; any answers where none is sure."""
        judge = self.methods[0].name
        rows = np.flatnonzero(~np.isnan(found))
        sure = rows[columns["confidence"][rows] >= CONFIDENT]
        rows = sure if len(sure) else rows
        return tuple(
            Shown(
                columns.cases[row].id,
                f"{percent_of(columns[f'inside {judge}'][row])} of the relevance inside a region of "
                f"{percent_of(columns['area'][row])} of the image; answered {named[row]} with "
                f"{percent_of(columns['confidence'][row])}",
                float(found[row]),
            )
            for row in rows[np.argsort(found[rows], kind="stable")][: self.shown]
        )


def _verdict(found: Mapping[str, Interval]) -> Verdict:
    overall = found[""]
    if (overall.n_patients or 0) < FEWEST:
        return "unknown"
    if overall.high < HARDLY_ANY:
        return "bad"
    return "good" if overall.low >= AT_LEAST_HALF and not _below(found, AT_LEAST_HALF) else "doubtful"


def _below(found: Mapping[str, Interval], limit: float) -> list[str]:
    """Groups of enough patients whose interval lies below a limit, the lowest first."""
    below = [name for name, of in found.items() if name and (of.n_patients or 0) >= FEWEST and of.high < limit]
    return sorted(below, key=lambda name: found[name].value)


def _likened(found: Interval) -> str:
    if found.high < 0:
        return "less than in a map that is spread evenly"
    if found.value < HARDLY_ANY:
        return "about as much as in a map that is spread evenly"
    kept = f"of what an even map has outside, {percent_of(found.value)} is inside instead"
    return kept if found.value < AT_LEAST_HALF else f"well above an even map; {kept}"
