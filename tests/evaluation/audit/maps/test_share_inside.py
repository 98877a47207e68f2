import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from sightline.evaluation.audit import Look
from sightline.evaluation.audit.maps.share_inside import (
    areas,
    concentration,
    no_regions,
    shares_inside,
    telling_regions,
)

from ..made import cohort_of, labels_of, material_of, pictures, subject_of, without
from ..seers import Sees


def test_concentration_by_hand() -> None:
    share, area = np.array([1.0, 0.25, 0.0, 0.7, np.nan]), np.array([0.25, 0.25, 0.2, 0.4, 0.3])
    np.testing.assert_allclose(concentration(share, area), [1.0, 0.0, -0.25, 0.5, np.nan])


@given(area=st.floats(0.01, 0.99), share=st.floats(0, 1))
def test_concentration_is_what_an_even_map_has_outside_and_this_one_not(area: float, share: float) -> None:
    found = float(concentration(np.array(share), np.array(area)))
    np.testing.assert_allclose(1 - share, (1 - found) * (1 - area), atol=1e-12)
    assert found <= 1


def test_a_region_that_is_empty_everything_or_unknown_says_nothing() -> None:
    labels = labels_of(4)
    cohort, images = cohort_of(labels), pictures(labels, region=True, corner=False)
    regions = torch.zeros(4, 1, 32, 32)
    regions[1], regions[2] = 1.0, torch.nan
    regions[3, ..., :16] = 1.0
    material = material_of(cohort, images, regions=regions)
    found = telling_regions(Look(subject_of(Sees("region"), cohort), cohort.cases, material.load(cohort.cases)))
    np.testing.assert_array_equal(areas(found), [np.nan, np.nan, np.nan, 0.5])
    maps = torch.ones(4, 32, 32)
    maps[3, :, :8] = -3.0
    np.testing.assert_allclose(shares_inside(maps, found), [np.nan, np.nan, np.nan, (8 * 3 + 8) / (8 * 3 + 24)])


def test_a_region_on_a_coarser_grid_is_brought_to_the_images() -> None:
    labels = labels_of(2)
    cohort, images = cohort_of(labels), pictures(labels, region=True, corner=False)
    regions = torch.zeros(2, 1, 4, 4)
    regions[..., :1] = 1.0
    material = material_of(cohort, images, regions=regions)
    found = telling_regions(Look(subject_of(Sees("region"), cohort), cohort.cases, material.load(cohort.cases)))
    assert found.shape == (2, 1, 32, 32)
    np.testing.assert_allclose(areas(found), 0.25)


def test_a_cohort_without_masks_and_gaze_is_said_to_have_none() -> None:
    labels = labels_of(2)
    cohort, images = cohort_of(labels), pictures(labels, region=True, corner=False)
    assert no_regions(material_of(cohort, images)) == ""
    assert "no case has a mask or gaze" in no_regions(material_of(without(cohort, mask=None), images))
