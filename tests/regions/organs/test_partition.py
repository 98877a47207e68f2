from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sightline.data.phantoms.ct import ATRIUM, DELTA, ORGANS, Scanner, make_ct
from sightline.data.readers import read_volume
from sightline.errors import DataError, SettingsError, ShapeError
from sightline.regions.organs import PAPER, Organs, OrganSettings, partition_organs

Chest = Callable[..., tuple[np.ndarray, np.ndarray]]
Dice = Callable[[np.ndarray, np.ndarray], float]
SPACING = (6.0, 4.0, 4.0)
MIRROR = np.array([0, 3, 2, 1], np.uint8)
ROBUST_SPLIT = replace(PAPER, split="components")


def lungs(organs: Organs) -> np.ndarray:
    return np.isin(organs.labels, (1, 3))


@pytest.mark.parametrize("settings", [None, PAPER, ROBUST_SPLIT])
def test_both_lungs_and_the_mediastinum_are_found(chest: Chest, settings: OrganSettings | None, dice: Dice) -> None:
    hu, truth = chest(SPACING)
    before = hu.copy()
    organs = partition_organs(hu, SPACING, settings)
    np.testing.assert_array_equal(hu, before)
    assert organs.quality.passed, organs.quality.reasons
    assert organs.labels.dtype == np.uint8
    for code in (1, 3):
        assert dice(organs.labels == code, truth == code) > 0.95
    assert organs.box is not None
    assert not organs.labels[: organs.box[0].start].any()
    assert organs.labels[len(hu) // 2, 30, 45] == 2  # the heart's place
    assert organs.quality.right_ml == pytest.approx(2027, rel=0.03)  # 4/3 pi 110 80 55 mm^3


def test_the_same_anatomy_at_other_spacings_gives_the_same_organs(chest: Chest, dice: Dice) -> None:
    coarse = partition_organs(chest(SPACING)[0], SPACING)
    fine = partition_organs(chest((3.0, 2.0, 2.0))[0], (3.0, 2.0, 2.0))
    anisotropic = partition_organs(chest((2.0, 4.0, 2.0))[0], (2.0, 4.0, 2.0))
    for other in (fine.labels[1::2, 1::2, 1::2], anisotropic.labels[1::3, :, 1::2]):
        for code in (1, 2, 3):
            assert dice(coarse.labels == code, other == code) > 0.95
    assert fine.quality.left_ml == pytest.approx(coarse.quality.left_ml, rel=0.02)


@pytest.mark.parametrize("settings", [None, PAPER])
def test_a_mirror_image_has_the_codes_exchanged(chest: Chest, settings: OrganSettings | None) -> None:
    hu, _ = chest(SPACING)
    straight = partition_organs(hu, SPACING, settings).labels
    mirrored = partition_organs(hu[:, :, ::-1], SPACING, settings).labels
    for code in (1, 3):
        np.testing.assert_array_equal(MIRROR[mirrored[:, :, ::-1]] == code, straight == code)


def test_a_patient_beside_the_middle_is_parted_about_the_body(chest: Chest, dice: Dice) -> None:
    hu, truth = chest(SPACING, shift=40)
    assert dice(partition_organs(hu, SPACING).labels == 1, truth == 1) > 0.97
    assert dice(partition_organs(hu, SPACING, PAPER).labels == 1, truth == 1) < 0.96


def test_integers_and_floats_give_the_same(chest: Chest) -> None:
    hu, _ = chest(SPACING)
    for dtype in (np.int16, np.int32, np.float64):
        np.testing.assert_array_equal(
            partition_organs(hu.astype(dtype), SPACING).labels, partition_organs(hu, SPACING).labels
        )


@pytest.mark.parametrize("settings", [None, PAPER])
@pytest.mark.parametrize("value", [-1000, 40, -3000, -850])
def test_all_of_one_density_is_no_lung(value: float, settings: OrganSettings | None) -> None:
    organs = partition_organs(np.full((5, 40, 40), value, np.int16), (5, 5, 5), settings)
    assert not organs.labels.any()
    assert organs.box is None
    assert organs.quality.reasons == ("no lung found",)


def test_one_lung_is_found_and_does_not_pass(chest: Chest, dice: Dice) -> None:
    hu, truth = chest(SPACING)
    hu[truth == 1] = 40
    organs = partition_organs(hu, SPACING)
    assert not (organs.labels == 1).any()
    assert dice(organs.labels == 3, truth == 3) > 0.97
    assert "right lung 0 ml" in organs.quality.reasons


def test_a_single_voxel_and_a_single_slice_are_volumes(chest: Chest) -> None:
    assert not partition_organs(np.zeros((1, 1, 1)), (1, 1, 1)).labels.any()
    hu, _ = chest(SPACING)
    organs = partition_organs(hu[22:23], (60.0, 4.0, 4.0))
    assert {1, 2, 3} <= set(np.unique(organs.labels))


@pytest.mark.parametrize("shape", [(0, 4, 4), (4, 4), (1, 2, 3, 4)])
def test_what_is_no_volume_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match=r"hu must be \(D, H, W\)"):
        partition_organs(np.zeros(shape), (1, 1, 1))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_are_refused(value: float) -> None:
    hu = np.zeros((2, 3, 4))
    hu[1, 2, 3] = value
    with pytest.raises(DataError, match="hu: 1 of 24 voxels are NaN or infinite"):
        partition_organs(hu, (1, 1, 1))


@pytest.mark.parametrize("spacing", [(1, 1), (1, 0, 1), (1, -1, 1), (1, np.nan, 1)])
def test_distances_must_be_three_above_0(spacing: tuple[float, float, float]) -> None:
    with pytest.raises(DataError, match="spacing_mm must be three distances above 0"):
        partition_organs(np.zeros((2, 3, 4)), spacing)


def test_bools_are_no_hu() -> None:
    with pytest.raises(DataError, match="hu must be numbers, got bool"):
        partition_organs(np.zeros((2, 3, 4), bool), (1, 1, 1))


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(SettingsError, match="gas_hu must be below threshold_hu"):
        OrganSettings(gas_hu=-300)
    with pytest.raises(SettingsError, match="closing_mm must not be negative"):
        OrganSettings(closing_mm=-1)


@pytest.mark.parametrize(("scanner", "least"), [(ATRIUM, 0.985), (DELTA, 0.975)])
def test_lungs_of_phantoms_without_findings(scanner: Scanner, least: float, dice: Dice) -> None:
    phantom = make_ct(7, scanner, 96, {})
    organs = partition_organs(phantom.develop(scanner), phantom.grid.spacing_mm)
    assert organs.quality.passed, organs.quality.reasons
    for code, name in ((1, "lung_right"), (3, "lung_left")):
        assert dice(organs.labels == code, phantom.labels == ORGANS[name]) > least
    inside = np.isin(phantom.labels, (ORGANS["heart"], ORGANS["great_vessels"]))
    inside[: organs.box[0].start] = False
    assert (organs.labels[inside] == 2).mean() > 0.95


def test_lungs_of_a_whole_chest_agree_with_the_reference(real: Path, dice: Dice) -> None:
    volume = read_volume(real / "ct_cip_test" / "ct-64.nii.gz")
    truth = read_volume(real / "ct_cip_test" / "wholeLung-64.nii.gz").values
    for settings, least in ((None, 0.98), (PAPER, 0.97)):
        organs = partition_organs(volume.values, volume.spacing_mm, settings)
        assert dice(lungs(organs), truth > 0) > least
        assert organs.quality.passed


def test_lung_bases_above_a_full_bowel_are_found_but_do_not_pass(real: Path, dice: Dice) -> None:
    folder = real / "ct_totalsegmentator_examples" / "abdomen_3mm"
    volume, truth = read_volume(folder / "ct.nii.gz"), read_volume(folder / "seg_total.nii.gz").values
    organs = partition_organs(volume.values, volume.spacing_mm)
    assert dice(lungs(organs), np.isin(truth, range(10, 15))) > 0.95
    assert dice(organs.labels == 1, np.isin(truth, (12, 13, 14))) > 0.95
    assert not organs.quality.passed
