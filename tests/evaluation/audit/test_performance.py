from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sightline.data.cohort import Cohort
from sightline.evaluation.audit import Folder, Number, Section, audit
from sightline.evaluation.audit.answers import predictions_of
from sightline.evaluation.audit.groups import groups_of
from sightline.evaluation.audit.performance import Performance, _gaps
from sightline.evaluation.scores import measure
from sightline.metrics import Resampling, auroc

from .made import Reads, cohort_of, labels_of, material_of, multilabels, pictures, subject_of


class Told(nn.Module):
    """Answers with the numbers written into the first pixels."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.classes = classes

    def forward(self, images: Tensor) -> Tensor:
        return 10 * images.flatten(1)[:, : self.classes]


def noisy(labels: list[int], noise: np.ndarray, seed: int = 0) -> Tensor:
    """Images that tell the class, the less the more noise, `(N,)`."""
    images = torch.zeros(len(labels), 1, 8, 8)
    drawn = np.random.default_rng(seed).normal(size=(len(labels), 3)) * noise[:, None]
    images.flatten(1)[:, :3] = torch.from_numpy(np.eye(3)[labels] + drawn).float()
    return images


def section_of(model: nn.Module, cohort: Cohort, images: Tensor, path: Path, **options: Any) -> Section:
    subject = subject_of(model, cohort, black_box=True, outputs=options.pop("outputs", None))
    (found,) = audit(subject, material_of(cohort, images), [Performance(**options)], Folder(path)).sections
    return found


def one(section: Section, name: str, of: str = "") -> Number:
    (found,) = [number for number in section.numbers if (number.name, number.of) == (name, of)]
    return found


def test_scores_are_those_of_an_evaluation(tmp_path: Path) -> None:
    labels = labels_of(90)
    cohort, images = cohort_of(labels, sex=["M", "F"] * 45), noisy(labels, np.full(90, 0.7))
    found = section_of(Told(), cohort, images, tmp_path)
    subject = subject_of(Told(), cohort)
    predictions = predictions_of(subject, cohort.cases, subject.probabilities(images))
    scores = measure(predictions, resampling=Resampling(200))
    for words, name in (("AUC", "auroc"), ("macro-F1", "macro_f1"), ("balanced accuracy", "balanced_accuracy")):
        assert one(found, words).interval == scores.metrics[name]
    for of in cohort.classes:
        assert one(found, "sensitivity", f"class {of}").interval == scores.per_class[of]["recall"]
        assert one(found, "specificity", f"class {of}").interval == scores.per_class[of]["specificity"]


def test_a_group_that_is_served_worse_is_found(tmp_path: Path) -> None:
    labels = labels_of(300)
    sexes = (["male"] * 3 + ["F"] * 3) * 50
    images = noisy(labels, np.where(np.array(sexes) == "F", 1.2, 0.1))
    found = section_of(Told(), cohort_of(labels, sources=(), sex=sexes), images, tmp_path)
    assert found.verdict == "bad"
    assert "serves sex female worse than all others" in found.answer
    gap, other = (one(found, "AUC less that of all others", f"sex {sex}") for sex in ("female", "male"))
    assert gap.interval.high < -0.05
    assert gap.interval.value == pytest.approx(-other.interval.value)
    assert gap.p_value is not None
    assert gap.p_value < 0.05


def test_a_gap_is_the_difference_of_two_areas() -> None:
    labels = labels_of(120)
    cohort = cohort_of(labels, sex=["M", "F", "F", "M", ""] * 24)
    subject = subject_of(Told(), cohort)
    predictions = predictions_of(subject, cohort.cases, subject.probabilities(noisy(labels, np.full(120, 0.8))))
    groups = groups_of(cohort.cases, least=20)
    found = _gaps(predictions, groups, Resampling(50))
    of = {sex: np.array([case.about["sex"] == sex for case in cohort.cases]) for sex in ("M", "F")}
    areas = {
        sex: [auroc(np.array(labels)[rows] == k, predictions.probabilities[rows, k]) for k in range(3)]
        for sex, rows in of.items()
    }
    expected = np.mean(np.subtract(areas["F"], areas["M"]))
    assert found["auroc", "sex female"][0].difference.value == pytest.approx(expected)
    right = predictions.predicted == labels
    recalls = {sex: [right[rows & (np.array(labels) == k)].mean() for k in range(3)] for sex, rows in of.items()}
    expected = np.mean(np.subtract(recalls["F"], recalls["M"]))
    assert found["recall", "sex female"][0].difference.value == pytest.approx(expected)


def test_p_values_are_corrected_by_holm(tmp_path: Path) -> None:
    labels = labels_of(300)
    ages = (["30"] * 3 + ["50"] * 3 + ["70"] * 3 + ["90"] * 3) * 25
    images = noisy(labels, np.where(np.array(ages) == "90", 1.5, 0.1))
    found = section_of(Told(), cohort_of(labels, sources=(), age=ages), images, tmp_path)
    gap = one(found, "AUC less that of all others", "age 80 and over")
    assert gap.p_value == pytest.approx(4 * 2 / 201), "four groups; the least p of 200 resamples is 2 / 201"


def test_equally_good_for_all(tmp_path: Path) -> None:
    labels = labels_of(240)
    images = noisy(labels, np.full(240, 0.05))
    found = section_of(Told(), cohort_of(labels, sex=(["M"] * 3 + ["F"] * 3) * 40), images, tmp_path)
    assert found.verdict == "good"
    assert found.cases == (), "no mistake to show"


def test_guessing_is_not_good(tmp_path: Path) -> None:
    labels = labels_of(150)
    found = section_of(Told(), cohort_of(labels), torch.rand(150, 1, 8, 8), tmp_path)
    assert found.verdict == "bad"
    assert found.answer.startswith("Not useful: an AUC of")


def test_the_surest_mistakes_come_first(tmp_path: Path) -> None:
    labels = labels_of(60)
    images = noisy(labels, np.full(60, 0.01))
    images.flatten(1)[7, :3] = torch.tensor([0.0, 0.0, 2.0])
    images.flatten(1)[9, :3] = torch.tensor([0.0, 0.5, 0.0])
    found = section_of(Told(), cohort_of(labels), images, tmp_path)
    assert [shown.case for shown in found.cases] == ["case-007", "case-009"]
    assert found.cases[0].why == "left taken for right at 1.00"


@pytest.mark.parametrize("kind", ["one class", "class absent", "two cases", "no label", "one patient"])
def test_degenerate_cohorts(kind: str, tmp_path: Path) -> None:
    labels = {
        "one class": [1] * 40,
        "class absent": [index % 2 for index in range(60)],
        "two cases": [0, 1],
        "no label": [-1] * 9,
    }.get(kind, [0, 1])
    cohort = cohort_of(labels, pairs=kind == "one patient")
    found = section_of(Told(), cohort, noisy([max(label, 0) for label in labels], np.full(len(labels), 0.01)), tmp_path)
    expected = {"class absent": "good", "two cases": "doubtful", "one patient": "doubtful"}
    assert found.verdict == expected.get(kind, "unknown")
    if kind == "no label":
        assert found.answer == "Not tested: no image has a label."
    if kind == "one class":
        assert found.answer == "The area cannot be told: the images are all of one class."


def test_a_class_of_one_source_alone_has_no_gap(tmp_path: Path) -> None:
    """Where each class comes from a source of its own, sources cannot be compared, and nothing is made up."""
    labels = [index // 30 for index in range(90)]
    cohort = cohort_of(labels)
    cases = tuple(replace(case, source="abc"[label]) for case, label in zip(cohort.cases, labels, strict=True))
    found = section_of(Told(), replace(cohort, cases=cases), noisy(labels, np.full(90, 0.2)), tmp_path)
    assert not [number for number in found.numbers if number.of.startswith("source")]


def test_several_labels_with_unknown_ones(tmp_path: Path) -> None:
    labels = multilabels(200)
    cohort = cohort_of(labels, task="multilabel", sex=["M", "F"] * 100)
    images = pictures(labels, region=True, corner=False)
    model = nn.Sequential(Reads("region"), Minus(12.0))
    found = section_of(model, cohort, images, tmp_path)
    assert found.verdict == "good"
    assert one(found, "AUC", "class left").interval.n == sum(row[1] == row[1] for row in labels)
    gap = one(found, "sensitivity less that of all others", "sex male")
    assert gap.interval.value == 0
    wrong = nn.Sequential(Reads("region"), Minus(-12.0))
    found = section_of(wrong, cohort, images, tmp_path / "b")
    assert "is absent and answered with 1.00" in found.cases[0].why


class Minus(nn.Module):
    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, logits: Tensor) -> Tensor:
        return logits - self.value
