import numpy as np
import pytest

from sightline.data.readers.volume import Volume
from sightline.data.volumes.checking import check_volume
from sightline.errors import DataError

UPRIGHT = np.asarray([[0, 0, -1.0, 0], [0, -1, 0, 0], [-1, 0, 0, 0], [0, 0, 0, 1]])


def volume(affine: np.ndarray = UPRIGHT, low: float = -1000, high: float = 50) -> Volume:
    values = np.full((5, 5, 5), low, np.float32)
    values[2] = high
    return Volume(values, (1.0, 1.0, 1.0), affine)


def turned(degrees: float) -> np.ndarray:
    """About the patient's long axis."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.asarray([[c, -s, 0, 0], [s, c, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]) @ UPRIGHT


def sheared(degrees: float, row: int, column: int) -> np.ndarray:
    affine = UPRIGHT.copy()
    affine[row, column] = np.tan(np.radians(degrees))
    return affine


def test_a_ct_is_told_with_its_spacing_and_affine() -> None:
    spacing, affine = check_volume(volume(), name="p")
    assert spacing == (1, 1, 1)
    np.testing.assert_array_equal(affine, UPRIGHT)


@pytest.mark.parametrize(
    ("affine", "limit", "message"),
    [
        (lambda degrees: sheared(degrees, 1, 0), 0.5, "gantry tilt of 0.6 degrees"),
        (lambda degrees: sheared(degrees, 0, 1), 0.5, "rows and columns are 0.6 degrees off a right angle"),
        (turned, 30, "its axes lie 30 degrees off the patient's, more than 30"),
    ],
)
def test_angles_have_a_limit(affine: object, limit: float, message: str) -> None:
    assert callable(affine)
    check_volume(volume(affine(limit - 0.1)), name="p")
    with pytest.raises(DataError, match=f"^p: {message}"):
        check_volume(volume(affine(limit + 0.1)), name="p")


@pytest.mark.parametrize(("low", "high"), [(0, 117), (-0.5, 1), (-1000, -900), (24, 3000)])
def test_values_that_cannot_be_hounsfield_units_are_refused(low: float, high: float) -> None:
    with pytest.raises(DataError, match=rf"^p: values from {low} to {high} cannot be HU"):
        check_volume(volume(low=low, high=high), name="p")
