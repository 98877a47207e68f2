from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from sightline.data.cohort import Cohort
from sightline.evaluation.audit import Folder, Look, Section, audit
from sightline.evaluation.audit.inside import Inside

from .made import Reads, cohort_of, labels_of, material_of, multilabels, pictures, subject_of
from .test_outside import OneOutput, Shifted

LABELS = labels_of(150)


def section_of(where: str, cohort: Cohort, images: Tensor, path: Path) -> Section:
    subject = subject_of(Reads(where), cohort, black_box=True)
    (found,) = audit(subject, material_of(cohort, images), [Inside()], Folder(path)).sections
    return found


def test_a_reader_of_the_region_can_tell_nothing_without_it(tmp_path: Path) -> None:
    found = section_of("region", cohort_of(LABELS), pictures(LABELS, region=True, corner=False), tmp_path)
    assert found.verdict == "good"
    gone, whole = found.numbers[:2]
    assert (gone.name, whole.name) == ("AUC without the region", "AUC of the whole image")
    assert gone.interval.low < 0.5 < gone.interval.high
    assert whole.interval.value == 1
    assert all(number.p_value is None or number.p_value > 0.05 for number in found.numbers)


def test_a_reader_of_the_corner_can_tell_all(tmp_path: Path) -> None:
    found = section_of("corner", cohort_of(LABELS), pictures(LABELS, region=True, corner=True), tmp_path)
    assert found.verdict == "bad"
    assert found.numbers[0].interval.value == 1
    classes = [number for number in found.numbers if number.of]
    assert [number.of for number in classes] == ["class none", "class left", "class right"]
    assert all(number.p_value == pytest.approx(3 * 2 / 201) for number in classes), "three tests, corrected by Holm"
    assert found.cases[0].why.endswith("at 1.00 without the region")


def test_a_single_class_that_is_told_keeps_from_good(tmp_path: Path) -> None:
    images = pictures(LABELS, region=True, corner=False)
    images[2::3, :, :4, :12] = 0.9  # the corner tells the last class from the others, and not those two
    images[2::3, :, 0:3, 8:11] = 1.0
    found = section_of("corner", cohort_of(LABELS), images, tmp_path)
    assert found.verdict in ("doubtful", "bad")
    assert "class right" in found.answer


def test_the_region_is_gone_and_the_rest_is_there() -> None:
    labels = labels_of(4)
    cohort, images = cohort_of(labels), torch.rand(4, 1, 32, 32)
    shown: list[Tensor] = []

    def answer(given: Tensor) -> Tensor:
        shown.append(given)
        return torch.zeros(len(given), 3)

    subject = subject_of(Reads("region"), cohort)
    object.__setattr__(subject, "answer", answer)
    for inner in (0.0, 1.0):
        images[..., 8:24, 8:24] = inner
        material = material_of(cohort, images.clone())
        Inside().measure(subject, material, Look(subject, cohort.cases, material.load(cohort.cases)))
    dark, bright = shown[1], shown[3]
    torch.testing.assert_close(dark, bright)
    assert torch.equal(dark[..., :6, :], images[..., :6, :])


@pytest.mark.parametrize("kind", ["one class", "no region", "no label", "two cases"])
def test_what_cannot_be_told_is_said(kind: str, tmp_path: Path) -> None:
    labels = {"one class": [1] * 9, "two cases": [0, 1], "no label": [-1] * 9}.get(kind, labels_of(9))
    cohort = cohort_of(labels, mask=None if kind == "no region" else Path("mask.png"))
    images = pictures([max(label, 0) for label in labels], region=True, corner=True)
    found = section_of("region", cohort, images, tmp_path)
    assert found.verdict == ("doubtful" if kind == "two cases" else "unknown")
    reasons = {
        "one class": "Not tested: there is one class only.",
        "no region": "Not tested: the cohort says of no image where the model may look.",
        "no label": "Not tested: no image with a region has a label.",
    }
    assert found.answer == reasons.get(kind, found.answer)


@pytest.mark.parametrize("where", ["region", "corner"])
@pytest.mark.parametrize("task", ["binary", "multilabel"])
def test_other_tasks(where: str, task: str, tmp_path: Path) -> None:
    labels = [index % 2 for index in range(400)] if task == "binary" else multilabels(400)
    cohort = cohort_of(labels, task=task, classes=("no", "yes") if task == "binary" else ("a", "b", "c"))  # type: ignore[arg-type]
    model, outputs = (OneOutput(where), 1) if task == "binary" else (Shifted(where), 3)
    images = pictures(labels, region=True, corner=where == "corner", seed=1)
    subject = subject_of(model, cohort, outputs=outputs)
    (found,) = audit(subject, material_of(cohort, images), [Inside()], Folder(tmp_path)).sections
    assert found.verdict == {"region": "good", "corner": "bad"}[where]
    assert np.isfinite([number.interval.value for number in found.numbers]).all()
