"""Results as DICOM objects: maps, overlays, regions and reports that refer to the images they are about."""

from sightline.reporting.dicom.objects import make_objects, write_objects
from sightline.reporting.dicom.parametric_map import parametric_map
from sightline.reporting.dicom.placed import placed_result
from sightline.reporting.dicom.placing import place_map
from sightline.reporting.dicom.result import NOTICE, Maker, Result
from sightline.reporting.dicom.secondary_capture import secondary_capture
from sightline.reporting.dicom.segmentation import segmentation
from sightline.reporting.dicom.source import Source, is_dicom, open_source
from sightline.reporting.dicom.structured_report import structured_report
from sightline.reporting.dicom.top_region import top_region

__all__ = [
    "NOTICE",
    "Maker",
    "Result",
    "Source",
    "is_dicom",
    "make_objects",
    "open_source",
    "parametric_map",
    "place_map",
    "placed_result",
    "secondary_capture",
    "segmentation",
    "structured_report",
    "top_region",
    "write_objects",
]
