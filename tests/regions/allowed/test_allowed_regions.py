import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sightline.errors import DataError, ShapeError
from sightline.regions import known
from sightline.regions.allowed import allowed_regions, heuristic_masks, organs_of_findings

NAN = float("nan")
# three organs on a grid of 2 x 2: left column, the upper right place, the lower row
ORGANS = torch.tensor([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 0.0]], [[0.0, 0.0], [1.0, 1.0]]])
WHICH = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 1, 1]], dtype=torch.bool)


def test_present_is_the_union_of_organs_absent_is_nowhere_and_unknown_is_unknown() -> None:
    labels = torch.tensor([[1.0, 1.0, 0.0], [NAN, 0.0, 1.0]])
    regions = allowed_regions(labels, ORGANS.expand(2, -1, -1, -1), WHICH)
    one, two = [[1.0, 0.0], [1.0, 0.0]], [[1.0, 1.0], [1.0, 0.0]]
    expected = torch.tensor(
        [[one, two, [[0.0, 0.0], [0.0, 0.0]]], [[[NAN, NAN]] * 2, [[0.0, 0.0]] * 2, [[0.0, 1.0], [1.0, 1.0]]]]
    )
    torch.testing.assert_close(regions, expected, equal_nan=True)


def test_organs_that_nobody_has_segmented_are_unknown_where_they_are_needed() -> None:
    organs = ORGANS.repeat(2, 1, 1, 1)
    organs[0, 1] = NAN
    labels = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0]])
    regions = allowed_regions(labels, organs, WHICH)
    assert known(regions).tolist() == [[True, False, True], [True, True, True]]
    assert not regions[:, 2].any()
    assert regions[0, 1].isnan().all()


@given(st.integers(1, 3), st.integers(1, 4), st.integers(1, 3), st.integers(0, 999))
def test_each_map_is_the_greatest_of_its_organs(count: int, classes: int, organs: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    masks = torch.rand(count, organs, 2, 3, 2, generator=generator)
    which = torch.rand(count, classes, organs, generator=generator) < 0.5
    which[..., 0] |= ~which.any(2)
    labels = torch.rand(count, classes, generator=generator)
    regions = allowed_regions(labels, masks, which)
    for n in range(count):
        for k in range(classes):
            expected = masks[n][which[n, k]].amax(0) if labels[n, k] > 0.5 else torch.zeros(2, 3, 2)
            torch.testing.assert_close(regions[n, k], expected, rtol=0, atol=0)


def test_a_report_and_a_failed_segmentation_give_the_study_s_regions() -> None:
    """A nodule on the right, pneumonia of no side and a stent, by the columns of the heuristic."""
    labels = ("lung_nodule", "lung_pneumonia", "heart_stent", "lung_mass")
    which = organs_of_findings([("nodule", "right_upper"), ("pneumonia", "other_location")], labels)
    regions = allowed_regions(torch.tensor([[1.0, 1.0, 1.0, 0.0]]), heuristic_masks((3, 2, 6))[None], which)
    assert regions.shape == (1, 4, 3, 2, 6)
    assert regions[0, :, 2, 1].tolist() == [[1, 1, 1, 0, 0, 0], [1] * 6, [0, 1, 1, 1, 1, 0], [0] * 6]


def test_a_present_class_without_an_organ_is_refused_and_an_absent_one_is_not() -> None:
    which = WHICH.clone()
    which[1] = False
    organs = ORGANS.expand(2, -1, -1, -1)
    with pytest.raises(DataError, match="class 1 is present in image 1 but has no organ; give each"):
        allowed_regions(torch.tensor([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0]]), organs, which)
    assert not allowed_regions(torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]), organs, which)[:, 1].any()


@pytest.mark.parametrize(
    ("labels", "organs", "which"),
    [
        (torch.ones(2), ORGANS[None], WHICH),
        (torch.ones(1, 2), ORGANS[None], WHICH),
        (torch.ones(2, 3), ORGANS[None], WHICH),
        (torch.ones(1, 3), ORGANS[None, :2], WHICH),
        (torch.ones(1, 3), torch.ones(1, 3), WHICH),
        (torch.ones(1, 3), ORGANS[None], WHICH.expand(2, -1, -1)),
    ],
)
def test_what_does_not_fit_is_refused(labels: Tensor, organs: Tensor, which: Tensor) -> None:
    with pytest.raises(ShapeError, match=r"labels \(N, K\), organs \(N, O, \*G\) and which"):
        allowed_regions(labels, organs, which)
