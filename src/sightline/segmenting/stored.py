"""Masks on the pixels that a file stores, which is where `sightline.data.readers.masks` looks for them."""

from pathlib import Path

import numpy as np

from sightline.data.images import DICOM
from sightline.data.readers.files import at_hand, image_suffix, starts_as_dicom
from sightline.data.readers.upright import Turn, turn_of
from sightline.metrics.mask_overlap import Array


def as_stored(mask: Array, image: Path) -> Array:
    """Turn a mask `(H, W)` of an image as it was read to where the image's file has it: DICOM is read upright."""
    file = at_hand(image)[0]
    if not (image_suffix(file) in DICOM or starts_as_dicom(file)):
        return mask
    from sightline.data.readers.dicom_file import broken_is_data_error, of_frame, open_dicom

    with broken_is_data_error(file.name):
        turn = turn_of(of_frame(open_dicom(file, pixels=False, name=file.name), 0))
    return undone(turn, mask)


def undone(turn: Turn, pixels: Array) -> Array:
    """Return `(H, W)` pixels as they were before a turn."""
    pixels = pixels[:, ::-1] if turn.flip_columns else pixels
    pixels = pixels[::-1] if turn.flip_rows else pixels
    return np.ascontiguousarray(pixels.T if turn.transpose else pixels)
