"""What is written about one source, and what made it, with identifiers that come out the same when asked again."""

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import sightline
from sightline.plain import to_plain
from sightline.reporting.dicom.codes import scheme_item, words
from sightline.reporting.dicom.source import Source
from sightline.training import TrainSettings

if TYPE_CHECKING:
    from pydicom import Dataset

NOTICE = "Made by research software. Not for diagnosis or treatment."
MANUFACTURER = "Sightline"
UTF8 = "ISO_IR 192"
_IMAGES = ("1.2.840.10008.5.1.4.1.1.30", "1.2.840.10008.5.1.4.1.1.7")  # Parametric Map, Secondary Capture
_SPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "sightline: results")
_NUMBERS = {"map": 9101, "overlay": 9102, "region": 9103, "report": 9104}  # of series, away from those of scanners


@dataclass(frozen=True)
class Maker:
    """The model that answered and the method that explained it.

    Attributes:
        model: name of the run.
        architecture: name of its architecture.
        weights_sha256: checksum of its weights, 64 hexadecimal digits.
        method: name of the method of explanation.
        asked: all else that the result depends on, such as options and preprocessing, as JSON can hold it.
        again: sets a result apart from an equal one that was made before; empty for none.
    """

    model: str
    architecture: str
    weights_sha256: str
    method: str
    asked: Mapping[str, Any] = field(default_factory=dict)
    again: str = ""

    @classmethod
    def of(
        cls,
        settings: TrainSettings,
        weights_sha256: str,
        method: str,
        options: Mapping[str, Any],
        *,
        value_range: tuple[float, float] | None,
        again: str = "",
    ) -> "Maker":
        """Return the maker of what a run answers.

        Args:
            settings: of the run.
            weights_sha256: checksum of its weights.
            method: name of the method of explanation.
            options: of the method, as JSON can hold them.
            value_range: of the run's cohort.
            again: see the attribute.
        """
        seen = settings.data.volume or settings.data.preprocessing
        asked = {"options": dict(options), "seen": to_plain(seen), "value_range": to_plain(value_range)}
        return cls(settings.name, settings.model.name, weights_sha256, method, asked, again)

    @property
    def software(self) -> str:
        """Name and version of this software."""
        return f"sightline {sightline.__version__}"

    def uid(self, *parts: str) -> str:
        """Return an identifier that is the same for the same maker and parts.

        A UUID of their SHA-1 (version 5) as a decimal number under 2.25.

        Reference:
            PS3.5 B.2, UUID Derived UID.
        """
        own = [self.model, self.architecture, self.weights_sha256, self.method, self.asked, self.again, self.software]
        return f"2.25.{uuid.uuid5(_SPACE, json.dumps([own, parts], sort_keys=True)).int}"


@dataclass(frozen=True, eq=False)
class Result:
    """What a model answered about a source, and why.

    Attributes:
        target: name of the class that was explained.
        probabilities: of all classes by name, in [0, 1].
        drawn: signed map on the pixels of the source, `(frames, rows, columns)` float32.
        top: where half of the positive relevance lies, likewise, bool.
        allowed: where the model may look, likewise; None where unknown.
        relevance_inside: share of absolute relevance in `allowed`, in [0, 1]; None where unknown.
    """

    target: str
    probabilities: Mapping[str, float]
    drawn: NDArray[np.float32]
    top: NDArray[np.bool_]
    allowed: NDArray[np.bool_] | None = None
    relevance_inside: float | None = None


def identity(kind: str, source: Source, target: str, maker: Maker) -> dict[str, Any]:
    """Return what every object says of itself, as arguments of highdicom's constructors.

    Objects of one kind, method and model share a series for each series of the source. Maps that have a frame of
    reference of their own have a series of their own too, since a series has but one (PS3.3 C.7.4.1).

    Args:
        kind: `map`, `overlay`, `region` or `report`.
        source: what it is of.
        target: class explained.
        maker: of the object.
    """
    images = hashlib.sha256("\n".join(str(header.SOPInstanceUID) for header in source.headers).encode()).hexdigest()
    apart = kind == "map" and not source.is_placed
    series = source.first.SOPInstanceUID if apart else source.first.SeriesInstanceUID
    return {
        "series_instance_uid": maker.uid("series", kind, str(series)),
        "series_number": _NUMBERS[kind],
        "sop_instance_uid": maker.uid("instance", kind, images, target),
        "instance_number": max(int(source.first.get("InstanceNumber") or 1), 1),
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": words(maker.model),
        "software_versions": maker.software,
        "device_serial_number": maker.weights_sha256[:16],
        "series_description": words(f"Sightline {kind} ({maker.method}), research only"),
        "specific_character_set": UTF8,
    }


def finished(made: "Dataset", source: Source) -> "Dataset":
    """Add what highdicom leaves out: the part of the body that the source names, and what our own codes mean.

    An image whose part of the body nobody names has an empty laterality (type 2C: unknown); one of a named part has
    what the source has. Segmentations and reports have none.
    """
    if made.SOPClassUID in _IMAGES:
        for keyword in ("BodyPartExamined", "Laterality"):
            if keyword in source.first:
                setattr(made, keyword, source.first.get(keyword) or "")
        if "BodyPartExamined" not in made and "Laterality" not in made:
            made.Laterality = ""
    made.CodingSchemeIdentificationSequence = [scheme_item()]
    return made
