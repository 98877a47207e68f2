"""What a model answered about a source, brought from what it saw to the pixels of the source."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from sightline.data import Preprocessing
from sightline.data.volume_input import VolumeInput
from sightline.reporting.dicom.placing import place_map
from sightline.reporting.dicom.result import Result
from sightline.reporting.dicom.source import Source
from sightline.reporting.dicom.top_region import top_region


def placed_result(
    drawn: NDArray[np.float32],
    source: Source,
    seen: Preprocessing | VolumeInput,
    *,
    target: str,
    probabilities: Mapping[str, float],
    allowed: NDArray[np.float32] | None = None,
    relevance_inside: float | None = None,
) -> Result:
    """Return a result on the pixels of its source.

    Args:
        drawn: signed map at the size of the model's input, `(*S)`.
        source: what it is of.
        seen: how the source became the model's input.
        target: name of the class explained.
        probabilities: of all classes by name.
        allowed: where the model may look, `(*S)` in [0, 1], counted from a half on; None or NaN where unknown.
        relevance_inside: share of absolute relevance in it; None or NaN where unknown.

    Raises:
        ShapeError: a map is not of the size that the model's input has.
    """
    known = allowed is not None and bool(np.isfinite(allowed).all())
    return Result(
        target,
        probabilities,
        place_map(drawn, source, seen),
        place_map(top_region(drawn).astype(np.float32), source, seen) >= 0.5,
        place_map(allowed, source, seen) >= 0.5 if allowed is not None and known else None,
        None if relevance_inside is None or np.isnan(relevance_inside) else float(relevance_inside),
    )
