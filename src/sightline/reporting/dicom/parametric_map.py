"""A map as a DICOM Parametric Map: the float values themselves, on the pixels of their source."""

import copy
from typing import TYPE_CHECKING

import numpy as np

from sightline.reporting.dicom.codes import quantity_code, standard, words
from sightline.reporting.dicom.result import NOTICE, Maker, Result, finished, identity
from sightline.reporting.dicom.source import Source, unquoted
from sightline.reporting.overlay import symmetric_limit

if TYPE_CHECKING:
    from pydicom import Dataset

_AXES = {"L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0), "A": (0, -1, 0), "H": (0, 0, 1), "F": (0, 0, -1)}
_UNKNOWN_MM = 1.0


def parametric_map(result: Result, source: Source, maker: Maker) -> "Dataset":
    """Return a map as a Parametric Map, one frame an image.

    Values are 32-bit floats without a scale. The window shows what `heatmap_overlay` does: from minus to plus the
    99.5th percentile of the absolute map.

    A Parametric Map must say where it lies in a patient (PS3.3 A.75.3), which a radiograph does not know. Its map gets
    a frame of reference of its own, that nothing else is in, with the first pixel at the origin and the rows and
    columns along the image's PatientOrientation (x and y where there is none).

    Args:
        result: its `drawn`.
        source: what it is of.
        maker: of the map.

    Raises:
        DataError: the source's header cannot be used.
    """
    from highdicom import VOILUTTransformation
    from highdicom.pm import ParametricMap, RealWorldValueMapping

    limit = max(symmetric_limit(result.drawn.astype(np.float64)), float(np.finfo(np.float32).tiny))
    with unquoted(source.name):
        mapping = RealWorldValueMapping(
            lut_label="RELEVANCE",
            lut_explanation=words(f"Relevance for {result.target} by {maker.method}, on the scale of its logit"),
            unit=standard("one"),
            value_range=(float(result.drawn.min()), float(result.drawn.max())),
            slope=1.0,
            intercept=0.0,
            quantity_definition=quantity_code(maker.method),
        )
        made = ParametricMap(
            source_images=[*source.headers] if source.is_placed else [_placed(source.first, maker)],
            pixel_array=np.ascontiguousarray(result.drawn, np.float32),
            contains_recognizable_visual_features=False,
            real_world_value_mappings=[mapping],
            voi_lut_transformations=[
                VOILUTTransformation(window_center=0.0, window_width=2 * limit, voi_lut_function="LINEAR_EXACT")
            ],
            content_label="RELEVANCE",
            content_description=words(f"{result.target}. {NOTICE}"),
            **identity("map", source, result.target, maker),
        )
    return finished(made, source)


def _placed(header: "Dataset", maker: Maker) -> "Dataset":
    """Return a header that says where its plane lies, in a space of its own."""
    placed = copy.deepcopy(header)  # a shallow copy would share its elements
    spacing = header.get("PixelSpacing") or header.get("ImagerPixelSpacing") or [_UNKNOWN_MM] * 2
    placed.FrameOfReferenceUID = maker.uid("frame of reference", str(header.SOPInstanceUID))
    placed.PositionReferenceIndicator = ""
    placed.ImagePositionPatient = [0, 0, 0]
    placed.ImageOrientationPatient = [*_directions(header)]
    placed.PixelSpacing = [float(length) for length in spacing]
    placed.SliceThickness = _UNKNOWN_MM
    return placed


def _directions(header: "Dataset") -> tuple[int, ...]:
    letters = [str(word)[:1].upper() for word in header.get("PatientOrientation") or ()]
    row, column = (_AXES.get(letter) for letter in letters) if len(letters) == 2 else (None, None)
    if row is None or column is None or any(a and b for a, b in zip(row, column, strict=True)):
        return 1, 0, 0, 0, 1, 0
    return *row, *column
