"""Whether the maps may be believed: they must change with the weights, and show what moves the answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sightline.data.cohort import Case
from sightline.evaluation.audit.look import Look
from sightline.evaluation.audit.maps.faithfulness import gains
from sightline.evaluation.audit.maps.few_cases import partners_of, spread_over_classes
from sightline.evaluation.audit.maps.group_means import FEWEST
from sightline.evaluation.audit.maps.methods import USUAL, NamedExplainer
from sightline.evaluation.audit.maps.sanity import STAGES, likeness, what_stays
from sightline.evaluation.audit.material import Material
from sightline.evaluation.audit.part import Array, Columns, Part
from sightline.evaluation.audit.section import Number, Section, Shown, Verdict
from sightline.evaluation.audit.store import Folder
from sightline.evaluation.audit.subject import Subject
from sightline.evaluation.audit.words import counted, percent
from sightline.metrics.intervals import Interval
from sightline.metrics.patient_means import patient_means

STAYS = 0.5
"""Share of a map that may stay when layers become random, written down in `docs/experiments/randomisation.md`."""

FEWEST_MAPS = 6
"""Patients below which nothing is said of a method; less than elsewhere, because each of them costs many maps."""

_BETTER = "better than a random order"


@dataclass(frozen=True)
class Trust(Part):
    """Sanity checks and faithfulness of the methods that other parts draw maps with, on a few cases of every class.

    *Sanity*: what stays of the map (see `sanity.what_stays`) when the upper half of the layers is random, and when all
    are. *Faithfulness*: areas of deletion and insertion curves against those of a random order (`faithfulness.gains`).

    A method is `good` where less than half stays both times, upper limit, and the mean of the two gains is positive,
    lower limit; `bad` where more than half stays at one of them, lower limit, or the gain is negative, upper limit;
    `doubtful` in between. The verdict is that of the first method, which the other parts rest on.

    Attributes:
        methods: to test, the first for the verdict.
        asked: cases whose deletion and insertion curves are drawn.
        checked: cases, the first of them, that the sanity checks are done on.
        steps: of a curve.
    """

    name: ClassVar[str] = "trust"
    question: ClassVar[str] = "May the maps be believed?"

    methods: tuple[NamedExplainer, ...] = USUAL
    asked: int = 24
    checked: int = 12
    steps: int = 6

    def unfit(self, subject: Subject, material: Material) -> str:
        """Refuse models that only answer, and too few cases."""
        few = f"there are {len(material.cases)} cases, and {FEWEST} are needed" if len(material.cases) < FEWEST else ""
        return super().unfit(subject, material) or few

    def chosen(self, subject: Subject, material: Material) -> Sequence[Case]:
        """Draw a few cases of every class."""
        del subject
        drawn = {case.id for case in spread_over_classes(material.cases, self.asked, material.seed)}
        return tuple(case for case in material.cases if case.id in drawn)

    def measure(self, subject: Subject, material: Material, look: Look) -> Mapping[str, Array]:
        """Draw curves of all cases, and randomise the model for some."""
        look.draw_together([method.explainer for method in self.methods])
        maps = {method.name: method.maps(look) for method in self.methods}
        found = gains(subject, look, maps, steps=self.steps, seed=material.seed)
        values: dict[str, Array] = {f"{what} {name}": of for name, areas in found.items() for what, of in areas.items()}
        partners = partners_of(spread_over_classes(material.cases, self.checked, material.seed))
        rows = [row for row, case in enumerate(look.cases) if case.id in partners]
        some = look.rows(tuple(look.cases[row] for row in rows))
        others = tuple(partners[case.id] for case in some.cases)
        other = Look(subject, others, material.load(others)) if rows else some
        alike = likeness(subject, self.methods, some, other, seed=material.seed) if rows else {}
        for method in self.methods:
            for name in (*STAGES, "floor"):
                values[f"{name} {method.name}"] = of = np.full(len(look), np.nan)
                of[rows] = alike[method.name][name] if rows else []
        return values

    def conclude(self, subject: Subject, material: Material, columns: Columns, folder: Folder) -> Section:
        """Say of each method whether its maps may be believed."""
        del subject, folder
        found = {method.name: self._found(method.name, material, columns) for method in self.methods}
        verdicts = {name: _verdict(numbers) for name, numbers in found.items()}
        judge = self.methods[0].name
        checked = int((~np.isnan(columns[f"floor {judge}"])).sum())
        return Section(
            self.name,
            self.question,
            verdicts[judge],
            " ".join(_sentence(name, verdicts[name], found[name]) for name in found),
            tuple(Number(what, of, name) for name, numbers in found.items() for what, of in numbers.items()),
            tuple(self._worst(columns)),
            (
                "These are necessary conditions: a map that meets them may still miss what the answer rests on.",
                f"Weights were made random for {counted(checked, 'case')}, and cells deleted and inserted in "
                f"{counted(len(columns.cases), 'case')}.",
                "An image with blurred cells is unlike those that the model was trained on; gains of two models cannot "
                "be compared.",
                "A model that has learned nothing, or whose answer nothing moves, leaves faithfulness open.",
            ),
        )

    def _found(self, name: str, material: Material, columns: Columns) -> dict[str, Interval]:
        floor, patients, resampling = columns[f"floor {name}"], columns.patients, material.resampling
        stays = {_stays(stage): what_stays(columns[f"{stage} {name}"], floor, patients, resampling) for stage in STAGES}
        deletion, insertion = columns[f"deletion {name}"], columns[f"insertion {name}"]
        table = np.stack([(deletion + insertion) / 2, deletion, insertion], 1)
        names = (_BETTER, f"{_BETTER}, deletion", f"{_BETTER}, insertion")
        return stays | dict(zip(names, patient_means(table, patients, resampling=resampling), strict=True))

    def _worst(self, columns: Columns) -> list[Shown]:
        """Cases whose map by the first method does worse than a random order."""
        judge = self.methods[0].name
        gain = (columns[f"deletion {judge}"] + columns[f"insertion {judge}"]) / 2
        rows = np.flatnonzero(gain < 0)
        return [
            Shown(columns.cases[row].id, f"{judge} orders its cells worse than chance does", float(gain[row]))
            for row in rows[np.argsort(gain[rows], kind="stable")]
        ]


def _stays(stage: str) -> str:
    return f"stays with {'all layers' if stage == 'all' else f'the {stage} of the layers'} random"


def _verdict(found: Mapping[str, Interval]) -> Verdict:
    stays, gain = [found[_stays(stage)] for stage in STAGES], found[_BETTER]
    if any(of.low > STAYS for of in stays) or gain.high < 0:
        return "bad"
    if min((of.n_patients or 0) for of in (*stays, gain)) < FEWEST_MAPS:
        return "unknown"
    return "good" if all(of.high < STAYS for of in stays) and gain.low > 0 else "doubtful"


def _sentence(name: str, verdict: Verdict, found: Mapping[str, Interval]) -> str:
    told = {
        "good": "may be believed",
        "bad": "is not to be believed",
        "doubtful": "may be believed with care only",
        "unknown": "could not be tested",
    }
    upper, gain = found[_stays("upper half")], found[_BETTER]
    text = f"{name} {told[verdict]}"
    if verdict != "unknown":
        text += (
            f": with the upper half of the layers random {percent(upper)} of its maps stays, and to delete and insert "
            f"cells in its order beats a random order by {_points(gain)}"
        )
    return f"{text}."


def _points(gain: Interval) -> str:
    return f"{100 * gain.value:.0f} points of probability ({100 * gain.low:.0f} to {100 * gain.high:.0f})"
