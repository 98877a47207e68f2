from dataclasses import replace

import numpy as np
import pytest
import torch

from sightline.evaluation.audit import Look
from sightline.evaluation.audit.maps.coarse import cells_of, pooled, spread_out
from sightline.evaluation.audit.maps.faithfulness import gains
from sightline.evaluation.audit.partners import generator_of
from sightline.metrics.perturbation_curves import blurred, deletion_curve, insertion_curve

from ..made import cohort_of, labels_of, material_of, pictures, subject_of
from ..seers import Sees, places


def look_at(count: int = 6) -> Look:
    labels = labels_of(count)
    cohort, images = cohort_of(labels), pictures(labels, region=True, corner=False)
    return Look(subject_of(Sees("region"), cohort), cohort.cases, material_of(cohort, images).load(cohort.cases))


def true_map(look: Look) -> torch.Tensor:
    return torch.cat([places("region", 3, (32, 32))[:, k] for k in look.explained])


def test_the_true_map_beats_chance_and_its_opposite_does_not() -> None:
    look = look_at()
    found = gains(look.subject, look, {"true": true_map(look), "opposite": -true_map(look)}, steps=7, seed=0)
    for what in ("deletion", "insertion"):
        assert (found["true"][what] > 0).all()
        assert (found["opposite"][what] < found["true"][what]).all()
    assert found["opposite"]["deletion"].mean() < 0


def test_an_even_map_gives_no_order() -> None:
    look = look_at(2)
    found = gains(look.subject, look, {"even": torch.ones(2, 32, 32)}, steps=2, seed=0)
    assert np.isnan(found["even"]["deletion"]).all()
    assert np.isnan(found["even"]["insertion"]).all()


def test_areas_are_those_of_the_curves_and_their_ends_are_asked_once() -> None:
    look = look_at(4)
    maps, asked = {"true": true_map(look), "opposite": -true_map(look)}, []

    def answer(images: torch.Tensor) -> torch.Tensor:
        asked.append(len(images))
        return look.subject.answer(images)

    counted = replace(look.subject, answer=answer)
    found = gains(counted, look, maps, steps=5, seed=3)
    assert sum(asked) == 4 * (1 + 3 * 2 * 4), "the hidden image, and of three orders two curves of four steps between"

    hidden = blurred(look.images, sigma=32 / cells_of(2))
    rows = torch.arange(4)

    def score(changed: torch.Tensor) -> torch.Tensor:
        logits = look.subject.answer(changed)
        return logits.softmax(1).view(-1, 4, 3)[:, rows, torch.from_numpy(look.explained)].flatten()

    orders = {name: spread_out(pooled(drawn, cells_of(2)), (32, 32))[:, None] for name, drawn in maps.items()}
    side = cells_of(2)
    drawn = [generator_of(3, "order", case.id).random((side, side), np.float32) for case in look.cases]
    chance = spread_out(torch.from_numpy(np.stack(drawn)), (32, 32))[:, None]
    for curve, what, sign in ((deletion_curve, "deletion", -1), (insertion_curve, "insertion", 1)):
        area = curve(score, look.images, chance, baseline=hidden, steps=5).area()
        for name, order in orders.items():
            gain = sign * (curve(score, look.images, order, baseline=hidden, steps=5).area() - area)
            np.testing.assert_allclose(found[name][what], gain, atol=1e-6)


def test_each_case_has_a_random_order_of_its_own_whatever_its_company() -> None:
    look = look_at(6)
    together = gains(look.subject, look, {"true": true_map(look)}, steps=5, seed=1)["true"]["deletion"]
    alone = look.rows(look.cases[3:4])
    one = gains(look.subject, alone, {"true": true_map(alone)}, steps=5, seed=1)["true"]["deletion"]
    assert one[0] == pytest.approx(together[3], abs=1e-5)
    other = gains(look.subject, look, {"true": true_map(look)}, steps=5, seed=2)["true"]["deletion"]
    assert np.abs(other - together).max() > 1e-4
