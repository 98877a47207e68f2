from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from sightline.attribution import LRP, Explainer, GradientTimesInput, Target
from sightline.errors import SightlineError
from sightline.evaluation.audit import Look
from sightline.evaluation.audit.maps.methods import NamedExplainer
from sightline.evaluation.audit.maps.sanity import likeness, what_stays
from sightline.metrics import Resampling
from sightline.metrics.randomisation import cascading_randomisation, map_similarity
from sightline.types import Explanation

from ..made import Reads, cohort_of, labels_of, material_of, pictures, subject_of
from ..seers import Edges, little_network

PATIENTS = tuple("abcd")


@dataclass
class FailsOnce(Explainer):
    """Suits a model at first, then not, then again."""

    calls: int = 0

    def __call__(self, model: torch.nn.Module, images: torch.Tensor, target: Target) -> Explanation:
        self.calls += 1
        if self.calls == 2:
            raise SightlineError("not this time")
        return GradientTimesInput()(model, images, target)


def test_what_stays_by_hand() -> None:
    found = what_stays(np.array([0.8, 0.6, np.nan]), np.array([0.2, 0.0, 0.1]), ("a", "b", "c"), Resampling(200))
    assert found.value == pytest.approx((0.7 - 0.1) / (1 - 0.1))
    assert (found.n, found.n_patients) == (2, 2)
    assert found.low <= found.value <= found.high


def test_what_stays_is_unknown_without_maps_and_where_all_maps_are_alike() -> None:
    nothing = what_stays(np.full(4, np.nan), np.zeros(4), PATIENTS, Resampling(10))
    assert (nothing.n, np.isnan(nothing.value)) == (0, True)
    assert np.isnan(what_stays(np.full(4, 0.99), np.full(4, 0.95), PATIENTS, Resampling(10)).value)


def test_likeness_is_that_of_the_cascade_and_the_floor_that_of_another_image() -> None:
    labels = labels_of(6)
    cohort, images = cohort_of(labels), pictures(labels, region=True, corner=True)
    model = little_network().eval()
    material, subject = material_of(cohort, images), subject_of(model, cohort)
    method = NamedExplainer("gradient", GradientTimesInput())
    look, others = (Look(subject, cases, material.load(cases)) for cases in (cohort.cases[:3], cohort.cases[3:]))
    found = likeness(subject, [method], look, others, seed=4)["gradient"]

    last: list[torch.Tensor] = []
    kept = torch.from_numpy(np.concatenate([look.explained, others.explained]))

    def gradient(changed: torch.nn.Module, given: torch.Tensor) -> torch.Tensor:
        with torch.enable_grad():
            leaf = given.clone().requires_grad_()
            changed(leaf).gather(1, kept[: len(leaf), None]).sum().backward()
        last.append((leaf.grad * given).sum(1))
        return last[-1]

    whole = cascading_randomisation(gradient, model, images, seed=4)
    half = -(-len(whole.layers) // 2) - 1
    np.testing.assert_allclose(found["upper half"], whole.similarity[half, :3], atol=1e-4)
    np.testing.assert_allclose(found["all"], whole.similarity[-1, :3], atol=1e-4)
    np.testing.assert_allclose(found["floor"], map_similarity(last[0][:3], last[-1][3:]), atol=1e-4)


def test_a_map_that_knows_nothing_of_the_model_stays_whole() -> None:
    labels = labels_of(4)
    cohort, images = cohort_of(labels), pictures(labels, region=True, corner=True)
    material, subject = material_of(cohort, images), subject_of(little_network().eval(), cohort)
    look, others = (Look(subject, cases, material.load(cases)) for cases in (cohort.cases[:2], cohort.cases[2:]))
    found = likeness(subject, [NamedExplainer("edges", Edges())], look, others, seed=0)["edges"]
    np.testing.assert_allclose(found["all"], 1.0, atol=1e-6)
    assert (found["floor"] < 0.9).all()


def test_several_methods_share_the_weights_and_one_that_does_not_suit_the_model_says_nothing() -> None:
    labels = labels_of(4)
    cohort, images = cohort_of(labels), pictures(labels, region=True, corner=True)
    material, subject = material_of(cohort, images), subject_of(little_network().eval(), cohort)
    look, others = (Look(subject, cases, material.load(cases)) for cases in (cohort.cases[:2], cohort.cases[2:]))
    methods = [
        NamedExplainer("gradient", GradientTimesInput()),
        NamedExplainer("now and then", FailsOnce()),
        NamedExplainer("LRP", LRP()),
    ]
    found = likeness(subject, methods, look, others, seed=1)
    assert all(np.isnan(values).all() for values in found["now and then"].values())
    for method in (methods[0], methods[2]):
        alone = likeness(subject, [method], look, others, seed=1)[method.name]
        for name, values in alone.items():
            np.testing.assert_array_equal(found[method.name][name], values)
            assert np.isfinite(values).all()


def test_nothing_is_said_of_a_model_without_weights_or_that_only_answers() -> None:
    labels = labels_of(4)
    cohort, images = cohort_of(labels), pictures(labels, region=True, corner=True)
    material, subject = material_of(cohort, images), subject_of(Reads("region"), cohort)
    look, others = (Look(subject, cases, material.load(cases)) for cases in (cohort.cases[:2], cohort.cases[2:]))
    (found,) = likeness(
        replace(subject, model=torch.nn.Flatten()), [NamedExplainer("edges", Edges())], look, others, seed=1
    ).values()
    assert all(np.isnan(values).all() for values in found.values())
    (black,) = likeness(replace(subject, model=None), [NamedExplainer("edges", Edges())], look, others, seed=1).values()
    assert all(np.isnan(values).all() for values in black.values())
