"""Images from files of any kind we know, told apart by suffix, and DICOM by content."""

from pathlib import Path

import numpy as np

from sightline.data.images import ARRAYS, DICOM, NIFTI, Array, to_unit
from sightline.data.readers.arrays import read_array_image
from sightline.data.readers.files import at_hand, image_suffix, starts_as_dicom
from sightline.data.readers.picture import read_picture
from sightline.data.readers.rendering import Rendering
from sightline.errors import DataError, DataNotFoundError


def read_pixels(path: Path, *, colour: bool = False, rendering: Rendering | None = None, name: str = "") -> Array:
    """Read the pixels of an image file.

    PNG, JPEG, TIFF and BMP with 8 or 16 bit grey, float grey or 8-bit colour (16-bit colour is read as 8), arrays
    `(H, W)` or `(H, W, 3)` in `.npy` and `.npz` (`file.npz#name` where there are several), and NIfTI of one slice, all
    as they are stored; and DICOM as `rendering` says. Transparency is left out; colour is made grey by its luma
    (ITU-R 601).

    Args:
        path: the file.
        colour: keep the three channels of a colour image.
        rendering: what to make of a DICOM image; by default its window, see `Rendering`.
        name: what to call the file in messages; by default its own name.

    Returns:
        uint8, uint16 or float32 pixels, `(H, W)`, or `(H, W, 3)` of a colour image if `colour`. Of DICOM float32 in
        [0, 1], unless the rendering is without a window.

    Raises:
        DataNotFoundError: there is no such file.
        DataError: it cannot be read to its end, holds several images, or has pixels that are NaN or infinite.
        MissingExtraError: the codec for its transfer syntax is not installed.
    """
    name = name or path.name
    file, part = at_hand(path)
    if not file.is_file():
        raise DataNotFoundError(f"{name}: no such image file")
    suffix = image_suffix(file)
    if suffix in ARRAYS:
        pixels = read_array_image(file, part=part, colour=colour, name=name)
    elif part:
        raise DataError(f"{name}: only .npz images have parts; leave out '#{part}'")
    elif suffix in NIFTI:
        from sightline.data.readers.nifti import read_nifti_image

        pixels = read_nifti_image(file, name=name)
    elif suffix in DICOM or starts_as_dicom(file):
        from sightline.data.readers.dicom import read_dicom

        pixels = read_dicom(file, colour=colour, rendering=rendering, name=name)
    else:
        pixels = read_picture(file, colour=colour, name=name)
    if pixels.size == 0:
        raise DataError(f"{name}: image without pixels, {pixels.shape}")
    if pixels.dtype == np.float32 and (bad := int((~np.isfinite(pixels)).sum())):
        raise DataError(f"{name}: {bad} of {pixels.size} pixels are NaN or infinite")
    return pixels


def read_unit(
    path: Path, *, colour: bool = False, value_range: tuple[float, float] | None = None, name: str = ""
) -> Array:
    """Read the pixels of an image file, scaled to [0, 1].

    Of a grey DICOM image a range of values is a window on what was measured, so that where the smallest value is white
    it is inverted afterwards; of all others see `to_unit`.

    Args:
        path: the file.
        colour: keep the three channels of a colour image.
        value_range: values that become 0 and 1, beyond which pixels are clipped; by default the file's own window, or
            the range of its type.
        name: what to call the file in messages.

    Returns:
        float32, `(H, W)`, or `(H, W, 3)` of a colour image if `colour`.

    Raises:
        DataNotFoundError, DataError, MissingExtraError: as `read_pixels` and `to_unit`.
    """
    if not (image_suffix(path) in DICOM or starts_as_dicom(path)):
        return to_unit(read_pixels(path, colour=colour, name=name), value_range=value_range, name=name or path.name)
    if value_range is None:
        return read_pixels(path, colour=colour, name=name)
    low, high = value_range
    window = Rendering(window=((low + high) / 2, high - low))
    return read_pixels(path, colour=colour, rendering=window, name=name)
