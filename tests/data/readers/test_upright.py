import numpy as np
import pytest
from pydicom import Dataset

from sightline.data.readers.upright import Turn, direction, turn, turn_of

# four quadrants of an upright frontal image: the patient's right and left, head above feet
UPRIGHT = np.asarray([["RH", "LH"], ["RF", "LF"]])


def stored(row: str, column: str) -> np.ndarray:
    """Store the quadrants with rows and columns that lead elsewhere."""
    image = UPRIGHT if row in "LR" else UPRIGHT.T
    across, down = ("L", "F") if row in "LR" else ("F", "L")
    image = image if row == across else image[:, ::-1]
    return image if column == down else image[::-1]


@pytest.mark.parametrize("row", "LR")
@pytest.mark.parametrize("column", "HF")
@pytest.mark.parametrize("exchanged", [False, True])
def test_a_frontal_image_is_put_upright_from_each_of_eight_ways(row: str, column: str, exchanged: bool) -> None:
    ways = (column, row) if exchanged else (row, column)
    np.testing.assert_array_equal(turn(*ways).apply(stored(*ways)), UPRIGHT)


@pytest.mark.parametrize("row", "AP")
def test_a_lateral_image_keeps_its_direction_and_stands(row: str) -> None:
    assert turn(row, "F") == Turn()
    assert turn(row, "H") == Turn(flip_rows=True)
    assert turn("H", row) == Turn(transpose=True, flip_rows=True)


def test_an_axial_slice_shows_the_front_above_and_the_left_on_the_right() -> None:
    assert turn("L", "P") == Turn()
    assert turn("R", "A") == Turn(flip_rows=True, flip_columns=True)
    assert turn("P", "L") == Turn(transpose=True)


@pytest.mark.parametrize("ways", [("L", "L"), ("L", "R"), ("", "F"), ("T", "B"), ("H", "F")])
def test_directions_that_make_no_sense_turn_nothing(ways: tuple[str, str]) -> None:
    assert turn(*ways) == Turn()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["L", "F"], Turn()),
        (["R", "F"], Turn(flip_columns=True)),
        (["LF", "HR"], Turn(flip_rows=True)),
        (["A", "R"], Turn()),  # a mammogram
        (["", ""], Turn()),
        ([], Turn()),
    ],
)
def test_patient_orientation_is_read(words: list[str], expected: Turn) -> None:
    header = Dataset()
    header.PatientOrientation = words
    assert turn_of(header) == expected


def test_cosines_count_before_words_and_are_of_the_nearest_axis() -> None:
    header = Dataset()
    header.PatientOrientation = ["L", "F"]
    header.ImageOrientationPatient = [-0.98, 0.2, 0, -0.2, -0.98, 0]
    assert turn_of(header) == Turn(flip_rows=True, flip_columns=True)
    assert [direction(v) for v in ([1, 0, 0], [0, 0.9, 0.4], [0.1, 0, 1], [0, -1, 0])] == ["L", "P", "H", "A"]


def test_without_tags_nothing_is_turned() -> None:
    assert turn_of(Dataset()) == Turn()


def test_what_the_detector_did_is_left_alone() -> None:
    header = Dataset()
    header.FieldOfViewRotation, header.FieldOfViewHorizontalFlip = 180, "YES"
    assert turn_of(header) == Turn()


def test_colour_is_turned_too() -> None:
    pixels = np.arange(18).reshape(2, 3, 3)
    np.testing.assert_array_equal(Turn(transpose=True, flip_rows=True).apply(pixels)[0, 0], pixels[0, 2])
