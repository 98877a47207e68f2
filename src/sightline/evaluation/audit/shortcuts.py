"""Whether marks foreign to the patient move the decisions: planted ones, known ones, and the frames of other images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sightline.data.cohort import Case
from sightline.evaluation.audit.answers import SCORES, Moved, at_limits, moved
from sightline.evaluation.audit.cutting import replace_outside, soft_regions
from sightline.evaluation.audit.look import Look
from sightline.evaluation.audit.material import Material
from sightline.evaluation.audit.outside import shown
from sightline.evaluation.audit.part import Array, Columns, Part
from sightline.evaluation.audit.partners import differing, generator_of, other_class, partner_of
from sightline.evaluation.audit.planting import OBJECTS, plant_object
from sightline.evaluation.audit.rules import FEW_FLIPS, MANY_FLIPS, MARGIN, PULL, below, stays, worst
from sightline.evaluation.audit.section import Number, Section, Verdict
from sightline.evaluation.audit.store import Folder
from sightline.evaluation.audit.subject import Subject
from sightline.evaluation.audit.words import percent, percent_of, signed, those
from sightline.metrics import Interval, bootstrap, patient_means, ratio

KNOWN: Mapping[str, str] = {"off": "the known mark left away", "swapped": "the known mark of a wrong class"}
FRAMES: Mapping[str, str] = {
    "wrong": "the frame of an image of a wrong class",
    "same": "the frame of an image of the same class (control)",
}
_LIMITS = (
    "An object that the model never met in training points to no class. Its flips say how easily something foreign "
    "moves the answer; that it moves nothing does not say that no other object would.",
    "The frame is the outer tenth of the image, outside of the region. A shortcut that lies elsewhere, or that marks "
    "no class in this cohort, is not found by it.",
    "Where the anatomy of the frame itself speaks of the class, such as the arms of patients in bed, it is told as a "
    "shortcut too.",
)


@dataclass(frozen=True)
class Shortcuts(Part):
    """Plant what is foreign to the patient outside of the region, and see whether decisions follow it.

    - Objects: a letter, a line of letters, a black border, a white square. Their flips go to no class in particular.
    - Where the cohort knows its bias: images without it, and with that of a wrong class.
    - Frames: the outer part of an image of a wrong class, a donor drawn by the seed, in place of the image's own. How
      much more probability, and how many more decisions, go over to the donor's class than with the frame of a donor of
      the same class is the pull of whatever stands in the frame. It finds shortcuts that nobody knew of. For several
      labels an image, it is one of those in which the two differ, and absence pulls as presence does.

    Attributes:
        frame: width of the frame, a share of the side; of a volume along all three axes.
        seam: width over which it comes in, a share of the shortest side.
        worst: cases to show.
    """

    name: ClassVar[str] = "shortcuts"
    question: ClassVar[str] = "Do marks that are foreign to the patient move its decisions?"
    only_answers: ClassVar[bool] = True

    frame: float = 0.1
    seam: float = 0.02
    worst: int = 8

    def measure(self, subject: Subject, material: Material, look: Look) -> Mapping[str, Array]:
        """Answers with each mark, `(N, K)` each; NaN where it could not be planted. Class and direction of the pull."""
        found = {"before": look.probabilities}
        for kind in OBJECTS:
            generators = [generator_of(material.seed, self.name, kind, case.id) for case in look.cases]
            found[kind] = subject.probabilities(plant_object(kind, look.images, look.union, generators))
        for bias in KNOWN:
            if bias in material.biased:
                found[bias] = subject.probabilities(material.load(look.cases, bias=bias).images)
        aims = [self._aim(material, case) for case in look.cases]
        found["towards"] = np.array([aim[0] for aim in aims], np.int64)
        found["sign"] = np.array([aim[1] for aim in aims], np.int64)
        kept = self._kept(look)
        for which, donors in zip(FRAMES, zip(*(aim[2:] for aim in aims), strict=True), strict=True):
            both = np.array([aim[2] is not None and aim[3] is not None for aim in aims])
            images = self._framed(material, look.images, donors, kept)
            found[f"frame_{which}"] = subject.probabilities(images, both)
            found[f"donor_{which}"] = np.array([-1 if donor is None else material.place[donor.id] for donor in donors])
        return found

    def _aim(self, material: Material, case: Case) -> tuple[int, int, Case | None, Case | None]:
        """Draw towards which class a wrong frame could pull, in which direction, and the two donors."""
        generator = generator_of(material.seed, self.name, "frame", case.id)
        wrong = partner_of(case, material.cases, generator, other_class)
        if wrong is None:
            return -1, 0, None, None
        labels = differing(case, wrong)
        label = labels[int(generator.integers(len(labels)))]
        same = partner_of(case, material.cases, generator, lambda own, other: _alike(own, other, label))
        sign = -1 if not isinstance(case.label, int) and case.label[label] == 1 else 1
        return label, sign, wrong, same

    def _kept(self, look: Look) -> Tensor:
        """1 where an image stays as it is: within the frame, and in its region, `(N, *S)`."""
        size = tuple(look.images.shape[2:])
        within = torch.ones(1, *size)
        for axis, side in enumerate(size, start=1):
            width = max(1, round(self.frame * side))
            within.narrow(axis, 0, width).zero_()
            within.narrow(axis, side - width, width).zero_()
        regions = torch.maximum(within, (look.union.nan_to_num() > 0).float())
        return soft_regions(regions, seam=self.seam)

    def _framed(self, material: Material, images: Tensor, donors: Sequence[Case | None], kept: Tensor) -> Tensor:
        others = images.clone()
        rows = [row for row, donor in enumerate(donors) if donor is not None]
        if rows:
            others[rows] = material.load([donor for donor in donors if donor is not None]).images
        return replace_outside(images, others, kept)

    def conclude(self, subject: Subject, material: Material, columns: Columns, folder: Folder) -> Section:
        """Say whether decisions follow the marks."""
        del folder
        before = columns["before"]
        marks = {name: columns[name] for name in (*KNOWN, *OBJECTS) if name in columns.values}
        found = moved(subject, columns.cases, before, marks, resampling=material.resampling)
        pulls = _pulls(subject, columns, material)
        verdicts: dict[str, Verdict] = {name: stays(found[name]) for name in found}
        if pulls:
            verdicts["frame"] = worst(below(pull, good=PULL, bad=PULL) for pull in pulls.values())
        verdict = worst(verdicts.values())
        numbers = [number for name in KNOWN if name in found for number in found[name].numbers(_OF[name])]
        numbers += [Number(name, pull, "frame of a wrong class") for name, pull in pulls.items()]
        for name in OBJECTS:
            numbers += found[name].numbers(_OF[name])
            numbers += _favourite(subject, columns, name, material)
        after = marks | {"frame_wrong": columns["frame_wrong"]}
        return Section(
            self.name,
            self.question,
            verdict,
            _answer(verdict, verdicts, found, pulls),
            tuple(numbers),
            shown(subject, columns.cases, before, after, _OF, self.worst),
            _LIMITS if "swapped" in found else (_NO_BIAS, *_LIMITS),
        )


_NO_BIAS = "The cohort names no bias of its own, so no mark is known to go with a class."
_OF: Mapping[str, str] = {**KNOWN, **OBJECTS, "frame_wrong": FRAMES["wrong"]}


def _alike(own: Case, other: Case, label: int) -> bool:
    """Whether two cases agree on what the wrong frame differs in."""
    if isinstance(own.label, int) or isinstance(other.label, int):
        return own.label == other.label
    return own.label[label] == other.label[label]


def _pulls(subject: Subject, columns: Columns, material: Material) -> dict[str, Interval]:
    """How much more goes over to the donor's class with a wrong frame than with one of the same class.

    A resample of patients counts an image as often as both its own patient and its donor are drawn (Owen 2007,
    doi:10.1214/07-AOAS122), since another cohort would have had other donors, too.
    """
    wrong, same = columns["frame_wrong"], columns["frame_same"]
    known = ~np.isnan(wrong).any(1) & ~np.isnan(same).any(1)
    if not known.any():
        return {}
    towards, sign = columns["towards"], columns["sign"]
    before = _decided(subject, columns["before"], towards)
    drawn = {}
    for which, after in (("wrong", wrong), ("same", same)):
        flips = np.maximum(sign * (_decided(subject, after, towards) - before), 0)
        more = sign * (_of(after, towards) - _of(columns["before"], towards))
        values = np.stack([more, flips], 1)[known]  # (M, 2)
        drawn[which] = values, columns[f"donor_{which}"][known]

    def pull(weights: Array) -> dict[int, Array]:
        means = {}
        for which, (values, donors) in drawn.items():
            counted = weights[:, known] * weights[:, donors]
            means[which] = ratio(counted @ values, counted.sum(1, keepdims=True))
        return dict(enumerate((means["wrong"] - means["same"]).T))

    found = bootstrap(pull, columns.patients, resampling=material.resampling)
    n, people = int(known.sum()), len({columns.cases[row].patient for row in np.flatnonzero(known)})
    method = "percentile bootstrap of patients, as those marked and as donors"
    probability, decisions = (replace(found[index], n=n, n_patients=people, method=method) for index in (0, 1))
    return {
        "probability drawn to the donor's class": probability,
        "share of decisions drawn to the donor's class": at_limits(decisions),
    }


def _of(probabilities: Array, classes: NDArray[np.int64]) -> Array:
    picked: Array = probabilities[np.arange(len(classes)), np.maximum(classes, 0)]
    return picked


def _decided(subject: Subject, probabilities: Array, classes: NDArray[np.int64]) -> Array:
    decisions = subject.decide(np.nan_to_num(probabilities))
    return (_of(decisions, classes) if decisions.ndim == 2 else decisions == classes).astype(np.float64)


def _favourite(subject: Subject, columns: Columns, name: str, material: Material) -> list[Number]:
    """Where flips go: the share that go to the class that most go to; for one label an image."""
    if subject.task == "multilabel":
        return []
    old, new = subject.decide(columns["before"]), subject.decide(columns[name])
    rows = np.flatnonzero(old != new)
    if not rows.size:
        return []
    favourite = int(np.bincount(new[rows], minlength=len(subject.classes)).argmax())
    patients = [columns.cases[row].patient for row in rows]
    values = (new[rows] == favourite).astype(np.float64)[:, None]
    (share,) = patient_means(values, patients, resampling=material.resampling)
    return [
        Number(
            "share of flips that go to one class",
            at_limits(share),
            OBJECTS[name],
            None,
            f"to {subject.classes[favourite]}",
        )
    ]


def _answer(
    verdict: Verdict, verdicts: Mapping[str, Verdict], found: Mapping[str, Moved], pulls: Mapping[str, Interval]
) -> str:
    told = []
    if "swapped" in found:
        scores = those(f"{words} {signed(found['swapped'].scores[key])}" for key, words in SCORES.items())
        told.append(f"With the known mark of a wrong class {percent(found['swapped'].flips)} flip ({scores}).")
    if pulls:
        probability, decisions = pulls.values()
        told.append(
            f"The frame of a wrong class draws {signed(probability)} of probability and {percent(decisions)} of the "
            "decisions to that class."
        )
    most = max(OBJECTS, key=lambda name: found[name].flips.value)
    told.append(f"Of the planted objects {OBJECTS[most]} flips most: {percent(found[most].flips)}.")
    moving = [_OF.get(name, FRAMES["wrong"]) for name, each in verdicts.items() if each == "bad"]
    few, many = percent_of(FEW_FLIPS), percent_of(MANY_FLIPS)
    meaning = {
        "good": f"No: all scores stay within {MARGIN}, and fewer than {few} of the decisions flip.",
        "bad": f"Yes, by {those(moving)}: a score falls by more than {MARGIN}, more than {many} of the decisions flip, "
        f"or more than {PULL} goes over to the donor's class.",
        "doubtful": "Not settled: neither can be ruled out.",
    }
    return " ".join([meaning[verdict], *told])
