"""What a model can still tell once the region is gone: the converse of `Outside`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import torch

from sightline.data.cohort import Case
from sightline.evaluation.audit.answers import area_at_limits, is_labelled, predictions_of
from sightline.evaluation.audit.cutting import SEAM, continued, soft_regions
from sightline.evaluation.audit.drawn_tests import drawn_tests
from sightline.evaluation.audit.look import Look
from sightline.evaluation.audit.material import Material
from sightline.evaluation.audit.part import Array as Measured
from sightline.evaluation.audit.part import Columns, Part
from sightline.evaluation.audit.rules import ABOVE_CHANCE, USEFUL, at_best, below
from sightline.evaluation.audit.section import Number, Section, Shown, Verdict
from sightline.evaluation.audit.store import Folder
from sightline.evaluation.audit.subject import Subject
from sightline.evaluation.audit.words import plain, those
from sightline.evaluation.predictions import Predictions
from sightline.evaluation.scores import known_labels
from sightline.metrics import auroc_one_vs_rest, holm, mean_defined
from sightline.metrics.averages import Array


@dataclass(frozen=True)
class Inside(Part):
    """Erase the region, and see whether the classes can still be told apart.

    Where the region was, and a seam around it, the surroundings go on smoothly: the region leaves no hole and hardly an
    outline. What orders images by class then lies outside.

    Attributes:
        seam: how far beyond the region is erased, softly, a share of the shortest side.
        worst: cases to show.
    """

    name: ClassVar[str] = "inside"
    question: ClassVar[str] = "What can it still tell once the region is erased?"
    only_answers: ClassVar[bool] = True

    seam: float = SEAM
    worst: int = 8

    def unfit(self, subject: Subject, material: Material) -> str:
        """Regions are needed, and labels."""
        if not material.with_region:
            return "the cohort says of no image where the model may look"
        return "" if self.chosen(subject, material) else "no image with a region has a label"

    def chosen(self, subject: Subject, material: Material) -> Sequence[Case]:
        """Those with a region and a label."""
        del subject
        return tuple(case for case in material.with_region if is_labelled(case))

    def measure(self, subject: Subject, material: Material, look: Look) -> Mapping[str, Measured]:
        """Answers before and without the region, `(N, K)` each; NaN where there is no region."""
        del material
        soft = soft_regions(look.union.nan_to_num(), seam=self.seam)
        filled = torch.lerp(look.images, continued(look.images, (soft == 0).float()), soft[:, None])
        return {"before": look.probabilities, "erased": subject.probabilities(filled, look.known)}

    def conclude(self, subject: Subject, material: Material, columns: Columns, folder: Folder) -> Section:
        """Say how much of the class is left."""
        del folder
        rows = np.flatnonzero(~np.isnan(columns["erased"]).any(1))
        cases = [columns.cases[row] for row in rows]
        if not cases:
            return Section(self.name, self.question, "unknown", "Not tested: no region could be used.")
        erased = predictions_of(subject, cases, columns["erased"][rows])
        before = predictions_of(subject, cases, columns["before"][rows])
        areas, areas_before = _areas(erased), _areas(before)

        def statistic(weights: Array) -> dict[str, Array]:
            gone, whole = areas(weights), areas_before(weights)
            found = {"all": mean_defined(gone), "before": mean_defined(whole)}
            return found | {f"class {name}": gone[:, index] for index, name in enumerate(subject.classes)}

        found = drawn_tests(statistic, erased.patients, resampling=material.resampling, against=0.5)
        area, whole = (area_at_limits(found[name].difference, of) for name, of in (("all", erased), ("before", before)))
        if area.value != area.value:
            return Section(self.name, self.question, "unknown", "Not tested: there is one class only.")
        verdict = below(area, good=ABOVE_CHANCE, bad=USEFUL)
        names = [f"class {name}" for name in subject.classes]
        adjusted = dict(zip(names, holm([found[name].p for name in names]), strict=True))
        told = [name for name in names if found[name].difference.low > ABOVE_CHANCE and adjusted[name] < 0.05]
        verdict = at_best(verdict, "doubtful") if told else verdict
        numbers = [
            Number("AUC without the region", area, "", found["all"].p, "against 0.5"),
            Number("AUC of the whole image", whole),
            *(
                Number("AUC without the region", found[name].difference, name, float(adjusted[name]), "against 0.5")
                for name in names
                if found[name].difference.value == found[name].difference.value
            ),
        ]
        numbers = [_p_known(number) for number in numbers]
        return Section(
            self.name,
            self.question,
            verdict,
            f"{_MEANING[verdict]}{_classes(told)} With the region erased the AUC is {plain(area)}, on whole images "
            f"{plain(whole)}; guessing gives 0.5.",
            tuple(numbers),
            _surest(erased, self.worst),
            _LIMITS,
        )


_MEANING: Mapping[Verdict, str] = {
    "good": f"Next to nothing: the AUC stays below {ABOVE_CHANCE}.",
    "bad": f"Too much: without the region it is still a useful classifier, with an AUC above {USEFUL}.",
    "doubtful": f"Perhaps something: the AUC is not below {ABOVE_CHANCE} for certain, nor above {USEFUL}.",
}
_LIMITS = (
    "What is left outside may speak of the class for good reasons, such as the size of the heart beside the lungs; the "
    "part cannot tell a shortcut from a finding that the region leaves out.",
    "An image without its region is unlike any film, and a model may answer at random there although it reads the "
    "outside of a whole image; `outside` and `shortcuts` look for that.",
    "A trace of the outline of the region is left, and an outline can speak of the class.",
)


def _classes(told: Sequence[str]) -> str:
    return f" What is left tells of {those(told)}." if told else ""


def _areas(predictions: Predictions) -> Callable[[Array], Array]:
    truth = known_labels(predictions) if predictions.task == "multilabel" else predictions.labels
    return lambda weights: auroc_one_vs_rest(truth, predictions.probabilities, weights=weights)


def _p_known(number: Number) -> Number:
    unknown = number.p_value is None or number.p_value != number.p_value
    return replace(number, p_value=None, note="") if unknown else number


def _surest(predictions: Predictions, count: int) -> tuple[Shown, ...]:
    """Cases whose true class is answered most surely although its region is gone."""
    if predictions.task == "multilabel":
        truth = known_labels(predictions)
        table = np.where(truth == 1, predictions.probabilities, -np.inf)
    else:
        table = np.full(predictions.probabilities.shape, -np.inf)
        rows = np.arange(len(predictions))
        table[rows, predictions.labels] = predictions.probabilities[rows, predictions.labels]
    best = table.max(1)
    return tuple(
        Shown(
            predictions.cases[row],
            f"{predictions.classes[int(table[row].argmax())]}, which is true, at {best[row]:.2f} without the region",
            float(best[row]),
        )
        for row in np.argsort(-best, kind="stable")[:count]
        if np.isfinite(best[row])
    )
