import pytest
import torch

from sightline.errors import DataError
from sightline.regions.allowed import LEFT_LUNG, ORGANS, RIGHT_LUNG, STUDY_LABELS, organs_of_findings, organs_of_label

BOTH = ("right_lung", "left_lung")


@pytest.mark.parametrize(
    ("places", "organs"),
    [
        ((), BOTH),
        (("lung", "other_location", "liver"), BOTH),
        (("left_upper",), ("left_lung",)),
        (("right_lung", "lung", "aorta"), ("right_lung",)),
        (("right_mid", "left_lower"), BOTH),
        (("left", "right"), BOTH),  # sides of no lung
        (("left",), BOTH),
    ],
)
def test_a_lung_label_is_in_the_lungs_that_are_told_or_in_both(
    places: tuple[str, ...], organs: tuple[str, ...]
) -> None:
    assert organs_of_label("lung_nodule", places) == organs


@pytest.mark.parametrize(("places", "organ"), [(RIGHT_LUNG, "right_lung"), (LEFT_LUNG, "left_lung")])
def test_every_place_of_a_lung_tells_its_side(places: frozenset[str], organ: str) -> None:
    assert all(organs_of_label("lung_mass", [place]) == (organ,) for place in places)


@pytest.mark.parametrize(
    "label", ["heart_stent", "h_great_vessel_aneurysm", "h_mediastinum_nodule", "heart_heart_failure"]
)
def test_heart_vessels_and_mediastinum_are_in_the_mediastinum(label: str) -> None:
    assert organs_of_label(label, ["left_upper"]) == ("mediastinum",)


def test_the_study_has_29_labels_in_the_mediastinum_and_51_in_the_lungs() -> None:
    which = organs_of_findings([], list(STUDY_LABELS))
    assert which.dtype == torch.bool
    assert dict(zip(ORGANS, which.sum(0).tolist(), strict=True)) == {
        "right_lung": 51,
        "mediastinum": 29,
        "left_lung": 51,
    }


def test_each_finding_has_its_own_places() -> None:
    found = [("nodule", "right_upper"), ("mass", "left_lung"), ("mass", "hilum"), ("aneurysm", "aorta")]
    labels = ["lung_nodule", "lung_mass", "h_mediastinum_mass", "lung_cyst"]
    expected = torch.tensor([[1, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 1]], dtype=torch.bool)
    assert torch.equal(organs_of_findings(found, labels), expected)


@pytest.mark.parametrize("label", ["liver_cyst", "nodule", "lungs_nodule", "great_vessel_stent"])
def test_a_label_without_an_organ_is_refused(label: str) -> None:
    with pytest.raises(
        DataError, match=f"label '{label}' belongs to no organ; its name must begin with one of h_great_"
    ):
        organs_of_findings([], ["lung_nodule", label])
