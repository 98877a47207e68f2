from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sightline.data.cohort import Cohort
from sightline.evaluation.audit import Folder, Look, Section, audit
from sightline.evaluation.audit.planting import OBJECTS
from sightline.evaluation.audit.shortcuts import Shortcuts

from .made import Reads, cohort_of, labels_of, material_of, multilabels, pictures, subject_of
from .test_outside import OneOutput, Shifted

LABELS = labels_of(90)
FRAME = "frame of a wrong class"


class Corners(nn.Module):
    """Reads the region, but answers with the last class where a corner is white."""

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = Reads("region")(images)
        ends = slice(3), slice(-3, None)
        white = torch.stack([images[..., row, column].flatten(1).amax(1) for row in ends for column in ends])
        return logits + torch.tensor([0.0, 0.0, 60.0]) * (white.amax(0) > 0.6)[:, None]


def section_of(
    model: nn.Module, cohort: Cohort, images: Tensor, path: Path, *, outputs: int | None = None, **options: object
) -> Section:
    subject = subject_of(model, cohort, outputs=outputs, black_box=True)
    (found,) = audit(subject, material_of(cohort, images, **options), [Shortcuts()], Folder(path)).sections  # type: ignore[arg-type]
    return found


def numbers(section: Section, of: str) -> dict[str, float]:
    return {number.name: number.interval.value for number in section.numbers if number.of == of}


def test_a_reader_of_the_region_follows_no_mark(tmp_path: Path) -> None:
    found = section_of(Reads("region"), cohort_of(LABELS), pictures(LABELS, region=True, corner=True), tmp_path)
    assert found.verdict == "good"
    assert set(numbers(found, FRAME).values()) == {0}
    assert all(numbers(found, words)["share of decisions that flip"] == 0 for words in OBJECTS.values())
    assert found.limits[0].startswith("The cohort names no bias")


def test_a_frame_that_gives_the_class_away_is_found(tmp_path: Path) -> None:
    found = section_of(Reads("corner"), cohort_of(LABELS), pictures(LABELS, region=True, corner=True), tmp_path)
    assert found.verdict == "bad"
    assert numbers(found, FRAME)["probability drawn to the donor's class"] == pytest.approx(1, abs=1e-3)
    assert numbers(found, FRAME)["share of decisions drawn to the donor's class"] == 1
    assert "by the frame of an image of a wrong class" in found.answer


def test_a_frame_that_says_nothing_pulls_nowhere(tmp_path: Path) -> None:
    """Frames move this model's answers, but those of a wrong class no more than those of the own one."""
    labels = labels_of(150)
    images = pictures(labels, region=False, corner=False)
    shuffled = np.random.default_rng(1).integers(0, 3, 150).tolist()
    images[..., :4, :12] = pictures(shuffled, region=False, corner=True)[..., :4, :12]
    found = section_of(Reads("corner"), cohort_of(labels), images, tmp_path)
    pull = next(number for number in found.numbers if number.of == FRAME)
    assert pull.interval.low < 0 < pull.interval.high


class Torn(nn.Module):
    """Reads the region, but answers at random where the frame is not that of the region."""

    def forward(self, images: Tensor) -> Tensor:
        frame, region = images[:, 0, 0, 0], images[:, 0, 20, 20]
        random = 20 * torch.nn.functional.one_hot((900 * frame).long() % 3, 3)
        torn = (frame - region).abs() > 1e-4
        return torch.where(torn[:, None], random, Reads("region")(images))


def test_what_any_other_frame_does_is_no_pull(tmp_path: Path) -> None:
    labels = labels_of(150)
    images = pictures(labels, region=True, corner=False)
    images[:, 0, 20, 20] = images[:, 0, 0, 0] = torch.rand(150, generator=torch.Generator().manual_seed(0))
    found = section_of(Torn(), cohort_of(labels), images, tmp_path)
    pull = next(number for number in found.numbers if number.of == FRAME)
    assert abs(pull.interval.value) < 0.15, "a third of all frames draw to the class of any donor"
    assert pull.interval.low < 0 < pull.interval.high


def test_a_white_mark_in_a_corner_is_found_with_the_class_it_points_to(tmp_path: Path) -> None:
    found = section_of(Corners(), cohort_of(LABELS), pictures(LABELS, region=True, corner=False), tmp_path)
    assert found.verdict == "bad"
    square = numbers(found, OBJECTS["polygon"])
    assert square["share of decisions that flip"] == pytest.approx(2 / 3), "all but those of the last class"
    assert square["share of flips that go to one class"] == 1
    note = next(n.note for n in found.numbers if n.name == "share of flips that go to one class")
    assert note == "to right"
    assert numbers(found, OBJECTS["border"])["share of decisions that flip"] == 0
    assert OBJECTS["polygon"] in found.answer.split(".")[0]


def test_a_known_bias_is_swapped_and_left_away(tmp_path: Path) -> None:
    whole = pictures(LABELS, region=True, corner=True)
    biased = {
        "off": pictures(LABELS, region=True, corner=False),
        "swapped": torch.where(
            torch.arange(32)[:, None] < 4, pictures([(k + 1) % 3 for k in LABELS], region=False, corner=True), whole
        ),
    }
    found = section_of(Reads("corner"), cohort_of(LABELS), whole, tmp_path / "a", biased=biased)
    assert found.verdict == "bad"
    assert numbers(found, "the known mark of a wrong class")["share of decisions that flip"] == 1
    assert numbers(found, "the known mark left away")["AUC after less before"] < -0.3
    assert not found.limits[0].startswith("The cohort names no bias")
    found = section_of(Reads("region"), cohort_of(LABELS), whole, tmp_path / "b", biased=biased)
    assert found.verdict == "good"
    assert numbers(found, "the known mark of a wrong class")["share of decisions that flip"] == 0


def test_objects_cover_no_region_and_leave_the_rest() -> None:
    labels = labels_of(6)
    cohort, images = cohort_of(labels), pictures(labels, region=True, corner=False)
    regions = torch.ones(6, 1, 32, 32)
    regions[..., :9] = 0.0
    shown: list[Tensor] = []
    subject = replace(subject_of(Reads("region"), cohort), answer=lambda x: (shown.append(x), Reads("region")(x))[1])
    material = material_of(cohort, images, regions=regions)
    Shortcuts().measure(subject, material, Look(subject, cohort.cases, material.load(cohort.cases)))
    assert len(shown) == 1 + len(OBJECTS) + 2
    for made in shown:
        assert torch.equal(made[..., 9:], images[..., 9:])
    for made in shown[1:]:
        assert not torch.equal(made, images)


def test_donors_are_of_a_wrong_and_of_the_same_class() -> None:
    cohort = cohort_of(LABELS, pairs=True)
    material = material_of(cohort, torch.zeros(90, 1, 8, 8))
    for case in cohort.cases:
        towards, sign, wrong, same = Shortcuts()._aim(material, case)
        assert wrong is not None
        assert same is not None
        assert wrong.label == towards != case.label
        assert same.label == case.label
        assert sign == 1
        assert case.patient not in (wrong.patient, same.patient)


def test_donors_of_several_labels() -> None:
    cohort = cohort_of(multilabels(60), task="multilabel")
    material = material_of(cohort, torch.zeros(60, 1, 8, 8))
    signs = set()
    for case in cohort.cases:
        towards, sign, wrong, same = Shortcuts()._aim(material, case)
        if wrong is None:
            continue
        assert isinstance(case.label, tuple)
        assert isinstance(wrong.label, tuple)
        assert (case.label[towards], wrong.label[towards]) == ((0, 1) if sign == 1 else (1, 0))
        assert same is None or (isinstance(same.label, tuple) and same.label[towards] == case.label[towards])
        signs.add(sign)
    assert signs == {1, -1}


@pytest.mark.parametrize("kind", ["one class", "no region", "two cases", "no label"])
def test_degenerate_cohorts(kind: str, tmp_path: Path) -> None:
    labels = {"one class": [1] * 60, "two cases": [0, 1], "no label": [-1] * 60}.get(kind, LABELS)
    cohort = cohort_of(labels, mask=None if kind == "no region" else Path("mask.png"))
    images = pictures([max(label, 0) for label in labels], region=True, corner=True)
    regions = torch.full((len(labels), 1, 32, 32), torch.nan) if kind == "no region" else None
    found = section_of(Reads("corner"), cohort, images, tmp_path, regions=regions)
    if kind in ("one class", "no label"):
        assert numbers(found, FRAME) == {}
        assert found.verdict in ("good", "doubtful")
    if kind == "two cases":
        assert numbers(found, FRAME) == {}, "nobody else of the same class"
        assert found.verdict == "doubtful"
    if kind == "no region":
        assert found.verdict == "bad"


@pytest.mark.parametrize(("where", "verdict"), [("region", "good"), ("corner", "bad")])
@pytest.mark.parametrize("kind", ["binary", "multilabel", "volumes"])
def test_it_works_for(kind: str, where: str, verdict: str, tmp_path: Path) -> None:
    model: nn.Module = Reads(where)
    outputs, shape, labels = None, (32, 32), list[object](labels_of(80))
    cohort = cohort_of(labels)
    regions = None
    if kind == "binary":
        labels = [index % 2 for index in range(80)]
        cohort, model, outputs = cohort_of(labels, task="binary", classes=("no", "yes")), OneOutput(where), 1
    if kind == "multilabel":
        labels = list(multilabels(80))
        cohort, model = cohort_of(labels, task="multilabel"), Shifted(where)
    if kind == "volumes":
        shape = (6, 32, 32)  # type: ignore[assignment]
        regions = torch.zeros(80, 1, *shape)
        regions[..., 8:24, 8:24] = 1.0
    images = pictures(labels, region=True, corner=True, shape=shape)
    found = section_of(model, cohort, images, tmp_path, outputs=outputs, regions=regions)
    assert found.verdict == verdict
