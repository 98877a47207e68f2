from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from sightline.attribution import LRP, GradientTimesInput
from sightline.evaluation.audit import Columns, Folder, Look, Material, Section, Subject, audit
from sightline.evaluation.audit.maps.methods import NamedExplainer
from sightline.evaluation.audit.trust import Trust

from .made import cohort_of, labels_of, material_of, pictures, subject_of
from .seers import Edges, Everywhere, OneOutput, Sees, Turned, little_network

LRP_ALONE = (NamedExplainer("LRP", LRP()),)


def section_of(subject: Subject, material: Material, path: Path, part: Trust, *, chunk: int = 16) -> Section:
    (section,) = audit(subject, material, [part], Folder(path), chunk=chunk).sections
    return section


def number(section: Section, name: str, of: str) -> float:
    (found,) = [number.interval.value for number in section.numbers if (number.name, number.of) == (name, of)]
    return found


BETTER, UPPER = "better than a random order", "stays with the upper half of the layers random"


def spotted(count: int) -> tuple[list[int], torch.Tensor]:
    labels = labels_of(count)
    return labels, pictures(labels, region=True, corner=False)


def test_deleting_what_the_model_reads_beats_chance_and_the_map_turned_round_does_worse(tmp_path: Path) -> None:
    labels, images = spotted(16)
    cohort = cohort_of(labels)
    methods = (*LRP_ALONE, NamedExplainer("turned", Turned(LRP())))
    part = Trust(methods, asked=12, checked=2)
    section = section_of(subject_of(Sees("region"), cohort), material_of(cohort, images), tmp_path, part)
    assert number(section, BETTER, "LRP") > 0.1
    assert number(section, BETTER, "turned") < -0.1
    assert number(section, f"{BETTER}, deletion", "LRP") > 0
    assert number(section, f"{BETTER}, insertion", "LRP") > 0
    assert "turned is not to be believed" in section.answer


def test_a_filter_of_the_image_stays_when_the_weights_are_random(tmp_path: Path) -> None:
    labels, images = spotted(12)
    cohort = cohort_of(labels)
    methods = (NamedExplainer("edges", Edges()), NamedExplainer("gradient", GradientTimesInput()))
    part = Trust(methods, asked=12, checked=12, steps=2)
    section = section_of(subject_of(little_network(), cohort), material_of(cohort, images), tmp_path, part)
    assert number(section, UPPER, "edges") == pytest.approx(1.0)
    assert number(section, "stays with all layers random", "edges") == pytest.approx(1.0)
    assert number(section, "stays with all layers random", "gradient") < 0.5
    assert section.verdict == "bad"
    assert "edges is not to be believed" in section.answer


def test_a_network_that_has_learned_gives_a_map_that_may_be_believed(tmp_path: Path) -> None:
    labels, images = spotted(24)
    model, truth = little_network(seed=1), torch.tensor(labels)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(200):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), truth).backward()
        optimizer.step()
    assert bool((model.eval()(images).argmax(1) == truth).all())
    cohort = cohort_of(labels)
    section = section_of(
        subject_of(model, cohort), material_of(cohort, images), tmp_path, Trust(LRP_ALONE, checked=12, steps=6)
    )
    assert number(section, BETTER, "LRP") > 0.05
    assert number(section, "stays with all layers random", "LRP") < 0.5


def test_an_even_map_says_nothing_and_is_not_judged(tmp_path: Path) -> None:
    labels, images = spotted(12)
    cohort = cohort_of(labels)
    part = Trust((NamedExplainer("even", Everywhere()),), steps=2)
    section = section_of(subject_of(Sees("region"), cohort), material_of(cohort, images), tmp_path, part)
    assert section.verdict == "unknown"
    assert np.isnan(number(section, BETTER, "even"))
    assert np.isnan(number(section, UPPER, "even"))


@pytest.mark.parametrize(
    ("upper", "whole", "gain", "verdict"),
    [
        (0.2, 0.1, 0.1, "good"),
        (0.9, 0.1, 0.1, "bad"),
        (0.2, 0.9, 0.1, "bad"),
        (0.2, 0.1, -0.1, "bad"),
        (0.2, 0.1, 0.0, "doubtful"),
        (0.5, 0.1, 0.1, "doubtful"),
        (np.nan, 0.1, 0.1, "unknown"),
    ],
)
def test_the_verdict_needs_both_that_maps_change_and_that_they_beat_chance(
    tmp_path: Path, upper: float, whole: float, gain: float, verdict: str
) -> None:
    labels, images = spotted(20)
    cohort = cohort_of(labels)
    spread = 0.02 * np.random.default_rng(0).standard_normal(20)
    spread -= spread.mean()
    values = {"upper half": upper, "all": whole, "floor": 0.0, "deletion": gain, "insertion": gain}
    columns = Columns(cohort.cases, {f"{name} LRP": value + spread for name, value in values.items()})
    columns.values["floor LRP"][:] = 0.0
    subject, material = subject_of(Sees("region"), cohort), material_of(cohort, images)
    assert Trust(LRP_ALONE).conclude(subject, material, columns, Folder(tmp_path)).verdict == verdict


def test_few_cases_of_every_class_are_chosen_in_the_order_of_the_cohort() -> None:
    labels = [0] * 50 + [1] * 5 + [2] * 5
    cohort = cohort_of(labels)
    material = material_of(cohort, pictures(labels, region=True, corner=False))
    chosen = Trust(asked=9).chosen(subject_of(Sees("region"), cohort), material)
    assert sorted(case.label for case in chosen) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert list(chosen) == sorted(chosen, key=lambda case: case.id)
    more = Trust(asked=12).chosen(subject_of(Sees("region"), cohort), material)
    assert set(chosen) <= set(more)


def test_how_cases_are_grouped_changes_nothing(tmp_path: Path) -> None:
    labels, images = spotted(14)
    cohort = cohort_of(labels)
    subject, material = subject_of(little_network(), cohort), material_of(cohort, images)
    part = Trust((*LRP_ALONE, NamedExplainer("edges", Edges())), asked=12, checked=5, steps=3)
    columns = []
    for chunk in (3, 7):
        groups = [cohort.cases[start : start + chunk] for start in range(0, 14, chunk)]
        chosen = {case.id for case in part.chosen(subject, material)}
        pieces = []
        subject.model.eval()
        for group in groups:
            cases = tuple(case for case in group if case.id in chosen)
            pieces.append(part.measure(subject, material, Look(subject, cases, material.load(cases))))
        columns.append({name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]})
    assert columns[0].keys() == columns[1].keys()
    for name, values in columns[0].items():
        np.testing.assert_allclose(values, columns[1][name], atol=2e-4, err_msg=name)
        assert values.shape == (12,)
    assert int((~np.isnan(columns[0]["floor LRP"])).sum()) == 5


def test_the_model_comes_back_as_it_was(tmp_path: Path) -> None:
    labels, images = spotted(12)
    cohort, model = cohort_of(labels), little_network().train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.random.get_rng_state()
    section_of(subject_of(model, cohort), material_of(cohort, images), tmp_path, Trust(LRP_ALONE, steps=2))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(part.training for part in model.modules())
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not any(part._forward_hooks or part._backward_hooks for part in model.modules())


def test_a_single_output_in_three_axes(tmp_path: Path) -> None:
    labels, shape = labels_of(12, 2), (4, 32, 32)
    cohort = cohort_of(labels, task="binary", classes=("well", "ill"))
    images = pictures(labels, region=True, corner=False, shape=shape)
    subject = subject_of(OneOutput(Sees("region", classes=2, shape=shape)), cohort, outputs=1)
    part = Trust(LRP_ALONE, asked=12, checked=2, steps=3)
    section = section_of(subject, material_of(cohort, images), tmp_path, part)
    assert number(section, BETTER, "LRP") > 0


def test_too_few_cases_are_refused(tmp_path: Path) -> None:
    labels, images = spotted(9)
    cohort = cohort_of(labels)
    section = section_of(subject_of(Sees("region"), cohort), material_of(cohort, images), tmp_path, Trust())
    assert (section.verdict, "there are 9 cases, and 10 are needed" in section.answer) == ("unknown", True)
