"""Elements of DICOM headers as text."""

import warnings
from collections.abc import Sequence
from pathlib import Path

from sightline.errors import DataError


def read_header(path: Path, keywords: Sequence[str], *, name: str) -> dict[str, str]:
    """Read elements of a DICOM header, and not the pixels.

    Args:
        path: the file; the prefix that files begin with may be missing.
        keywords: of the elements, such as `PatientAge`.
        name: what to call the file in messages, which quote nothing of what is in it.

    Returns:
        Text by keyword, empty where an element is missing or has no value.

    Raises:
        DataError: it is no DICOM file, or its header is cut off.
    """
    import pydicom  # takes half a second

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pydicom warns about values that the standard does not allow
            header = pydicom.dcmread(
                path, stop_before_pixels=True, force=True, specific_tags=["SOPClassUID", *keywords]
            )
            values = {keyword: str(header.get(keyword) or "").strip() for keyword in keywords}
            known = "SOPClassUID" in header
    except Exception as error:  # any kind: pydicom's, struct's, the system's
        raise DataError(f"{name}: unreadable or truncated DICOM file ({type(error).__name__})") from None
    if not known:
        raise DataError(f"{name}: no DICOM file")
    return values
