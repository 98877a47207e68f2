"""Reading files: images, volumes and masks of every kind a cohort may name, one kind a module."""

from sightline.data.readers.checksums import sha256_of, with_checksums
from sightline.data.readers.dicom import read_about
from sightline.data.readers.masks import read_mask
from sightline.data.readers.pixels import read_pixels, read_unit
from sightline.data.readers.rendering import Rendering
from sightline.data.readers.volume import Volume, is_volume, read_volume

__all__ = [
    "Rendering",
    "Volume",
    "is_volume",
    "read_about",
    "read_mask",
    "read_pixels",
    "read_unit",
    "read_volume",
    "sha256_of",
    "with_checksums",
]
