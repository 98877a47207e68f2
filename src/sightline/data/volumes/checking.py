"""Whether a volume is a CT in HU on a grid at right angles, upright in the patient."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sightline.data.images import Array
from sightline.data.readers.dicom_file import broken_is_data_error, code, of_frame, open_dicom
from sightline.data.readers.volume import Volume
from sightline.errors import DataError

LEAST_VOXELS = 4  # along each axis, as a cubic spline needs
LARGEST_MM = 2500.0  # along each axis
AIR_HU, TISSUE_HU = -200.0, -150.0  # every CT of a patient has values below the one and above the other
TILT_DEGREES = 0.5  # beyond which a gantry counts as tilted
TURN_DEGREES = 30.0  # beyond which nobody can say which axis is which
_MODALITIES = ("CR", "DX", "MG", "MR", "NM", "OT", "PT", "RF", "RTDOSE", "SC", "SEG", "US", "XA")
_UNITS = {"US": "not specified", "OD": "optical density", "Z_EFF": "effective atomic number", "ED": "electron density"}
_UNITS |= {"MGML": "mg/ml", "HU_MOD": "modified HU", "PCT": "percent"}  # others are not repeated: it is free text


def check_units(files: Sequence[Path], *, name: str) -> None:
    """Check that DICOM slices say they are CT in HU, or leave it out as images rescaled to HU may.

    Raises:
        DataError: a slice has another modality or rescale type.

    Reference:
        PS3.3 C.8.2.1.1.2 and C.11.1.1.2, RescaleType.
    """
    for file in files:
        with broken_is_data_error(f"{name}/{file.name}"):
            header = of_frame(open_dicom(file, pixels=False, name=f"{name}/{file.name}"), 0)
            modality, unit = code(header.get("Modality")), str(header.get("RescaleType") or "").strip().upper()
        if modality not in ("", "CT"):
            told = modality if modality in _MODALITIES else "another"
            raise DataError(f"{name}: modality of {file.name} must be CT, got {told}")
        if unit not in ("", "HU"):
            told = f"{unit} ({_UNITS[unit]})" if unit in _UNITS else "another unit"
            raise DataError(f"{name}: rescale type of {file.name} must be HU, got {told}")


def check_volume(volume: Volume, *, name: str) -> tuple[tuple[float, float, float], Array]:
    """Check geometry and values of a volume.

    Returns:
        Its spacing, mm, and its affine.

    Raises:
        DataError: it does not say how it lies, is too small or too large, was taken with a tilted gantry, lies
            obliquely, or its values cannot be HU.
    """
    if volume.spacing_mm is None or volume.affine is None:
        raise DataError(f"{name}: does not say the distance of its voxels; give it as NIfTI or DICOM")
    shape = volume.values.shape
    if min(shape) < LEAST_VOXELS:
        sizes = " x ".join(map(str, shape))
        raise DataError(f"{name}: {sizes} voxels, where a volume has {LEAST_VOXELS} along each axis; a localizer?")
    lengths = [n * s for n, s in zip(shape, volume.spacing_mm, strict=True)]
    if max(lengths) > LARGEST_MM:
        sizes = " x ".join(f"{length:.0f}" for length in lengths)
        raise DataError(f"{name}: {sizes} mm is larger than a patient; is its spacing in mm?")
    _check_axes(volume.affine, name)
    low, high = float(volume.values.min()), float(volume.values.max())
    if low > AIR_HU or high < TISSUE_HU:
        raise DataError(f"{name}: values from {low:g} to {high:g} cannot be HU, where air is near -1000 and water 0")
    return volume.spacing_mm, volume.affine


def _check_axes(affine: Array, name: str) -> None:
    slices, rows, columns = (affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)).T
    normal = np.cross(rows, columns)
    tilt = _degrees(float(slices @ normal) / float(np.linalg.norm(normal)))
    if tilt > TILT_DEGREES:
        raise DataError(f"{name}: gantry tilt of {tilt:.1f} degrees, its slices are stacked askew; undo the tilt first")
    skew = 90 - _degrees(float(rows @ columns))
    if skew > TILT_DEGREES:
        raise DataError(f"{name}: rows and columns are {skew:.1f} degrees off a right angle; resample it first")
    turn = max(_degrees(float(each[axis])) for each, axis in ((slices, 2), (rows, 1), (columns, 0)))
    if turn > TURN_DEGREES:
        raise DataError(f"{name}: its axes lie {turn:.0f} degrees off the patient's, more than {TURN_DEGREES:.0f}")


def _degrees(cosine: float) -> float:
    return float(np.degrees(np.arccos(min(abs(cosine), 1.0))))
