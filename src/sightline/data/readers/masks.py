"""Masks from files of any kind we know, on the pixels of the image they belong to.

| file | where |
|---|---|
| PNG and other pictures, `.npy`, `.npz` | above half of the range, or 1 |
| NIfTI | not 0, or from a half on if it holds shares |
| prepared volume, `.zarr` | its organs |
| DICOM segmentation | any segment |
| other DICOM | as a picture |
| JSON of LabelMe or VIA | inside any outline |

A part chooses among them: `organs.nii.gz#10+11` takes the labels 10 and 11, `p1.zarr#1+3` both lungs, `seg.dcm#lung`
or `seg.dcm#2` a segment by label or number, `film.json#heart` the outlines of that label, `masks.npz#heart` an array.

Pictures, arrays, outlines and segmentations lie on the pixels as the image's file stores them; where a DICOM image is
turned upright, they are turned with it. A NIfTI mask has an orientation of its own, which counts if the image has one,
too; over a picture or a radiograph its first axis leads along the columns and its second along the rows as stored.
"""

from pathlib import Path

import numpy as np

from sightline.data.images import ARRAYS, DICOM, NIFTI, Array
from sightline.data.readers.arrays import read_array, read_array_image
from sightline.data.readers.files import at_hand, image_suffix, starts_as_dicom
from sightline.data.readers.picture import picture_size, read_picture
from sightline.data.readers.pixels import read_pixels
from sightline.data.readers.rendering import Rendering
from sightline.data.readers.upright import Turn
from sightline.errors import DataError, DataNotFoundError

MASK_SUFFIX = ".json"  # besides those of images


def read_mask(path: Path, *, image: Path | None = None, name: str = "") -> Array:
    """Read a mask on the pixels of its image.

    Args:
        path: the file, with a part if need be.
        image: the image, or volume, that it belongs to; None for a picture of the same pixels.
        name: what to call the mask in messages.

    Returns:
        bool, uint8, uint16 or float32, `(H, W)` or `(D, H, W)`, for `region_from_mask`.

    Raises:
        DataNotFoundError: there is no such file.
        DataError: it cannot be read to its end, does not belong to the image, or has no such part.
        MissingExtraError: a codec is not installed.
    """
    name = name or path.name
    file, part = at_hand(path)
    if file.suffix.lower() == ".zarr" and file.is_dir():
        from sightline.data.volumes.store import read_array as read_stored

        organs = read_stored(file, "organs", name=name)
        return np.isin(organs, _numbers(part, name)) if part else organs != 0
    if not file.is_file():
        raise DataNotFoundError(f"{name}: no such image file")
    image = at_hand(image)[0] if image else None
    suffix = image_suffix(file)
    if suffix in NIFTI:
        return _nifti(file, part, image, name)
    if file.suffix.lower() == MASK_SUFFIX:
        from sightline.data.readers.annotations import read_annotations

        labels = part.split("+") if part else []
        size = _stored_size(image) if image else None
        mask = read_annotations(file, labels=labels, image=image.name if image else "", size=size, name=name)
    elif suffix in ARRAYS:
        mask = read_array(file, part=part, name=name)
        if mask.ndim == 3 and mask.shape[2] not in (1, 3):
            return mask
        mask = read_array_image(file, part=part, colour=False, name=name)
    elif suffix in DICOM or starts_as_dicom(file):
        mask = _dicom(file, part, image, name)
    else:
        mask = read_picture(file, colour=False, name=name)
        mask = np.isin(mask, _numbers(part, name)) if part else mask
    if mask.dtype == np.float32 and not np.isfinite(mask).all():
        raise DataError(f"{name}: {int((~np.isfinite(mask)).sum())} of {mask.size} pixels are NaN or infinite")
    return mask if mask.ndim == 3 else _turn(image).apply(mask)


def _nifti(file: Path, part: str, image: Path | None, name: str) -> Array:
    from sightline.data.readers.nifti import load_nifti
    from sightline.data.readers.volume import reorient

    values, affine = load_nifti(file, name=name)
    if part:
        mask = np.isin(values, _numbers(part, name))
    else:
        shares = values.dtype.kind == "f" and not (values == np.rint(values)).all()
        mask = values >= 0.5 if shares else values != 0
    if 1 in mask.shape and image is not None and not _is_oriented(image):
        return _turn(image).apply(mask.squeeze(axis=mask.shape.index(1)).T)
    try:
        mask, _ = reorient(mask, affine)
    except DataError as error:
        raise DataError(f"{name}: {error}") from None
    return mask.squeeze(axis=mask.shape.index(1)) if 1 in mask.shape else mask


def _dicom(file: Path, part: str, image: Path | None, name: str) -> Array:
    from sightline.data.readers.dicom_file import broken_is_data_error, open_dicom
    from sightline.data.readers.segmentation import is_segmentation, read_segmentation

    with broken_is_data_error(name):
        if is_segmentation(open_dicom(file, pixels=False, name=name)):
            if image is None or not (image.is_dir() or _is_dicom(image)):
                raise DataError(f"{name}: a DICOM segmentation needs the DICOM image that it was drawn on")
            segments = part.split("+") if part else []
            return read_segmentation(file, segments=segments, image=image, name=name)
    mask = read_pixels(file, rendering=Rendering(window=None, upright=False), name=name)
    if part:
        return np.isin(mask, _numbers(part, name))
    whole = (mask == np.rint(mask)).all() and mask.min() >= 0 and mask.max() < 1 << 16
    return mask.astype(np.uint8 if mask.max() < 256 else np.uint16) if whole else mask


def _numbers(part: str, name: str) -> list[int]:
    try:
        return [int(number) for number in part.split("+")]
    except ValueError:
        raise DataError(f"{name}: labels must be numbers such as #10+11, got '#{part}'") from None


def _turn(image: Path | None) -> Turn:
    """Return how an image is turned when it is read."""
    if image is None or not _is_dicom(image):
        return Turn()
    from sightline.data.readers.dicom_file import broken_is_data_error, of_frame, open_dicom
    from sightline.data.readers.upright import turn_of

    with broken_is_data_error(image.name):
        return turn_of(of_frame(open_dicom(image, pixels=False, name=image.name), 0))


def _is_oriented(image: Path) -> bool:
    """Tell whether an image says how it lies in the patient in three dimensions."""
    if image.is_dir() or image_suffix(image) in NIFTI:
        return True
    if not _is_dicom(image):
        return False
    from sightline.data.readers.dicom_file import broken_is_data_error, of_frame, open_dicom

    with broken_is_data_error(image.name):
        return "ImageOrientationPatient" in of_frame(open_dicom(image, pixels=False, name=image.name), 0)


def _stored_size(image: Path) -> tuple[int, int]:
    """Return height and width of an image as its file stores them."""
    if _is_dicom(image):
        from sightline.data.readers.dicom_file import broken_is_data_error, open_dicom

        with broken_is_data_error(image.name):
            header = open_dicom(image, pixels=False, name=image.name)
            return int(header.Rows), int(header.Columns)
    if image_suffix(image) in ARRAYS | NIFTI:
        height, width = read_pixels(image).shape[:2]
        return height, width
    return picture_size(image, name=image.name)


def _is_dicom(image: Path) -> bool:
    return image.is_file() and (image_suffix(image) in DICOM or starts_as_dicom(image))
