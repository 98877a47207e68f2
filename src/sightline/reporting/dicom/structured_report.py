"""A result as a DICOM Structured Report: what was answered, by what, and how much of it rests on the allowed region."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from sightline.reporting.dicom.codes import class_code, own, procedure_code, standard, words
from sightline.reporting.dicom.result import MANUFACTURER, NOTICE, Maker, Result, finished, identity
from sightline.reporting.dicom.source import Source, unquoted

if TYPE_CHECKING:
    from pydicom import Dataset


def structured_report(result: Result, source: Source, maker: Maker, objects: Sequence["Dataset"]) -> "Dataset":
    """Return a Measurement Report (TID 1500) as Comprehensive SR, preliminary and unverified.

    A measurement group (TID 1501) a class holds its probability and the algorithm with its version and parameters, that
    of the class explained also the share of relevance inside the allowed region where it is known. The other objects
    are linked to: the map and the regions as visual explanation, the overlay as illustration.

    Args:
        result: what was answered.
        source: what it is about.
        maker: of the result.
        objects: map, overlay and regions, as far as they were made.

    Raises:
        DataError: the source's header cannot be used.
    """
    from highdicom import sr

    with unquoted(source.name):
        report = sr.MeasurementReport(
            observation_context=sr.ObservationContext(observer_device_context=_observer(maker)),
            procedure_reported=procedure_code(str(source.first.get("Modality") or "")),
            imaging_measurements=[_group(name, result, source, maker) for name in result.probabilities],
            title=standard("report"),
            referenced_images=list(source.headers),
        )
        comment = sr.TextContentItem(
            name=standard("comment"), value=NOTICE, relationship_type=sr.RelationshipTypeValues.CONTAINS
        )
        report[0].ContentSequence.extend([comment, *map(_link, objects)])
        made = sr.ComprehensiveSR(
            evidence=[*source.headers, *objects],
            content=report[0],
            is_complete=True,
            is_final=False,
            is_verified=False,
            **identity("report", source, result.target, maker),
        )
    return finished(made, source)


def _observer(maker: Maker) -> Any:  # noqa: ANN401 - of highdicom, which is imported late
    from highdicom import sr

    return sr.ObserverContext(
        observer_type=sr.CodedConcept("121007", "DCM", "Device"),
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=maker.uid("device"),
            name=words(maker.software),
            manufacturer_name=MANUFACTURER,
            model_name=words(maker.model),
            serial_number=maker.weights_sha256[:16],
        ),
    )


def _group(name: str, result: Result, source: Source, maker: Maker) -> Any:  # noqa: ANN401 - as above
    from highdicom import sr

    measured = [sr.Measurement(standard("probability"), float(result.probabilities[name]), standard("one"))]
    if name == result.target and result.relevance_inside is not None:
        measured.append(sr.Measurement(own("RELEVANCE_INSIDE"), float(result.relevance_inside), standard("one")))
    options = json.dumps(dict(maker.asked.get("options", {})), sort_keys=True)
    explained = [f"explained by: {maker.method}", f"options: {options}"] if name == result.target else []
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(
            uid=maker.uid("class", name, str(source.first.SOPInstanceUID)), identifier=words(name)
        ),
        finding_type=class_code(name),
        algorithm_id=sr.AlgorithmIdentification(
            name=f"{maker.model} ({maker.architecture})",
            version=maker.software,
            parameters=[f"weights sha256: {maker.weights_sha256}", *explained],
        ),
        measurements=measured,
    )


def _link(made: "Dataset") -> Any:  # noqa: ANN401 - as above
    from highdicom import sr

    numbers = [int(item.SegmentNumber) for item in made.get("SegmentSequence") or []]
    return sr.ImageContentItem(
        name=standard("illustration" if "Capture" in made.file_meta.MediaStorageSOPClassUID.name else "explanation"),
        referenced_sop_class_uid=made.SOPClassUID,
        referenced_sop_instance_uid=made.SOPInstanceUID,
        referenced_segment_numbers=numbers or None,
        relationship_type=sr.RelationshipTypeValues.CONTAINS,
    )
