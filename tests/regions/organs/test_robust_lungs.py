from collections.abc import Callable

import numpy as np
import pytest

from sightline.regions.organs import OrganSettings
from sightline.regions.organs.robust_lungs import air_in_the_chest, segment_lungs

Chest = Callable[..., tuple[np.ndarray, np.ndarray]]
Dice = Callable[[np.ndarray, np.ndarray], float]
SPACING = (6.0, 4.0, 4.0)
SETTINGS = OrganSettings()


def lungs_of(hu: np.ndarray, spacing: tuple[float, float, float] = SPACING) -> np.ndarray:
    return segment_lungs(hu, spacing, SETTINGS)


def test_trachea_table_room_and_stomach_are_no_lung(chest: Chest, dice: Dice) -> None:
    hu, truth = chest(SPACING)
    found = lungs_of(hu)
    assert not (found & (truth == 0)).any()
    assert dice(found, (truth > 0) & (hu == -850)) > 0.99


def test_chest_looks_the_same_lying_on_face_or_side(chest: Chest) -> None:
    hu, _ = chest(SPACING)
    found = lungs_of(hu)
    np.testing.assert_array_equal(lungs_of(hu[:, ::-1]), found[:, ::-1])
    np.testing.assert_array_equal(lungs_of(hu.transpose(0, 2, 1)), found.transpose(0, 2, 1))


@pytest.mark.parametrize("rows", [slice(12, None), slice(None)])
@pytest.mark.parametrize("columns", [slice(18, None), slice(None, -18)])
def test_a_lung_that_the_field_of_view_cuts_stays(chest: Chest, rows: slice, columns: slice, dice: Dice) -> None:
    hu, truth = chest(SPACING)
    hu, truth = hu[:, rows, columns], truth[:, rows, columns]
    assert dice(lungs_of(hu), truth > 0) > 0.9


def test_thick_slices_and_noise_change_little(chest: Chest, dice: Dice) -> None:
    hu, truth = chest((12.0, 4.0, 4.0))
    noise = np.random.default_rng(0).normal(0, 50, hu.shape)
    assert dice(lungs_of(hu + noise, (12.0, 4.0, 4.0)), truth > 0) > 0.97


def test_emphysema_up_to_nine_tenths_of_gas_is_lung(chest: Chest, dice: Dice) -> None:
    hu, truth = chest(SPACING)
    ill = (truth > 0) & (hu == -850) & (np.random.default_rng(0).random(hu.shape) < 0.8)
    hu[ill] = -975
    assert dice(lungs_of(hu), truth > 0) > 0.97


def section() -> np.ndarray:
    """A body of 200 x 200 mm in pixels of 2 mm with 28 mm of wall."""
    hu = np.full((120, 120), -1000.0)
    hu[10:110, 10:110] = 40
    return hu


@pytest.mark.parametrize(
    ("value", "side", "is_lung"),
    [(-850, 30, True), (-850, 10, True), (-1000, 30, False), (-1000, 10, False), (-940, 10, True), (-960, 10, False)],
)
def test_density_tells_lung_from_gas(value: float, side: int, is_lung: bool) -> None:
    hu = section()
    hu[40 : 40 + side, 40 : 40 + side] = value
    assert air_in_the_chest(hu, (2.0, 2.0), SETTINGS).sum() == is_lung * side**2


def test_half_gas_is_an_airway_if_small_and_lung_if_large() -> None:
    for side, is_lung in ((14, False), (24, True)):  # 784 and 2304 mm^2 against 1200
        hu = section()
        hu[40 : 40 + side, 40 : 40 + side] = -850
        hu[40 : 40 + side, 40 : 40 + round(0.7 * side)] = -1000
        assert air_in_the_chest(hu, (2.0, 2.0), SETTINGS).sum() == is_lung * side**2


def test_small_parts_stay_unless_they_hold_gas_or_are_tiny() -> None:
    def volume(side: int, gas: float) -> np.ndarray:
        hu = np.stack([section()] * 12)
        hu[2:10, 40 : 40 + side, 40 : 40 + side] = -800
        hu[2:10, 42 : 42 + round(side * gas), 42 : 38 + side] = -990
        return hu

    spacing = (5.0, 2.0, 2.0)  # 8 slices of 20 x 20 pixels: 64 ml
    assert lungs_of(volume(20, 0), spacing).sum() == 8 * 400
    assert not lungs_of(volume(20, 0.4), spacing).any()  # stool with gas
    assert not lungs_of(volume(12, 0), spacing).any()  # 23 ml


def test_the_blurred_rim_of_an_airway_does_not_make_it_lung() -> None:
    hu = section()
    hu[40:46, 40:46], hu[41:45, 41:45] = -500, -1000  # more pixels in the rim than inside
    assert not air_in_the_chest(hu, (2.0, 2.0), SETTINGS).any()
