from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sightline.attribution import LRP, GradCAM, GradientTimesInput
from sightline.errors import DataError, SightlineError
from sightline.evaluation.audit import Look, Subject
from sightline.types import Batch

from .made import Reads, cohort_of, labels_of, material_of, pictures, subject_of
from .seers import little_network

PLAIN = LRP(input_rule=None)


class Counts(nn.Module):
    """Counts how many images it is shown."""

    def __init__(self, inner: nn.Module | None = None) -> None:
        super().__init__()
        self.inner, self.shown = inner or Reads("region"), 0

    def forward(self, images: Tensor) -> Tensor:
        self.shown += len(images)
        logits: Tensor = self.inner(images)
        return logits


class Flat(nn.Module):
    """One linear layer on the pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(32 * 32, 3)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.fc(images.flatten(1))
        return logits


def look_of(model: nn.Module | None = None, *, regions: Tensor | None = None) -> Look:
    labels = labels_of(6)
    cohort = cohort_of(labels)
    material = material_of(cohort, pictures(labels, region=True, corner=False), regions=regions)
    return Look(subject_of(model or Reads("region"), cohort), cohort.cases, material.load(cohort.cases))


def test_answers_are_asked_for_once() -> None:
    model = Counts()
    look = look_of(model)
    assert look.decisions.tolist() == [0, 1, 2, 0, 1, 2]
    assert look.explained.tolist() == [0, 1, 2, 0, 1, 2]
    np.testing.assert_allclose(look.probabilities.sum(1), 1)
    assert model.shown == 6


def test_maps_are_drawn_once_for_each_method() -> None:
    model = Counts()
    look = look_of(model)
    first = look.maps(PLAIN)
    shown = model.shown
    assert look.maps(PLAIN) is first
    assert model.shown == shown
    assert tuple(first.shape) == (6, 32, 32)
    assert not torch.equal(look.maps(LRP(epsilon=1.0, input_rule=None)), first) or model.shown > shown


def test_maps_drawn_together_are_those_drawn_alone_and_cost_one_pass_less() -> None:
    methods = (GradCAM(), GradientTimesInput())
    alone, together = look_of(Counts(little_network())), look_of(Counts(little_network()))
    together.draw_together(methods)
    for method in methods:
        torch.testing.assert_close(together.maps(method), alone.maps(method))
    shown = [look.subject.model.shown for look in (alone, together)]  # type: ignore[union-attr]
    assert shown[0] - shown[1] == len(alone)


def test_a_model_without_feature_maps_is_left_to_each_method() -> None:
    look = look_of(Flat())
    look.draw_together((GradCAM(), GradientTimesInput()))
    assert look.maps(GradientTimesInput()).abs().sum() > 0
    with pytest.raises(SightlineError):
        look.maps(GradCAM())


def test_maps_are_drawn_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = look_of().maps(PLAIN)
    largest: list[int] = []

    class Largest(Reads):
        def forward(self, images: Tensor) -> Tensor:
            largest.append(len(images))
            return super().forward(images)

    monkeypatch.setattr("sightline.evaluation.audit.look.MAPS_AT_ONCE", 4)
    torch.testing.assert_close(look_of(Largest("region")).maps(PLAIN), whole)
    assert max(largest) == 4


def test_the_outside_is_blurred_once_for_each_seam_and_the_region_stays() -> None:
    seen: list[Tensor] = []

    class Keeps(Reads):
        def forward(self, images: Tensor) -> Tensor:
            seen.append(images)
            return super().forward(images)

    regions = torch.zeros(6, 1, 32, 32)
    regions[:5, :, 8:24, 8:24] = 1.0
    look = look_of(Keeps("region"), regions=regions)
    look.images[..., 18:24, 8:24] = 0.9  # of which nothing may get out
    found = look.with_outside_blurred(0.0)
    assert look.with_outside_blurred(0.0) is found
    (asked,) = seen
    assert len(asked) == 5, "of the last no region is known"
    assert np.isnan(found[5]).all()
    np.testing.assert_allclose(found[:5], look.probabilities[:5], atol=1e-6)
    assert torch.equal(asked[..., 8:24, 8:24], look.images[:5, :, 8:24, 8:24])
    corner = asked[..., :4, :4]
    assert corner.std() < look.images[:5, :, :4, :4].std() / 3
    torch.testing.assert_close(corner.mean(), look.images[:5, :, :4, :4].mean(), atol=0.02, rtol=0)
    wide = look.with_outside_blurred(0.2)
    assert wide is not found
    assert not torch.equal(seen[-1], asked)


def test_rows_keep_what_is_known_already() -> None:
    model = Counts()
    look = look_of(model)
    maps, chance, blurred = look.maps(PLAIN), look.probabilities, look.with_outside_blurred(0.03)
    shown = model.shown
    some = look.rows((look.cases[4], look.cases[1]))
    assert some.batch.cases == ("case-004", "case-001")
    assert torch.equal(some.images, look.images[[4, 1]])
    np.testing.assert_array_equal(some.probabilities, chance[[4, 1]])
    np.testing.assert_array_equal(some.with_outside_blurred(0.03), blurred[[4, 1]])
    assert torch.equal(some.maps(PLAIN), maps[[4, 1]])
    assert model.shown == shown
    assert look.rows(look.cases) is look


def test_regions_are_of_the_class_explained_and_of_any() -> None:
    per_class = torch.zeros(6, 3, 16, 16)
    for k in range(3):
        per_class[:, k, k] = 1.0
    per_class[4, 1] = torch.nan
    per_class[5] = torch.nan
    look = look_of(regions=per_class)
    assert tuple(look.regions.shape) == (6, 32, 32), "on the grid of the images"
    assert look.regions[2, 4:6].eq(1).all()
    assert look.regions[2].sum() == 64
    assert look.regions[4].isnan().all()
    assert look.union[0, :6].eq(1).all()
    assert look.union[0, 6:].eq(0).all()
    assert look.union[4].sum() == 128, "of the two classes that are known"
    assert look.union[5].isnan().all()
    assert look.known.tolist() == [True] * 5 + [False]


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_region_of_nothing_or_everything_is_no_region(value: float) -> None:
    assert not look_of(regions=torch.full((6, 1, 32, 32), value)).known.any()


def test_one_output_speaks_of_the_second_class() -> None:
    cohort = cohort_of([0, 1], task="binary", classes=("no", "yes"))
    batch = Batch(torch.rand(2, 1, 32, 32), torch.tensor([0, 1]), torch.ones(2, 1, 32, 32), ("case-000", "case-001"))
    look = Look(subject_of(Reads("region", classes=1), cohort, outputs=1), cohort.cases, batch)
    assert look.probabilities.shape == (2, 2)
    assert look.explained.tolist() == [1, 1]


def test_only_those_that_are_known_are_asked_of() -> None:
    model = Counts()
    look = look_of(model)
    whole, known = look.probabilities, np.array([True, False, True, True, False, False])
    shown = model.shown
    some = look.subject.probabilities(look.images, known)
    np.testing.assert_allclose(some[known], whole[known])
    assert np.isnan(some[~known]).all()
    assert np.isnan(look.subject.probabilities(look.images, np.zeros(6, bool))).all()
    assert model.shown == shown + 3
    np.testing.assert_allclose(look.subject.probabilities(look.images, np.ones(6, bool)), whole)


def test_a_model_that_only_answers_has_no_maps() -> None:
    look = look_of()
    black = Look(replace(look.subject, model=None), look.cases, look.batch)
    np.testing.assert_array_equal(black.probabilities, look.probabilities)
    with pytest.raises(SightlineError, match="tiny only answers"):
        black.maps(PLAIN)


def test_an_answer_that_is_not_finite_is_an_error() -> None:
    look = look_of()
    subject: Subject = replace(look.subject, answer=lambda images: torch.full((len(images), 3), torch.nan))
    with pytest.raises(DataError, match="tiny gives an answer that is not finite"):
        _ = Look(subject, look.cases, look.batch).probabilities
