import numpy as np
import pytest
from pydicom import Dataset
from pydicom.pixels import apply_windowing

from sightline.data.readers.rendering import Function, Rendering, spread, windowed
from sightline.errors import DataError, SettingsError


@pytest.mark.parametrize(
    ("function", "expected"),
    [  # by hand, c = 4 and w = 5: LINEAR runs from 1.5 to 5.5, LINEAR_EXACT from 1.5 to 6.5
        ("LINEAR", [0, 0.125, 0.375, 0.625, 0.875, 1]),
        ("LINEAR_EXACT", [0, 0.1, 0.3, 0.5, 0.7, 0.9]),
    ],
)
def test_a_window_of_whole_numbers(function: Function, expected: list[float]) -> None:
    np.testing.assert_allclose(windowed(np.asarray([1, 2, 3, 4, 5, 6]), 4, 5, function), expected, atol=1e-7)


def test_a_sigmoid_is_half_at_its_centre_and_steepest_there() -> None:
    values = windowed(np.asarray([-1e6, 0, 40, 80, 1e6]), 40, 80, "SIGMOID")
    np.testing.assert_allclose(values, [0, 1 / (1 + np.exp(2)), 0.5, 1 / (1 + np.exp(-2)), 1], rtol=1e-6)


def test_a_linear_window_of_width_1_is_a_step() -> None:
    np.testing.assert_array_equal(windowed(np.asarray([6, 7, 8]), 7.5, 1, "LINEAR"), [0, 0, 1])


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize(("centre", "width"), [(40, 400), (-600, 1500), (0.5, 1.5), (100, 2), (7, 1)])
def test_windows_are_those_of_pydicom(function: Function, centre: float, width: float) -> None:
    values = np.arange(-2048, 2048).reshape(64, 64)
    header = Dataset()
    header.PhotometricInterpretation, header.BitsStored, header.PixelRepresentation = "MONOCHROME2", 12, 1
    header.WindowCenter, header.WindowWidth, header.VOILUTFunction = centre, width, function
    with np.errstate(over="ignore"):
        theirs = (apply_windowing(values.astype(float), header) + 2048) / 4095  # to [0, 1]
    np.testing.assert_allclose(windowed(values, centre, width, function), theirs, atol=1e-6)


@pytest.mark.parametrize(
    ("function", "width"), [("LINEAR", 0.5), ("LINEAR_EXACT", 0), ("SIGMOID", -1), ("LINEAR", np.nan)]
)
def test_a_window_too_narrow_is_refused(function: Function, width: float) -> None:
    with pytest.raises(DataError, match=rf"^a window of the function {function} needs a width (at least 1|above 0)"):
        windowed(np.zeros(3), 0, width, function)


def test_an_unknown_function_is_refused_without_its_name() -> None:
    with pytest.raises(DataError, match=r"^the function of a window must be one of LINEAR, LINEAR_EXACT, SIGMOID$"):
        windowed(np.zeros(3), 0, 1, "DOE^JOHN")  # type: ignore[arg-type]


def test_spreading_takes_the_limits_to_0_and_1() -> None:
    np.testing.assert_allclose(spread(np.asarray([-1, 0, 5, 10, 11]), (0, 10)), [0, 0, 0.5, 1, 1])
    np.testing.assert_array_equal(spread(np.asarray([3, 4]), (3, 3)), [0, 1])


@pytest.mark.parametrize(
    "wrong", [{"window": "lung"}, {"window": (0, 0)}, {"window": (np.nan, 1)}, {"choice": -1}, {"frame": -1}]
)
def test_a_rendering_out_of_range_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match=r"^(window|choice)"):
        Rendering(**wrong)  # type: ignore[arg-type]
