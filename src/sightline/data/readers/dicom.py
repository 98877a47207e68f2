"""DICOM images: one frame of a file, as it is meant to be seen or as it was measured."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sightline.data.images import Array
from sightline.data.readers.arrays import luma
from sightline.data.readers.dicom_file import (
    broken_is_data_error,
    code,
    frame_count,
    of_frame,
    open_dicom,
    photometric,
    stored_pixels,
)
from sightline.data.readers.dicom_values import rendered
from sightline.data.readers.rendering import Rendering
from sightline.data.readers.upright import Turn, turn_of
from sightline.errors import DataError

if TYPE_CHECKING:
    from pydicom import Dataset

_GREY = ("MONOCHROME1", "MONOCHROME2")


def read_dicom(path: Path, *, colour: bool = False, rendering: Rendering | None = None, name: str = "") -> Array:
    """Read one frame of a DICOM file.

    Any bit depth and sign, padding, modality LUT or rescale, VOI LUT or window, either polarity, RGB, luminance with
    chrominance, and palettes, in every transfer syntax that a decoder is there for; `dicom_values` and `upright` say
    how. Colour is made grey by its luma (ITU-R 601) and takes no window.

    Args:
        path: the file.
        colour: keep the three channels of a colour image.
        rendering: what to make of it.
        name: what to call the file in messages.

    Returns:
        `(H, W)`, or `(H, W, 3)` of a colour image if `colour`, float32 in [0, 1], or as measured if
        `rendering.window` is None.

    Raises:
        DataError: it cannot be read to its end, has several frames and none was chosen, or has a photometric
            interpretation or a window that cannot be used.
        MissingExtraError: the codec for its transfer syntax is not installed.
    """
    rendering, name = rendering or Rendering(), name or path.name
    with broken_is_data_error(name):
        header = open_dicom(path, pixels=True, name=name)
        frame = _chosen(header, rendering.frame, name)
        stored, interpretation = stored_pixels(header, frame=frame, name=name)
        header = of_frame(header, frame)
        if interpretation in _GREY and stored.ndim == 2:
            try:
                pixels = rendered(stored, header, rendering)
            except DataError as error:
                raise DataError(f"{name}: {error}") from None
        else:
            pixels = _colour(stored, header, interpretation, name)
            pixels = pixels if colour else luma(pixels)
        return (turn_of(header) if rendering.upright else Turn()).apply(pixels)


def read_about(path: Path, *, name: str = "") -> dict[str, str]:
    """Return what a DICOM header says about the image, and nothing about who is on it.

    Args:
        path: the file.
        name: what to call the file in messages.

    Returns:
        Text by name, of those that are there: `modality`, `view`, `body_part`, `photometric_interpretation`, `rows`,
        `columns`, `frames`, `bits_stored`, `pixel_spacing` and `imager_pixel_spacing` (mm, between rows then between
        columns), `manufacturer`.

    Raises:
        DataNotFoundError, DataError: there is no such file, or it is no DICOM file.
    """
    name = name or path.name
    with broken_is_data_error(name):
        header = open_dicom(path, pixels=False, name=name)
        about = {
            "modality": code(header.get("Modality")),
            "view": code(header.get("ViewPosition")),
            "body_part": code(header.get("BodyPartExamined")),
            "photometric_interpretation": photometric(header),
            "rows": _number(header, "Rows"),
            "columns": _number(header, "Columns"),
            "frames": str(frame_count(header)),
            "bits_stored": _number(header, "BitsStored"),
            "pixel_spacing": _spacing(header, "PixelSpacing"),
            "imager_pixel_spacing": _spacing(header, "ImagerPixelSpacing"),
            "manufacturer": str(header.get("Manufacturer") or "").strip(),
        }
    return {key: value for key, value in about.items() if value}


def _chosen(header: "Dataset", frame: int | None, name: str) -> int:
    count = frame_count(header)
    if frame is None and count > 1:
        raise DataError(
            f"{name}: has {count} frames, not one; choose one with Rendering(frame=...), or use read_volume for all"
        )
    if (frame or 0) >= count:
        raise DataError(f"{name}: frame {frame} was asked for, counted from 0, but the file has {count}")
    return frame or 0


def _colour(stored: Array, header: "Dataset", interpretation: str, name: str) -> Array:
    """Return RGB in [0, 1], `(H, W, 3)` float32."""
    bits = int(header.get("BitsStored") or 8)
    if interpretation == "PALETTE COLOR":
        from pydicom.pixels.processing import apply_color_lut

        stored = apply_color_lut(stored, header)[..., :3]
        bits = int(header.RedPaletteColorLookupTableDescriptor[2])
    if stored.ndim != 3 or stored.shape[2] != 3:
        raise DataError(f"{name}: {photometric(header)} is not a photometric interpretation that we can show")
    unit: Array = np.clip(stored.astype(np.float32) / ((1 << bits) - 1), 0, 1)
    return unit


def _number(header: "Dataset", keyword: str) -> str:
    value = header.get(keyword)
    return "" if value is None else str(int(value))


def _spacing(header: "Dataset", keyword: str) -> str:
    values = header.get(keyword)
    return "" if not values else " ".join(f"{float(value):g}" for value in values)
