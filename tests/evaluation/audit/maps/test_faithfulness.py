import numpy as np
import pytest
import torch

from sightline.evaluation.audit import Look
from sightline.evaluation.audit.maps.faithfulness import gains

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


def test_each_case_has_a_random_order_of_its_own_whatever_its_company() -> None:
    look = look_at(6)
    together = gains(look.subject, look, {"true": true_map(look)}, steps=5, seed=1)["true"]["deletion"]
    alone = look.rows(look.cases[3:4])
    one = gains(look.subject, alone, {"true": true_map(alone)}, steps=5, seed=1)["true"]["deletion"]
    assert one[0] == pytest.approx(together[3], abs=1e-5)
    other = gains(look.subject, look, {"true": true_map(look)}, steps=5, seed=2)["true"]["deletion"]
    assert np.abs(other - together).max() > 1e-4
