from pathlib import Path

import numpy as np
import pytest
import torch

from sightline.attribution import LRP
from sightline.evaluation.audit import Folder, Look, Material, Section, Subject, UnfitError, audit
from sightline.evaluation.audit.looking import AREA, SHARE, Looking
from sightline.evaluation.audit.maps.case_table import read_case_table
from sightline.evaluation.audit.maps.methods import NamedExplainer

from .made import cohort_of, labels_of, material_of, middle, multilabels, pictures, subject_of, without
from .seers import BrokenOn, Everywhere, Flat, Inside, OneOutput, Sees

AREA_OF_MIDDLE = 0.25


def section_of(
    subject: Subject, material: Material, path: Path, part: Looking | None = None, *, chunk: int = 16
) -> Section:
    (section,) = audit(subject, material, [part or Looking()], Folder(path), chunk=chunk).sections
    return section


def number(section: Section, name: str, of: str = "") -> float:
    (found,) = [number.interval.value for number in section.numbers if (number.name, number.of) == (name, of)]
    return found


def test_a_model_that_reads_the_region_is_good_and_one_that_reads_the_corner_is_bad(tmp_path: Path) -> None:
    labels = labels_of(24)
    cohort, images = cohort_of(labels), pictures(labels, region=True, corner=True)
    found = {
        where: section_of(subject_of(Sees(where), cohort), material_of(cohort, images), tmp_path / where)
        for where in ("region", "corner")
    }
    assert [found[where].verdict for where in found] == ["good", "bad"]
    assert number(found["region"], f"{SHARE}, LRP") == pytest.approx(1.0, abs=1e-6)
    assert number(found["corner"], f"{SHARE}, LRP") == pytest.approx(0.0, abs=1e-6)
    assert number(found["corner"], AREA) == pytest.approx(AREA_OF_MIDDLE)
    assert number(found["corner"], "concentration, LRP") == pytest.approx((0 - 0.25) / 0.75, abs=1e-6)
    assert number(found["corner"], "share of relevance along the border, LRP") > 0.5
    assert "less than in a map that is spread evenly" in found["corner"].answer


def test_classes_and_sources_are_told_of_by_name(tmp_path: Path) -> None:
    labels = labels_of(24)
    cohort, images = cohort_of(labels), pictures(labels, region=True, corner=False)
    section = section_of(subject_of(Sees("region"), cohort), material_of(cohort, images), tmp_path)
    of = [number.of for number in section.numbers if number.name == f"{SHARE}, LRP"]
    assert of == ["", "class none", "class left", "class right", "source east", "source west"]
    assert number(section, f"{SHARE}, Grad-CAM") == pytest.approx(1.0, abs=1e-6)


def test_an_even_map_scores_the_area_and_is_bad(tmp_path: Path) -> None:
    labels = labels_of(12)
    cohort, images = cohort_of(labels), pictures(labels, region=True, corner=False)
    part = Looking((NamedExplainer("even", Everywhere()),))
    section = section_of(subject_of(Sees("region"), cohort), material_of(cohort, images), tmp_path, part)
    assert number(section, f"{SHARE}, even") == pytest.approx(AREA_OF_MIDDLE)
    assert number(section, "concentration, even") == pytest.approx(0.0, abs=1e-6)
    assert number(section, "share of relevance along the border, even") == pytest.approx(
        number(section, "area of the border")
    )
    assert section.verdict == "bad"


@pytest.mark.parametrize(("concentration", "verdict"), [(0.6, "good"), (0.3, "doubtful"), (0.05, "bad")])
def test_the_verdict_follows_the_concentration(tmp_path: Path, concentration: float, verdict: str) -> None:
    labels = labels_of(12)
    cohort, images = cohort_of(labels), pictures(labels, region=True, corner=False)
    part = Looking((NamedExplainer("some", Inside(0.25 + 0.75 * concentration)),))
    section = section_of(subject_of(Sees("region"), cohort), material_of(cohort, images), tmp_path, part)
    assert number(section, "concentration, some") == pytest.approx(concentration, abs=1e-5)
    assert section.verdict == verdict


def test_one_source_that_is_read_in_the_corner_spoils_a_good_verdict(tmp_path: Path) -> None:
    labels = labels_of(60)
    cohort = cohort_of(labels, sources=("a", "b", "c", "d", "e"))
    fooled = torch.tensor([case.source == "e" for case in cohort.cases])
    images = pictures(labels, region=True, corner=False)
    images[fooled] = pictures(labels, region=False, corner=True)[fooled]
    section = section_of(subject_of(Sees("region", "corner"), cohort), material_of(cohort, images), tmp_path)
    assert number(section, "concentration, LRP") > 0.5
    assert number(section, f"{SHARE}, LRP", "source e") == pytest.approx(0.0, abs=1e-6)
    assert section.verdict == "doubtful"
    assert "Least so for source e" in section.answer
    assert {shown.case for shown in section.cases} == {case.id for case in cohort.cases if case.source == "e"}


def test_the_worst_cases_are_sure_answers_with_least_inside(tmp_path: Path) -> None:
    labels = labels_of(12)
    cohort, images = cohort_of(labels), pictures(labels, region=True, corner=False)
    images[3] = pictures(labels, region=False, corner=True)[3]
    images[5] = 0.3 + 0.35 * (pictures(labels, region=False, corner=True)[5] - 0.3)  # too dark to be sure
    subject = subject_of(Sees("region", "corner"), cohort)
    section = section_of(subject, material_of(cohort, images), tmp_path, Looking(shown=2))
    assert section.cases[0].case == "case-003"
    assert section.cases[0].value == pytest.approx(-1 / 3, abs=1e-5)
    assert "case-005" not in [shown.case for shown in section.cases]


@pytest.mark.parametrize("axes", [2, 3])
def test_how_cases_are_grouped_changes_nothing(tmp_path: Path, axes: int) -> None:
    shape = (32, 32) if axes == 2 else (6, 32, 32)
    labels = labels_of(13)
    cohort = cohort_of(labels, pairs=True)
    images = pictures(labels, region=True, corner=True, shape=shape)
    subject = subject_of(Sees("region", "corner", shape=shape), cohort)
    tables = []
    for chunk in (3, 7):
        section = section_of(subject, material_of(cohort, images), tmp_path / str(chunk), chunk=chunk)
        tables.append(read_case_table(tmp_path / str(chunk), "looking"))
        assert np.isfinite(number(section, f"{SHARE}, LRP"))
    for name, cells in tables[0].items():
        if name.startswith(("inside", "confidence", "area")):
            assert [float(cell) for cell in cells] == pytest.approx([float(cell) for cell in tables[1][name]], rel=1e-5)
        else:
            assert cells == tables[1][name]


def test_a_single_output_is_told_by_the_class_decided_on(tmp_path: Path) -> None:
    labels = labels_of(20, 2)
    cohort = cohort_of(labels, task="binary", classes=("well", "ill"))
    images = pictures(labels, region=True, corner=False)
    subject = subject_of(OneOutput(Sees("region", classes=2)), cohort, outputs=1)
    section = section_of(subject, material_of(cohort, images), tmp_path)
    assert section.verdict == "good"
    assert {number.of for number in section.numbers} >= {"class well", "class ill"}


def test_of_several_labels_the_region_of_the_likeliest_counts_and_unknown_ones_are_left_out(tmp_path: Path) -> None:
    labels = multilabels(30)
    cohort = cohort_of(labels, task="multilabel")
    images = pictures(labels, region=True, corner=False)
    regions = middle(images).repeat(1, 3, 1, 1)
    regions[:, 1] = torch.nan
    section = section_of(subject_of(Sees("region"), cohort), material_of(cohort, images, regions=regions), tmp_path)
    told = read_case_table(tmp_path, "looking")
    assert {name for name, cell in zip(told["answered"], told["area"], strict=True) if not cell} == {"left"}
    assert number(section, f"{SHARE}, LRP") == pytest.approx(1.0, abs=1e-6)
    assert section.verdict == "good"


def test_a_single_label_that_may_be_there_or_not(tmp_path: Path) -> None:
    labels = [(float(index % 2),) for index in range(24)]
    cohort = cohort_of(labels, task="multilabel", classes=("ill",))
    images = pictures(labels, region=True, corner=True)
    section = section_of(subject_of(Sees("region", classes=1), cohort), material_of(cohort, images), tmp_path)
    assert section.verdict == "good"
    assert "class ill" in {number.of for number in section.numbers}


def test_regions_that_are_everything_or_nothing_say_nothing(tmp_path: Path) -> None:
    labels = labels_of(12)
    cohort, images = cohort_of(labels), pictures(labels, region=True, corner=False)
    regions = middle(images)
    regions[:6], regions[6:] = 0.0, 1.0
    section = section_of(subject_of(Sees("region"), cohort), material_of(cohort, images, regions=regions), tmp_path)
    assert section.verdict == "unknown"
    assert "Not tested" in section.answer
    assert section.cases == ()


def test_a_model_that_only_answers_and_a_cohort_without_regions_are_refused(tmp_path: Path) -> None:
    labels = labels_of(12)
    cohort, images = cohort_of(labels), pictures(labels, region=True, corner=False)
    model = Sees("region")
    answers = section_of(subject_of(model, cohort, black_box=True), material_of(cohort, images), tmp_path / "a")
    assert (answers.verdict, "only be asked" in answers.answer) == ("unknown", True)
    bare = without(cohort, mask=None)
    nowhere = section_of(subject_of(model, bare), material_of(bare, images), tmp_path / "b")
    assert (nowhere.verdict, "no case has a mask or gaze" in nowhere.answer) == ("unknown", True)


def test_few_patients_give_no_verdict(tmp_path: Path) -> None:
    labels = labels_of(12)
    cohort, images = cohort_of(labels, pairs=True), pictures(labels, region=True, corner=False)
    section = section_of(subject_of(Sees("region"), cohort), material_of(cohort, images), tmp_path)
    assert section.verdict == "unknown"
    assert "6 patients, too few" in section.answer


def test_a_method_that_does_not_suit_the_model_is_left_out_but_the_first_is_needed(tmp_path: Path) -> None:
    labels = labels_of(12)
    cohort, images = cohort_of(labels), pictures(labels, region=True, corner=False)
    material, subject = material_of(cohort, images), subject_of(Flat(), cohort)
    section = section_of(subject, material, tmp_path)
    assert np.isnan(number(section, f"{SHARE}, Grad-CAM"))
    assert np.isfinite(number(section, f"{SHARE}, LRP"))
    look = Look(subject, cohort.cases, material.load(cohort.cases))
    layer = NamedExplainer("LRP", LRP(layers=("nowhere",)))
    with pytest.raises(UnfitError, match="LRP cannot explain the model"):
        Looking((layer,)).measure(subject, material, look)


def test_a_map_that_is_not_finite_is_left_out_and_no_other(tmp_path: Path) -> None:
    labels = labels_of(14)
    cohort, images = cohort_of(labels), pictures(labels, region=True, corner=False)
    images[4, :, 0, 0] = 1.0
    part = Looking((NamedExplainer("odd", BrokenOn()),))
    section = section_of(subject_of(Sees("region"), cohort), material_of(cohort, images), tmp_path, part)
    cells = read_case_table(tmp_path, "looking")["inside odd"]
    assert [index for index, cell in enumerate(cells) if not cell] == [4]
    assert section.verdict == "good"
