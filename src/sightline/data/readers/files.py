"""What the name of an image file says: its suffix, its stem, and which part of the file is meant.

A name may end in `#part` where a file holds several things: `scans.npz#chest` is the array `chest`, and
`organs.nii.gz#10+11` are the labels 10 and 11 of a mask. A file whose own name has a `#` is found all the same.
"""

from pathlib import Path

from sightline.data.images import IMAGE_SUFFIXES
from sightline.stores import fetched, there

_MAGIC = (128, b"DICM")  # PS3.10, 7.1: a preamble of 128 bytes and the prefix


def image_suffix(path: Path) -> str:
    """Return the suffix of an image file in lower case, such as `.png` or `.nii.gz`; empty if it is none of ours."""
    name = path.name.lower()
    suffixes = [suffix for suffix in IMAGE_SUFFIXES if name.endswith(suffix) and len(name) > len(suffix)]
    return max(suffixes, key=len, default="")


def image_stem(path: Path) -> str:
    """Return the name of a file without its suffix, of which `.nii.gz` is one."""
    suffix = image_suffix(path)
    return path.name[: -len(suffix)] if suffix else path.stem


def is_image_file(path: Path) -> bool:
    """Tell whether a file is an image: by its suffix, or as DICOM without a suffix by its content."""
    if not path.is_file() or path.name.startswith("."):
        return False
    nameless = path.suffix == "" or path.suffix[1:].isdigit()  # CT.1.2.840.113
    return bool(image_suffix(path)) or (nameless and starts_as_dicom(path))


def starts_as_dicom(path: Path) -> bool:
    """Tell whether a file begins as a DICOM file does."""
    start, prefix = _MAGIC
    path = fetched(path)
    try:
        with path.open("rb") as file:
            return file.read(start + len(prefix))[start:] == prefix
    except OSError:
        return False


def located(path: Path) -> tuple[Path, str]:
    """Return the file that a name means and the part of it, which is empty for the whole."""
    file, mark, part = path.name.rpartition("#")
    if mark and file and not there(path):
        return path.with_name(file), part
    return path, ""


def at_hand(path: Path) -> tuple[Path, str]:
    """Return as `located` the file and the part of it; a file of a store is on this machine then.

    Raises:
        DataNotFoundError, ServerError, DataError, SettingsError, MissingExtraError: as `sightline.stores.fetched`.
    """
    file, part = located(path)
    return fetched(file), part
