"""Regions as a DICOM Segmentation, binary, on the pixels of their source."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sightline.reporting.dicom.codes import own, standard, words
from sightline.reporting.dicom.result import NOTICE, Maker, Result, finished, identity
from sightline.reporting.dicom.source import Source, unquoted

if TYPE_CHECKING:
    from highdicom import AlgorithmIdentificationSequence
    from pydicom import Dataset

_COLOURS = {"RELEVANCE_REGION": (225, 29, 42), "ALLOWED_REGION": (250, 204, 21)}


def segmentation(result: Result, source: Source, maker: Maker) -> "Dataset | None":
    """Return the regions of a result, a segment each: where most of the relevance lies, and where the model may look.

    Args:
        result: its `top` and `allowed`; what is None or empty has no segment.
        source: what they are on.
        maker: of the result.

    Returns:
        The segmentation, or None if there is no segment.

    Raises:
        DataError: the source's header cannot be used.
    """
    from highdicom.color import CIELabColor
    from highdicom.seg import Segmentation, SegmentDescription

    regions = segments(result)
    if not regions:
        return None
    with unquoted(source.name):
        described = [
            SegmentDescription(
                segment_number=number,
                segment_label=words(f"{own(code).meaning}: {result.target}"),
                segmented_property_category=standard("spatial"),
                segmented_property_type=own(code),
                algorithm_type="AUTOMATIC" if code == "RELEVANCE_REGION" else "SEMIAUTOMATIC",
                algorithm_identification=_algorithm(code, maker),
                tracking_uid=maker.uid("segment", code, str(source.first.SOPInstanceUID), result.target),
                tracking_id=words(f"{code} {result.target}"),
                display_color=CIELabColor.from_rgb(*_COLOURS[code]),
            )
            for number, code in enumerate(regions, start=1)
        ]
        made = Segmentation(
            source_images=list(source.headers),
            pixel_array=np.stack(list(regions.values()), axis=-1).astype(np.uint8),
            segmentation_type="BINARY",
            segment_descriptions=described,
            content_label="RELEVANCE",
            content_description=words(f"{result.target}. {NOTICE}"),
            **identity("region", source, result.target, maker),
        )
        made.ContentQualification = "RESEARCH"
        if source.first.get("PatientOrientation") and "ImageOrientationPatient" not in source.first:
            made.PatientOrientation = list(source.first.PatientOrientation)
    return finished(made, source)


def segments(result: Result) -> dict[str, NDArray[np.bool_]]:
    """Return the regions that are not empty by their code, in the order of their numbers from 1."""
    found = {"RELEVANCE_REGION": result.top, "ALLOWED_REGION": result.allowed}
    return {code: region for code, region in found.items() if region is not None and region.any()}


def _algorithm(code: str, maker: Maker) -> "AlgorithmIdentificationSequence":
    from highdicom import AlgorithmIdentificationSequence

    name = f"{maker.model}, {maker.method}" if code == "RELEVANCE_REGION" else "region given with the image"
    return AlgorithmIdentificationSequence(name=words(name), family=standard("family"), version=maker.software)
