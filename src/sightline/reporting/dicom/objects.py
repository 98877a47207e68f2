"""The four objects of a result, and their files."""

from pathlib import Path
from typing import TYPE_CHECKING

from sightline.reporting.dicom.parametric_map import parametric_map
from sightline.reporting.dicom.result import Maker, Result
from sightline.reporting.dicom.secondary_capture import secondary_capture
from sightline.reporting.dicom.segmentation import segmentation
from sightline.reporting.dicom.source import Source
from sightline.reporting.dicom.structured_report import structured_report
from sightline.runs import atomic_path

if TYPE_CHECKING:
    from pydicom import Dataset


def make_objects(result: Result, source: Source, maker: Maker) -> "dict[str, Dataset]":
    """Return the objects of a result by kind: `map`, `overlay`, `region` where there is one, and `report`.

    Raises:
        DataError: the source's image or header cannot be used.
    """
    made = {
        "map": parametric_map(result, source, maker),
        "overlay": secondary_capture(result, source, maker),
        "region": segmentation(result, source, maker),
    }
    objects = {kind: one for kind, one in made.items() if one is not None}
    return {**objects, "report": structured_report(result, source, maker, list(objects.values()))}


def write_objects(objects: "dict[str, Dataset]", folder: Path, stem: str) -> list[str]:
    """Write objects as `STEM.KIND.dcm`, each atomically, and return the names of the files."""
    names = []
    for kind, made in objects.items():
        names.append(f"{stem}.{kind}.dcm")
        with atomic_path(folder / names[-1]) as temporary:
            made.save_as(temporary, enforce_file_format=True)
    return names
