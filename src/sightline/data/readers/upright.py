"""Images turned so that the head is up and the patient's left is on the right of the image.

PatientOrientation (PS3.3 C.7.6.1.1.1) and ImageOrientationPatient (C.7.6.2.1.1) say where the rows and the columns of
the image lead in the patient. A frontal radiograph is turned to rows that lead to the left (L) and columns that lead to
the feet (F), an axial slice to rows L and columns P, whatever they were. A lateral view keeps its direction along the
rows, since both are in use, and stands upright. Where the tags are missing, name other directions (such as those of a
hand), or say axial for a radiograph (as mammograms do), the image stays as stored. FieldOfViewRotation and
FieldOfViewHorizontalFlip (C.8.11.4) say what the detector did before the tags above were written: they are left alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sightline.data.images import Array

if TYPE_CHECKING:
    from pydicom import Dataset

_AXES = ("LR", "PA", "HF")  # towards growing and falling x, y, z


@dataclass(frozen=True)
class Turn:
    """A change of the rows and columns of an image, in this order.

    Attributes:
        transpose: exchange rows and columns.
        flip_rows: turn the order of the rows around, which mirrors top and bottom.
        flip_columns: turn the order of the columns around, which mirrors left and right.
    """

    transpose: bool = False
    flip_rows: bool = False
    flip_columns: bool = False

    def apply(self, pixels: Array) -> Array:
        """Return `(H, W)` or `(H, W, C)` pixels as they are after the change."""
        pixels = pixels.swapaxes(0, 1) if self.transpose else pixels
        pixels = pixels[::-1] if self.flip_rows else pixels
        return np.ascontiguousarray(pixels[:, ::-1] if self.flip_columns else pixels)


def turn_of(header: "Dataset") -> Turn:
    """Return what puts an image upright; ImageOrientationPatient counts before PatientOrientation.

    Args:
        header: elements of the frame.
    """
    cosines = header.get("ImageOrientationPatient")
    if cosines is not None and len(cosines) == 6:
        values = [float(cosine) for cosine in cosines]
        return turn(direction(values[:3]), direction(values[3:]))
    words = header.get("PatientOrientation") or ()
    if len(words) != 2:
        return Turn()
    row, column = (str(word)[:1].upper() for word in words)
    return turn(row, column) if {row, column} & set("HF") else Turn()


def turn(row: str, column: str) -> Turn:
    """Return what puts an image upright.

    Args:
        row: where a row leads from left to right: L, R, A, P, H or F.
        column: where a column leads from top to bottom.
    """
    axes = [next((axis for axis in _AXES if letter and letter in axis), "") for letter in (row, column)]
    if not all(axes) or axes[0] == axes[1]:
        return Turn()
    transpose = axes[0] == "HF" or axes[1] == "LR"
    if transpose:
        row, column = column, row
    return Turn(transpose, flip_rows=column in "HA", flip_columns=row == "R")


def direction(cosines: Sequence[float]) -> str:
    """Return the letter of the direction that a vector is nearest to; x leads to L, y to P, z to H."""
    axis = int(np.argmax(np.abs(cosines)))
    return _AXES[axis][0 if cosines[axis] > 0 else 1]
