"""Whether explanations agree, and whether a class activation map hides what the answer rests on."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sightline.evaluation.audit.answers import at_limits
from sightline.evaluation.audit.cutting import SEAM
from sightline.evaluation.audit.look import Look
from sightline.evaluation.audit.maps.case_table import write_case_table
from sightline.evaluation.audit.maps.coarse import cells_of, densities, highest_overlap
from sightline.evaluation.audit.maps.decided import answered, confidence, decided
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
from sightline.evaluation.audit.section import Number, Section, Shown, Verdict
from sightline.evaluation.audit.store import Folder
from sightline.evaluation.audit.subject import Subject
from sightline.evaluation.audit.words import counted, percent, percent_of, plain
from sightline.metrics.intervals import Interval
from sightline.metrics.randomisation import map_similarity
from sightline.metrics.saliency import histogram_similarity

Floats: TypeAlias = NDArray[np.float64]

MOVED = 0.2
"""Change of a probability that counts as moved where the decision stays: a fifth of all that it can change."""
HIDDEN = 0.1
"""Share of hidden cases up to which they count as rare: at most one in ten, for certain."""
AGREE = 0.3
"""Rank correlation from which two methods count as speaking of the same places. Methods of other kinds seldom reach
more than 0.5 on models that are well behaved, and unrelated maps have 0."""


@dataclass(frozen=True)
class Agreement(Part):
    """Agreement of the methods with one another, and the check whether the class activation map hides something.

    Maps are compared by size on a coarse grid (`coarse`): their rank correlation, the overlap of their highest tenths,
    and their common mass. A case is *hidden* where the map of `cam` is clean, its concentration (see `share_inside`) at
    least 0.5, and yet

    - by the first method hardly any relevance is inside (a concentration below 0.1), or
    - the answer moves when what lies outside is replaced by its own low-pass, which keeps its brightness and coarse
      shape: another decision, or another probability of the class explained by 0.2 and more.

    The verdict is `bad` where the lower limit of the share of hidden cases is above 0.1. It is `good`
    where the upper limit is at most 0.1 and the first method's rank correlation with each other one is at least 0.3,
    lower limit. In between it is `doubtful`.

    Attributes:
        methods: the first is held against the class activation map.
        cam: name of the class activation map among the methods.
        shown: cases to show.
    """

    name: ClassVar[str] = "agreement"
    question: ClassVar[str] = "Do explanations agree, or does Grad-CAM hide what the answer rests on?"

    methods: tuple[NamedExplainer, ...] = USUAL
    cam: str = "Grad-CAM"
    shown: int = 12

    def unfit(self, subject: Subject, material: Material) -> str:
        """Refuse models that only answer, cohorts without regions, and methods without a class activation map."""
        reason = super().unfit(subject, material) or no_regions(material)
        if not reason and self.cam not in [method.name for method in self.methods[1:]]:
            reason = f"{self.cam} is not among the methods that are compared with {self.methods[0].name}"
        return reason

    def measure(self, subject: Subject, material: Material, look: Look) -> Mapping[str, Array]:
        """Compare the maps of each case, and ask again with its outside blurred."""
        del material
        regions = telling_regions(look)
        values: dict[str, Array] = {
            "answered": answered(look),
            "confidence": column(confidence(look)),
            "area": areas(regions),
        }
        grids = {}
        look.draw_together([method.explainer for method in self.methods])
        for index, method in enumerate(self.methods):
            maps = method.maps(look, needed=index == 0)
            grids[method.name] = densities(maps, cells_of(maps.ndim - 1))
            values[f"inside {method.name}"] = shares_inside(maps, regions)
        for first, second in combinations(grids, 2):
            values |= {f"{what} {first}, {second}": of for what, of in _compared(grids[first], grids[second]).items()}
        return values | _outside_blurred(subject, look)

    def conclude(self, subject: Subject, material: Material, columns: Columns, folder: Folder) -> Section:
        """Say how far the methods agree, and in how many cases something is hidden."""
        judge = self.methods[0].name
        found = self._found(columns)
        groups = groups_of(columns, columns["answered"], subject.classes)
        pairs = [f"{a.name}, {b.name}" for a, b in combinations(self.methods, 2)]
        compared = {
            f"{what} of {pair}": columns[f"{key} {pair}"]
            for what, key in (
                ("rank correlation", "rank"),
                ("overlap of the highest tenths", "top"),
                ("common mass", "mass"),
            )
            for pair in pairs
        }
        means = group_means(compared, {"": groups[""]}, columns.patients, material.resampling)
        change = {"change of the probability with the outside blurred": np.abs(columns["change"])}
        means |= group_means(change, groups, columns.patients, material.resampling)
        events = group_means(found, groups, columns.patients, material.resampling)
        events = {name: {group: at_limits(share) for group, share in of.items()} for name, of in events.items()}
        partners = [means[f"rank correlation of {judge}, {method.name}"][""] for method in self.methods[1:]]
        hidden = events[_HIDDEN][""]
        table = {name: columns[name] for name in columns.values if not name.startswith(("rank", "top", "mass"))}
        table["answered"] = np.array([subject.classes[index] for index in columns["answered"]])
        return Section(
            self.name,
            self.question,
            _verdict(hidden, partners),
            self._answer(hidden, events[_MOVES][""], found, partners),
            (*numbers_of(events), *numbers_of(means), _chance(means, pairs)),
            self._worst(columns, found[_HIDDEN]),
            (
                "Where both maps are clean, the answer may still rest on what neither shows.",
                "An image whose outside is a blur looks like none that the model was trained on; that may move an "
                "answer, too. The part on what lies outside replaces it in several ways.",
                f"{self.cam} is as coarse as the layer that it is drawn at; where it is so coarse that it never looks "
                "clean, it cannot be found to hide anything.",
            ),
            write_case_table(folder, self.name, columns.cases, table | {"hidden": found[_HIDDEN]}),
        )

    def _found(self, columns: Columns) -> dict[str, Floats]:
        """What each case shows, 1 for yes, NaN where it is not known."""
        area = columns["area"]
        cam = concentration(columns[f"inside {self.cam}"], area)
        other = concentration(columns[f"inside {self.methods[0].name}"], area)
        moved = np.where(
            np.isnan(columns["change"]), np.nan, (columns["flipped"] > 0) | (np.abs(columns["change"]) >= MOVED)
        )
        clean = _flag(cam >= AT_LEAST_HALF, cam)
        by_map = _flag((cam >= AT_LEAST_HALF) & (other < HARDLY_ANY), cam, other)
        by_answer = _flag((cam >= AT_LEAST_HALF) & (moved > 0), cam, moved)
        return {
            _HIDDEN: np.fmax(by_map, by_answer),
            _CLEAN: clean,
            f"{self.cam} clean, {self.methods[0].name} not": by_map,
            f"{self.cam} clean, and the blurred outside moves the answer": by_answer,
            _MOVES: moved,
        }

    def _answer(self, hidden: Interval, moves: Interval, found: Mapping[str, Floats], partners: list[Interval]) -> str:
        judge = self.methods[0].name
        agree = ", ".join(
            f"{plain(interval)} with {method.name}" for method, interval in zip(self.methods[1:], partners, strict=True)
        )
        agreed = f"The rank correlation of {judge}, on a coarse grid, is {agree}."
        if not hidden.n:
            return (
                f"{self.cam} could not be drawn, or no region is known, so nothing is said of what it hides. {agreed}"
            )
        counts = {name: int(np.nansum(flags)) for name, flags in found.items()}
        by_map, by_answer = (name for name in found if name not in (_HIDDEN, _CLEAN, _MOVES))
        text = f"{self.cam} looks clean in {counted(counts[_CLEAN], 'case')}"
        if counts[_CLEAN]:
            text += (
                f"; in {counts[by_map]} of them {judge} does not, in {counts[by_answer]} the outside moves the answer"
            )
        text += f". Something is hidden in {percent(hidden)} of the cases"
        return f"{text}; {percent(moves)} of all answers move with the blurred outside. {agreed}"

    def _worst(self, columns: Columns, hidden: Floats) -> tuple[Shown, ...]:
        """Hidden cases, those first whose two maps differ most."""
        judge = self.methods[0].name
        cam, other = columns[f"inside {self.cam}"], columns[f"inside {judge}"]
        apart = np.nan_to_num(cam - other)
        rows = np.flatnonzero(hidden > 0)
        return tuple(
            Shown(
                columns.cases[row].id,
                f"{percent_of(cam[row])} of {self.cam} inside, {percent_of(other[row])} of {judge}; "
                f"the blurred outside moves the probability by {100 * columns['change'][row]:+.0f} points"
                + (", and the decision with it" if columns["flipped"][row] > 0 else ""),
                float(apart[row]),
            )
            for row in rows[np.argsort(-apart[rows], kind="stable")][: self.shown]
        )


_HIDDEN, _CLEAN, _MOVES = "something hidden", "clean class activation map", "the blurred outside moves the answer"


def _compared(first: Tensor, second: Tensor) -> dict[str, Array]:
    return {
        "rank": column(map_similarity(first, second)),
        "top": column(highest_overlap(first, second)),
        "mass": histogram_similarity(first.numpy(), second.numpy()),
    }


def _outside_blurred(subject: Subject, look: Look) -> dict[str, Array]:
    """Ask again with the outside blurred, as `outside` does: change of the probability, and flip; NaN if not known."""
    after = look.with_outside_blurred(SEAM)
    rows, explained = np.arange(len(look)), look.explained
    change = after[rows, explained] - look.probabilities[rows, explained]
    flipped = decided(subject, after, explained) != decided(subject, look.probabilities, explained)
    return {"change": change, "flipped": np.where(look.known, flipped.astype(np.float64), np.nan)}


def _verdict(hidden: Interval, partners: list[Interval]) -> Verdict:
    if (hidden.n_patients or 0) < FEWEST:
        return "unknown"
    if hidden.low > HIDDEN:
        return "bad"
    return "good" if hidden.high <= HIDDEN and all(partner.low >= AGREE for partner in partners) else "doubtful"


def _flag(happened: NDArray[np.bool_], *of: Floats) -> Floats:
    unknown = np.logical_or.reduce([np.isnan(values) for values in of])
    return np.where(unknown, np.nan, happened.astype(np.float64))


def _chance(means: Mapping[str, Mapping[str, Interval]], pairs: list[str]) -> Number:
    """What maps that have nothing to do with each other score in the overlap of their highest tenths."""
    n = means[f"overlap of the highest tenths of {pairs[0]}"][""].n
    chance = Interval(0.1 / 1.9, np.nan, np.nan, n, "worked out")
    return Number("overlap of the highest tenths by chance", chance)
