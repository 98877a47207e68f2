from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sightline.data.cohort import Cohort
from sightline.evaluation.audit import Columns, Folder, Look, Section, audit
from sightline.evaluation.audit.outside import CONTROL, EXCHANGED, STRANGE, Outside

from .made import Reads, cohort_of, labels_of, material_of, multilabels, pictures, subject_of


class Constant(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return torch.tensor([[0.0, 1.0, 0.5]]).expand(len(images), 3)


def section_of(
    model: nn.Module,
    cohort: Cohort,
    images: Tensor,
    path: Path,
    *,
    regions: Tensor | None = None,
    outputs: int | None = None,
) -> Section:
    subject = subject_of(model, cohort, outputs=outputs, black_box=True)
    (found,) = audit(subject, material_of(cohort, images, regions=regions), [Outside()], Folder(path)).sections
    return found


def numbers(section: Section, of: str) -> dict[str, float]:
    return {number.name: number.interval.value for number in section.numbers if number.of == of}


LABELS = labels_of(90)


def test_a_model_that_reads_the_region_is_not_moved(tmp_path: Path) -> None:
    found = section_of(Reads("region"), cohort_of(LABELS), pictures(LABELS, region=True, corner=True), tmp_path)
    assert found.verdict == "good"
    for words in (*EXCHANGED.values(), *STRANGE.values()):
        assert numbers(found, words) == {
            "share of decisions that flip": 0,
            "AUC after less before": 0,
            "macro-F1 after less before": 0,
            "mean change of probability": pytest.approx(0, abs=1e-6),
        }
    assert found.cases == ()


def test_a_model_that_reads_the_corner_is(tmp_path: Path) -> None:
    found = section_of(Reads("corner"), cohort_of(LABELS), pictures(LABELS, region=True, corner=True), tmp_path)
    assert found.verdict == "bad"
    swapped, another = (numbers(found, EXCHANGED[name]) for name in ("swapped", "another"))
    assert swapped["share of decisions that flip"] == 1, "a partner of another class, always"
    assert swapped["macro-F1 after less before"] == -1
    assert 0.5 < another["share of decisions that flip"] < 0.85, "two partners in three are of another class"
    assert numbers(found, "the seam alone (control)")["share of decisions that flip"] == 0
    assert len(found.cases) == 8
    assert "with the surroundings" not in found.cases[0].why
    assert found.cases[0].value == pytest.approx(1, abs=1e-3)


def test_a_blank_outside_leaves_a_reader_of_the_corner_nothing(tmp_path: Path) -> None:
    found = section_of(Reads("corner"), cohort_of(LABELS), pictures(LABELS, region=True, corner=True), tmp_path)
    assert numbers(found, STRANGE["blank"])["AUC after less before"] == -0.5


def test_a_constant_is_not_moved(tmp_path: Path) -> None:
    found = section_of(Constant(), cohort_of(LABELS), pictures(LABELS, region=True, corner=True), tmp_path)
    assert found.verdict == "good"
    assert numbers(found, EXCHANGED["another"])["mean change of probability"] == 0


def test_few_patients_settle_nothing(tmp_path: Path) -> None:
    labels = [0, 1]
    found = section_of(Reads("region"), cohort_of(labels), pictures(labels, region=True, corner=True), tmp_path)
    assert found.verdict == "doubtful", "no decision flips, but two cases say little"


def test_strange_surroundings_keep_from_good_and_do_not_make_bad(tmp_path: Path) -> None:
    class Grain(nn.Module):
        """Reads the region, and answers with the last class where the outside is of a single grey."""

        def forward(self, images: Tensor) -> Tensor:
            grey = images[..., :4, :].flatten(1).std(1) < 1e-4
            logits: Tensor = Reads("region")(images)
            return logits + torch.tensor([0.0, 0.0, 60.0]) * grey[:, None]

    found = section_of(Grain(), cohort_of(LABELS), pictures(LABELS, region=True, corner=False), tmp_path)
    assert numbers(found, EXCHANGED["another"])["share of decisions that flip"] == 0
    assert numbers(found, STRANGE["blank"])["share of decisions that flip"] == pytest.approx(2 / 3)
    assert found.verdict == "doubtful"


def test_one_source_and_one_class(tmp_path: Path) -> None:
    images = pictures(LABELS, region=True, corner=True)
    found = section_of(Reads("corner"), cohort_of(LABELS, sources=()), images, tmp_path / "a")
    assert numbers(found, EXCHANGED["swapped"])["share of decisions that flip"] == 1, "another class will do"
    same = [0] * 90
    images = pictures(same, region=True, corner=True)
    found = section_of(Reads("corner"), cohort_of(same, sources=("east",)), images, tmp_path / "b")
    assert numbers(found, EXCHANGED["swapped"]) == {}, "nobody to swap with"
    assert numbers(found, EXCHANGED["another"])["share of decisions that flip"] == 0, "the corners are all alike"
    assert found.verdict == "doubtful", "noise in the corner does move it"
    assert np.isnan(numbers(found, EXCHANGED["another"])["AUC after less before"])


def test_without_regions_it_says_so(tmp_path: Path) -> None:
    images = pictures(LABELS, region=True, corner=True)
    found = section_of(Reads("corner"), cohort_of(LABELS, mask=None), images, tmp_path / "a")
    assert (found.verdict, found.answer) == (
        "unknown",
        "Not tested: the cohort says of no image where the model may look.",
    )
    empty = torch.zeros(90, 1, 32, 32)
    found = section_of(Reads("corner"), cohort_of(LABELS), images, tmp_path / "b", regions=empty)
    assert found.verdict == "unknown"
    alone = replace(cohort_of([0, 1, 2]), cases=tuple(replace(c, patient="p") for c in cohort_of([0, 1, 2]).cases))
    found = section_of(Reads("corner"), alone, images[:3], tmp_path / "c")
    assert found.answer == "Not tested: surroundings are exchanged between patients, and there is one."


def test_an_image_without_a_region_is_left_out(tmp_path: Path) -> None:
    images = pictures(LABELS, region=True, corner=True)
    regions = torch.zeros(90, 1, 32, 32)
    regions[..., 8:24, 8:24] = 1.0
    regions[::5] = torch.nan
    cohort = cohort_of(LABELS)
    subject, material = subject_of(Reads("corner"), cohort), material_of(cohort, images, regions=regions)
    look = Look(subject, cohort.cases, material.load(cohort.cases))
    found = Outside().measure(subject, material, look)
    partners = Outside().partners(material, cohort.cases, "another")
    for name in (*STRANGE, CONTROL):
        assert np.flatnonzero(np.isnan(found[name]).any(1)).tolist() == list(range(0, 90, 5))
    lost = [row for row, partner in enumerate(partners) if row % 5 == 0 or partner in cohort.cases[::5]]
    assert len(lost) > 18, "some drew a partner whose region is unknown"
    assert np.flatnonzero(np.isnan(found["another"]).any(1)).tolist() == lost
    assert Outside().conclude(subject, material, Columns(cohort.cases, found), Folder(tmp_path)).verdict == "bad"


def test_nothing_of_the_partners_region_comes_along() -> None:
    labels = labels_of(12)
    cohort, images = cohort_of(labels), pictures(labels, region=False, corner=False)
    regions = torch.zeros(12, 1, 32, 32)
    regions[::2, :, 2:12, 2:12] = 1.0
    regions[1::2, :, 20:30, 20:30] = 1.0
    images[regions > 0] = 1.0  # bright inside, dark elsewhere
    shown: list[Tensor] = []
    subject = replace(subject_of(Reads("region"), cohort), answer=lambda x: (shown.append(x), Reads("region")(x))[1])
    material = material_of(cohort, images, regions=regions)
    Outside().measure(subject, material, Look(subject, cohort.cases, material.load(cohort.cases)))
    another = shown[-2]
    outside = regions.roll(1, 0) > 0  # where partners of the other kind are bright
    assert another[regions > 0].eq(1).all()
    assert another[outside].max() < 0.5


@pytest.mark.parametrize("kind", ["binary with one output", "multilabel", "volumes", "regions of each class"])
@pytest.mark.parametrize(("where", "verdict"), [("region", "good"), ("corner", "bad")])
def test_it_works_for(kind: str, where: str, verdict: str, tmp_path: Path) -> None:
    outputs, regions, model = None, None, Reads(where)
    if kind == "binary with one output":
        labels: list = [index % 2 for index in range(80)]
        cohort = cohort_of(labels, task="binary", classes=("no", "yes"))
        images, outputs = pictures(labels, region=True, corner=True), 1
        model = OneOutput(where)
    elif kind == "multilabel":
        labels = multilabels(80)
        cohort = cohort_of(labels, task="multilabel")
        images, model = pictures(labels, region=True, corner=True), Shifted(where)
    elif kind == "volumes":
        labels = labels_of(90)
        cohort = cohort_of(labels)
        images = pictures(labels, region=True, corner=True, shape=(4, 32, 32))
        regions = torch.zeros(90, 1, 4, 32, 32)
        regions[..., 8:24, 8:24] = 1.0
    else:
        cohort, images = cohort_of(LABELS), pictures(LABELS, region=True, corner=True)
        regions = torch.zeros(90, 3, 32, 32)
        regions[..., 8:24, 8:24] = 1.0
        regions[:, 1] = torch.nan
    found = section_of(model, cohort, images, tmp_path, regions=regions, outputs=outputs)
    assert found.verdict == verdict


class OneOutput(nn.Module):
    """Logit of the second class."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.inner = Reads(where, classes=2)

    def forward(self, images: Tensor) -> Tensor:
        logits = self.inner(images)
        return logits[:, 1:] - logits[:, :1]


class Shifted(nn.Module):
    """Logits around 0, for a sigmoid each."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.inner = Reads(where)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.inner(images)
        return logits - 12
