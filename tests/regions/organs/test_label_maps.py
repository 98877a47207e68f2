from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sightline.data.readers import read_volume
from sightline.errors import DataError, ShapeError
from sightline.regions.organs import ORGAN_OF_NAME, TOTAL_SEGMENTATOR, organs_from_labels, partition_organs

Chest = Callable[..., tuple[np.ndarray, np.ndarray]]
SPACING = (6.0, 4.0, 4.0)
NAMES = {1: "Right Lung", 4: "left-lung", 7: "liver", 9: "heart"}


def label_map() -> np.ndarray:
    labels = np.zeros((4, 8, 24), np.int16)
    labels[1:3, 1:7, 2:8], labels[1:3, 1:7, 14:22] = 1, 4
    labels[1:3, 2:6, 9:13] = 9
    labels[3] = 7
    return labels


def test_lungs_and_the_box_between_them() -> None:
    labels = label_map()
    organs = organs_from_labels(labels, (1, 1, 1), NAMES)
    np.testing.assert_array_equal(organs.labels == 1, labels == 1)
    np.testing.assert_array_equal(organs.labels == 3, labels == 4)
    assert organs.box == (slice(1, 3), slice(1, 7), slice(2, 22))
    assert (organs.labels[1:3, 1:7, 8:14] == 2).all()  # columns 2 + 5 to 22 - 2
    assert np.count_nonzero(organs.labels == 2) == 2 * 6 * 6
    assert not organs.quality.passed


def test_mediastinum_by_its_labels() -> None:
    labels = label_map()
    organs = organs_from_labels(labels, (1, 1, 1), NAMES, mediastinum="labels")
    np.testing.assert_array_equal(organs.labels == 2, labels == 9)


@pytest.mark.parametrize("name", ["lung", "Lungs", "whole lung"])
def test_both_lungs_under_one_name_are_parted(chest: Chest, name: str) -> None:
    _, truth = chest(SPACING)
    organs = organs_from_labels((truth > 0) * 5, SPACING, {5: name})
    for code in (1, 3):
        np.testing.assert_array_equal(organs.labels == code, truth == code)
    assert organs.quality.passed


def test_names_of_total_segmentator_all_mean_an_organ() -> None:
    assert set(TOTAL_SEGMENTATOR.values()) <= set(ORGAN_OF_NAME)


def test_table_is_that_of_total_segmentator(real: Path) -> None:
    rows = (real / "ct_totalsegmentator_examples" / "total_label_ids.csv").read_text().split()[1:]
    table = {int(label): name for label, name in (row.split(",") for row in rows)}
    named = {label: name for label, name in table.items() if name in ORGAN_OF_NAME}
    assert named == dict(TOTAL_SEGMENTATOR)


def test_segmentation_of_total_segmentator_means_the_same_organs(real: Path) -> None:
    folder = real / "ct_totalsegmentator_examples" / "abdomen_3mm"
    volume, labels = read_volume(folder / "ct.nii.gz"), read_volume(folder / "seg_total.nii.gz").values
    given = organs_from_labels(labels, volume.spacing_mm)
    found = partition_organs(volume.values, volume.spacing_mm)
    assert given.box is not None
    assert found.box is not None
    for a, b in zip(given.box, found.box, strict=True):
        assert abs(a.start - b.start) <= 2
        assert abs(a.stop - b.stop) <= 2


@pytest.mark.parametrize("names", [{}, {1: "liver"}, {1: "lung_right"}])
def test_names_must_mean_both_lungs(names: dict[int, str]) -> None:
    with pytest.raises(DataError, match="names must mean both lungs"):
        organs_from_labels(label_map(), (1, 1, 1), names)


def test_labels_of_the_mediastinum_must_be_named() -> None:
    with pytest.raises(DataError, match="take mediastinum='box'"):
        organs_from_labels(label_map(), (1, 1, 1), {1: "lung_right", 4: "lung_left"}, mediastinum="labels")


def test_what_is_no_label_map_is_refused() -> None:
    with pytest.raises(DataError, match="label_map must hold whole numbers"):
        organs_from_labels(label_map() + 0.5, (1, 1, 1), NAMES)
    with pytest.raises(ShapeError, match=r"label_map must be \(D, H, W\)"):
        organs_from_labels(label_map()[0], (1, 1, 1), NAMES)
