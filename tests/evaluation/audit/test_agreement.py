from pathlib import Path

import numpy as np
import pytest
import torch

from sightline.attribution import GradCAM
from sightline.evaluation.audit import Folder, Material, Section, Subject, audit
from sightline.evaluation.audit.agreement import Agreement
from sightline.evaluation.audit.maps.case_table import read_case_table
from sightline.evaluation.audit.maps.methods import USUAL, NamedExplainer

from .made import cohort_of, labels_of, material_of, middle, multilabels, pictures, subject_of
from .seers import Everywhere, Flat, Hides, Inside, OneOutput, Sees


def section_of(
    subject: Subject, material: Material, path: Path, part: Agreement | None = None, *, chunk: int = 16
) -> Section:
    (section,) = audit(subject, material, [part or Agreement()], Folder(path), chunk=chunk).sections
    return section


def number(section: Section, name: str, of: str = "") -> float:
    (found,) = [number.interval.value for number in section.numbers if (number.name, number.of) == (name, of)]
    return found


BY_MAP, BY_ANSWER = "Grad-CAM clean, LRP not", "Grad-CAM clean, and the blurred outside moves the answer"


@pytest.mark.parametrize("shape", [(32, 32), (4, 32, 32)])
def test_grad_cam_that_hides_the_corner_is_found_out_by_the_map_and_by_the_answer(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    labels = labels_of(18)
    cohort, images = cohort_of(labels), pictures(labels, region=True, corner=True, shape=shape)
    section = section_of(subject_of(Hides(shape=shape), cohort), material_of(cohort, images), tmp_path)
    assert section.verdict == "bad"
    assert number(section, "clean class activation map") == 1.0
    assert number(section, BY_MAP) == 1.0
    assert number(section, BY_ANSWER) == 1.0
    assert number(section, "something hidden", "source west") == 1.0
    assert len(section.cases) == 12
    assert "100 % of Grad-CAM inside, 0 % of LRP" in section.cases[0].why
    assert any("the decision with it" in shown.why for shown in section.cases)


def test_what_both_maps_hide_the_answer_still_tells(tmp_path: Path) -> None:
    labels = labels_of(18)
    cohort, images = cohort_of(labels), pictures(labels, region=True, corner=True)
    part = Agreement((NamedExplainer("blind", Inside()), USUAL[1]))
    section = section_of(subject_of(Hides(), cohort), material_of(cohort, images), tmp_path, part)
    assert number(section, "Grad-CAM clean, blind not") == 0.0
    assert number(section, BY_ANSWER) == 1.0
    assert number(section, "something hidden") == 1.0
    assert section.verdict == "bad"


def test_a_model_that_reads_the_region_hides_nothing(tmp_path: Path) -> None:
    labels = labels_of(36)
    cohort, images = cohort_of(labels), pictures(labels, region=True, corner=True)
    section = section_of(subject_of(Sees("region"), cohort), material_of(cohort, images), tmp_path)
    assert section.verdict == "good"
    assert number(section, "something hidden") == 0.0
    hidden = section.numbers[0].interval
    assert (hidden.low, hidden.method) == (0.0, "Wilson score of patients")
    assert 0.05 < hidden.high < 0.1  # certain for 36 patients only so far
    assert number(section, "rank correlation of LRP, Grad-CAM") == pytest.approx(1.0, abs=1e-5)
    assert number(section, "overlap of the highest tenths of LRP, Grad-CAM") == pytest.approx(1.0, abs=1e-5)
    assert number(section, "change of the probability with the outside blurred") == pytest.approx(0.0, abs=1e-4)
    assert section.cases == ()


def test_a_class_activation_map_that_shows_the_corner_hides_nothing(tmp_path: Path) -> None:
    labels = labels_of(36)
    cohort, images = cohort_of(labels), pictures(labels, region=True, corner=True)
    section = section_of(subject_of(Sees("corner"), cohort), material_of(cohort, images), tmp_path)
    assert number(section, "clean class activation map") == 0.0
    assert number(section, "the blurred outside moves the answer") == 1.0
    assert number(section, "something hidden") == 0.0


def test_few_patients_are_doubtful_even_if_nothing_is_hidden_and_very_few_unknown(tmp_path: Path) -> None:
    labels = labels_of(16)
    cohort, images = cohort_of(labels), pictures(labels, region=True, corner=True)
    subject = subject_of(Sees("region"), cohort)
    assert section_of(subject, material_of(cohort, images), tmp_path / "a").verdict == "doubtful"
    pairs = cohort_of(labels, pairs=True)
    assert section_of(subject, material_of(pairs, images), tmp_path / "b").verdict == "unknown"


def test_methods_that_disagree_are_doubtful(tmp_path: Path) -> None:
    labels = labels_of(36)
    cohort, images = cohort_of(labels), pictures(labels, region=True, corner=True)
    part = Agreement((NamedExplainer("middle", Inside(0.9)), NamedExplainer("Grad-CAM", GradCAM(layer="first"))))
    section = section_of(subject_of(Sees("region"), cohort), material_of(cohort, images), tmp_path, part)
    assert number(section, "something hidden") == 0.0
    assert section.verdict == "doubtful"


def test_a_constant_map_correlates_with_nothing(tmp_path: Path) -> None:
    labels = labels_of(12)
    cohort, images = cohort_of(labels), pictures(labels, region=True, corner=True)
    part = Agreement((NamedExplainer("even", Everywhere()), USUAL[1]))
    section = section_of(subject_of(Sees("region"), cohort), material_of(cohort, images), tmp_path, part)
    assert np.isnan(number(section, "rank correlation of even, Grad-CAM"))
    assert section.verdict != "good"


def test_how_cases_are_grouped_changes_nothing(tmp_path: Path) -> None:
    labels = labels_of(11)
    cohort, images = cohort_of(labels), pictures(labels, region=True, corner=True)
    tables = []
    for chunk in (3, 7):
        section_of(subject_of(Hides(), cohort), material_of(cohort, images), tmp_path / str(chunk), chunk=chunk)
        tables.append(read_case_table(tmp_path / str(chunk), "agreement"))
    for name in ("change", "flipped", "inside LRP", "inside Grad-CAM", "hidden"):
        assert [float(c) for c in tables[0][name]] == pytest.approx([float(c) for c in tables[1][name]], abs=1e-5)


def test_a_single_output_and_unknown_regions(tmp_path: Path) -> None:
    labels = labels_of(24, 2)
    cohort = cohort_of(labels, task="binary", classes=("well", "ill"))
    images = pictures(labels, region=True, corner=True)
    regions = middle(images)
    regions[::4] = torch.nan
    subject = subject_of(OneOutput(Hides(classes=2)), cohort, outputs=1)
    section_of(subject, material_of(cohort, images, regions=regions), tmp_path)
    told = read_case_table(tmp_path, "agreement")
    for name in ("change", "flipped"):
        assert [bool(cell) for cell in told[name]] == [index % 4 != 0 for index in range(24)]
    ill = [index for index in range(24) if labels[index] and index % 4]
    assert all(float(told["hidden"][index]) == 1.0 for index in ill)


def test_of_several_labels_the_decision_on_the_likeliest_counts(tmp_path: Path) -> None:
    labels = [label if 1 in label else (1.0, 0.0, 0.0) for label in multilabels(24, unknown=False)]
    cohort = cohort_of(labels, task="multilabel")
    images = pictures(labels, region=True, corner=True)

    class Below(Hides):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return super().forward(images) - 1

    section = section_of(subject_of(Below(), cohort), material_of(cohort, images), tmp_path)
    assert number(section, BY_ANSWER) == 1.0
    assert set(read_case_table(tmp_path, "agreement")["flipped"]) == {"1.0"}


def test_the_outside_is_replaced_by_what_is_outside(tmp_path: Path) -> None:
    labels = [(1.0, 0.0, 0.0)] * 10
    cohort = cohort_of(labels, task="multilabel")
    images = torch.full((10, 1, 32, 32), 0.3)
    images[..., 8:24, 8:24] = 0.9
    section = section_of(subject_of(Sees("corner"), cohort), material_of(cohort, images), tmp_path)
    assert number(section, "change of the probability with the outside blurred") == pytest.approx(0.0, abs=1e-6)


def test_a_class_activation_map_must_be_among_the_methods(tmp_path: Path) -> None:
    labels = labels_of(12)
    cohort, images = cohort_of(labels), pictures(labels, region=True, corner=True)
    part = Agreement((USUAL[0], USUAL[2]))
    section = section_of(subject_of(Sees("region"), cohort), material_of(cohort, images), tmp_path, part)
    assert (section.verdict, "Grad-CAM is not among the methods" in section.answer) == ("unknown", True)


def test_without_a_class_activation_map_nothing_is_said_of_what_it_hides(tmp_path: Path) -> None:
    labels = labels_of(12)
    cohort, images = cohort_of(labels), pictures(labels, region=True, corner=True)
    section = section_of(subject_of(Flat(), cohort), material_of(cohort, images), tmp_path)
    assert section.verdict == "unknown"
    assert "could not be drawn" in section.answer
