"""Whether what lies outside the region moves the decisions: it is exchanged, and the answers are compared."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sightline.data.cohort import Case
from sightline.evaluation.audit.answers import SCORES, Moved, moved, shift
from sightline.evaluation.audit.cutting import (
    SEAM,
    continued,
    mean_outside,
    replace_outside,
    shuffled_outside,
    soft_regions,
)
from sightline.evaluation.audit.look import Look
from sightline.evaluation.audit.material import Material
from sightline.evaluation.audit.part import Array, Columns, Part
from sightline.evaluation.audit.partners import generator_of, other_class, other_source, partner_of
from sightline.evaluation.audit.rules import FEW_FLIPS, MANY_FLIPS, MARGIN, at_worst, stays, worst
from sightline.evaluation.audit.section import Section, Shown, Verdict
from sightline.evaluation.audit.store import Folder
from sightline.evaluation.audit.subject import Subject
from sightline.evaluation.audit.words import percent, percent_of, signed, those

CONTROL = "seam"
EXCHANGED: Mapping[str, str] = {
    "another": "the surroundings of another patient",
    "swapped": "the surroundings of a patient of another source and class",
}
"""Surroundings that are real ones; the verdict rests on them."""
STRANGE: Mapping[str, str] = {
    "blurred": "its surroundings blurred",
    "blank": "its surroundings at their mean",
    "noise": "its surroundings in random order",
}
"""Surroundings that no film has; they can keep a model from being good, but do not make it bad."""

_LIMITS = (
    "The surroundings of another patient do not fit the region to the pixel: where the partner's own region was, they "
    "are continued smoothly from what is around it, and they come in over a seam. The seam alone is the control.",
    "Blurred, blank and noisy surroundings are unlike any film. A model may answer differently because they are "
    "strange and not because it reads what is outside, so they count only against the verdict good.",
    "What looks like an effect of the outside may be a wrong region: findings that lie outside of it count as outside.",
)


@dataclass(frozen=True)
class Outside(Part):
    """Exchange what lies outside the region, and see whether the answers stay.

    The surroundings become those of another patient, drawn by the seed; those of a patient of another source and, where
    the labels allow, of another class (with one source, of another class); their own low-pass; their own mean; their
    own pixels in random order. Where the partner's region was, the partner's surroundings go on smoothly, so that
    nothing of its region comes along. `Outside.control` blurs the seam and leaves the rest.

    Attributes:
        seam: width over which the surroundings come in, a share of the shortest side.
        worst: cases to show.
    """

    name: ClassVar[str] = "outside"
    question: ClassVar[str] = "Does what lies outside the region move its decisions?"
    only_answers: ClassVar[bool] = True

    seam: float = SEAM
    worst: int = 8

    def unfit(self, subject: Subject, material: Material) -> str:
        """Regions are needed, and somebody to exchange surroundings with."""
        del subject
        if not material.with_region:
            return "the cohort says of no image where the model may look"
        alone = len({case.patient for case in material.with_region}) < 2
        return "surroundings are exchanged between patients, and there is one" if alone else ""

    def chosen(self, subject: Subject, material: Material) -> Sequence[Case]:
        """Those with a region."""
        del subject
        return material.with_region

    def measure(self, subject: Subject, material: Material, look: Look) -> Mapping[str, Array]:
        """Answers with each of the surroundings, `(N, K)` each; NaN where there is no region or no partner."""
        soft = soft_regions(look.union.nan_to_num(), seam=self.seam)
        outside = (soft < 1).float()
        found = {"before": look.probabilities}
        images, known = look.images, look.known
        seam = torch.lerp(images, continued(images, outside), (4 * soft * (1 - soft))[:, None])
        noise = [
            shuffled_outside(images[row], outside[row], generator_of(material.seed, self.name, "noise", case.id))
            for row, case in enumerate(look.cases)
        ]
        found[CONTROL] = subject.probabilities(seam, known)
        found["blurred"] = look.with_outside_blurred(self.seam)
        found["blank"] = subject.probabilities(replace_outside(images, mean_outside(images, outside), soft), known)
        found["noise"] = subject.probabilities(replace_outside(images, torch.stack(noise), soft), known)
        for variant in EXCHANGED:
            partners = self.partners(material, look.cases, variant)
            others, usable = self._surroundings(subject, material, partners, like=images)
            found[variant] = subject.probabilities(replace_outside(images, others, soft), known & usable)
        return found

    def partners(self, material: Material, cases: Sequence[Case], variant: str) -> list[Case | None]:
        """Draw whose surroundings each case gets, as the seed has it; None where nobody fits."""
        wishes: Sequence[Sequence[Callable[[Case, Case], bool]]]
        wishes = [[]] if variant == "another" else [[other_source, other_class], [other_source], [other_class]]
        drawn: list[Case | None] = []
        for case in cases:
            generator = generator_of(material.seed, self.name, variant, case.id)
            found = (partner_of(case, material.with_region, generator, *wanted) for wanted in wishes)
            drawn.append(next((partner for partner in found if partner is not None), None))
        return drawn

    def _surroundings(
        self, subject: Subject, material: Material, partners: Sequence[Case | None], *, like: Tensor
    ) -> tuple[Tensor, NDArray[np.bool_]]:
        """Return the partners' images without their regions, and which there are, `(N,)`."""
        rows = [row for row, partner in enumerate(partners) if partner is not None]
        usable = np.zeros(len(partners), bool)
        others = torch.zeros_like(like)
        if rows:
            cases = tuple(partner for partner in partners if partner is not None)
            theirs = Look(subject, cases, material.load(cases))
            region = soft_regions(theirs.union.nan_to_num(), seam=self.seam)
            others[rows] = torch.lerp(theirs.images, continued(theirs.images, (region == 0).float()), region[:, None])
            usable[rows] = theirs.known
        return others, usable

    def conclude(self, subject: Subject, material: Material, columns: Columns, folder: Folder) -> Section:
        """Say whether the outside matters."""
        del folder
        before = columns["before"]
        variants = {name: columns[name] for name in (CONTROL, *EXCHANGED, *STRANGE)}
        draws = material.resampling
        found = moved(subject, columns.cases, before, variants, resampling=draws)
        beyond = moved(
            subject,
            columns.cases,
            before,
            {name: values for name, values in variants.items() if name != CONTROL},
            resampling=draws,
            since=dict.fromkeys(variants, columns[CONTROL]),
        )
        judged = {name: stays(found[name], beyond_control=beyond[name]) for name in beyond}
        real = [judged[name] for name in EXCHANGED if name in judged]
        if not real:
            return Section(self.name, self.question, "unknown", "Not tested: no region of two patients could be used.")
        verdict = worst([*real, *(at_worst(judged[name], "doubtful") for name in STRANGE if name in judged)])
        return Section(
            self.name,
            self.question,
            verdict,
            _answer(verdict, found),
            tuple(
                number
                for name in (*EXCHANGED, *STRANGE, CONTROL)
                if name in found
                for number in found[name].numbers(_OF[name])
            ),
            shown(subject, columns.cases, before, {name: columns[name] for name in EXCHANGED}, _OF, self.worst),
            _LIMITS,
        )


_OF: Mapping[str, str] = {**EXCHANGED, **STRANGE, CONTROL: "the seam alone (control)"}


def shown(
    subject: Subject,
    cases: Sequence[Case],
    before: Array,
    after: Mapping[str, Array],
    words: Mapping[str, str],
    count: int,
) -> tuple[Shown, ...]:
    """Return the cases whose probabilities move most, each with the change that moves it most."""
    several = subject.task == "multilabel"
    shifts = np.stack([np.nan_to_num(shift(before, values, several=several)) for values in after.values()], 1)  # (N, V)
    names, found = list(after), []
    for row in np.argsort(-shifts.max(1), kind="stable")[:count]:
        column = int(shifts[row].argmax())
        if shifts[row, column] > 0:
            old, new = before[row], after[names[column]][row]
            of = int(np.abs(new - old).argmax())
            why = f"{subject.classes[of]} from {old[of]:.2f} to {new[of]:.2f}: {words[names[column]]}"
            found.append(Shown(cases[row].id, why, float(shifts[row, column])))
    return tuple(found)


def _answer(verdict: Verdict, found: Mapping[str, Moved]) -> str:
    name = max((name for name in EXCHANGED if name in found), key=lambda name: found[name].flips.value)
    most, control = found[name], found.get(CONTROL)
    scores = those(f"{words} {signed(most.scores[key])}" for key, words in SCORES.items())
    told = f"With {EXCHANGED[name]} {percent(most.flips)} of the decisions flip ({scores})"
    told += f"; {percent(control.flips)} do for the seam alone." if control else "."
    few, many = percent_of(FEW_FLIPS), percent_of(MANY_FLIPS)
    meaning = {
        "good": f"No: all scores stay within {MARGIN} and fewer than {few} of the decisions flip.",
        "bad": f"Yes: a score falls by more than {MARGIN}, or more than {many} of the decisions flip.",
        "doubtful": "Not settled: neither can be ruled out.",
    }
    return f"{meaning[verdict]} {told}"
