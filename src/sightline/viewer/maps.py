"""Maps that are drawn when they are asked for, and kept on disk for the next time."""

import hashlib
import json
import logging
import os
import time
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy import ndimage

from sightline.answering import Answerer
from sightline.errors import DataError
from sightline.metrics.localisation import relevance_share_inside
from sightline.reporting.gallery import SMOOTH
from sightline.reporting.overlay import symmetric_limit
from sightline.runs import atomic_path
from sightline.viewer.pictures import Picture

PEAK = 32767
_VERSION = 1  # count up when the same question has another answer
_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class HeatMap:
    """A map as it is looked at.

    Attributes:
        values: signed, `(D, H, W)` int16; 32,767 is `peak`.
        peak: largest absolute value, on the scale of the logit; 0 of a map of zeros.
        limit: absolute value that is shown at full colour, as in the report.
        signed: whether any value is below zero.
        method: that drew it.
        target: index of the class explained.
        inside: share of the absolute relevance inside the region; NaN where unknown.
        drawn_at: spatial size at which the method drew.
        seconds: that drawing took.
    """

    values: NDArray[np.int16]
    peak: float
    limit: float
    signed: bool
    method: str
    target: int
    inside: float
    drawn_at: tuple[int, ...]
    seconds: float

    @property
    def nbytes(self) -> int:
        """Memory it takes."""
        return self.values.nbytes

    @property
    def by_slice(self) -> tuple[list[float], list[float]]:
        """Sum of what speaks for the class and of what speaks against it, slice by slice."""
        scale = self.peak / PEAK
        planes = self.values.reshape(len(self.values), -1).astype(np.float64)
        return (planes.clip(0).sum(1) * scale).tolist(), (planes.clip(None, 0).sum(1) * scale).tolist()

    def smoothed(self) -> "HeatMap":
        """Add relevance up in a Gaussian neighbourhood, as the report does: maps of the input's resolution alternate in
        sign from pixel to pixel, which the eye mixes to purple. Volumes stay as they are.
        """  # noqa: D205 - one sentence
        if len(self.values) > 1:
            return self
        plane = self.values[0].astype(np.float64) * (self.peak / PEAK)
        smooth = ndimage.gaussian_filter(plane, SMOOTH * max(plane.shape), mode="constant")
        values, peak, limit = _levels(smooth[None])
        return HeatMap(
            values, peak, limit, self.signed, self.method, self.target, self.inside, self.drawn_at, self.seconds
        )


def draw(answerer: Answerer, picture: Picture, method: str, target: int, *, within_s: float | None = None) -> HeatMap:
    """Draw the map of a picture.

    Args:
        answerer: the model.
        picture: with what the model reads.
        method: name of an explanation method.
        target: index of the class.
        within_s: time after which to give up, s.

    Raises:
        DataError: no model looks at the picture.
        SightlineError: the method cannot explain this model, or took too long.
    """
    if picture.ready is None:
        raise DataError("a map needs a model; name a run")
    began = time.monotonic()
    explained = answerer.explain(picture.ready, method, target, within_s=within_s)
    attribution = explained.attribution
    volume = attribution if attribution.ndim == 3 else attribution[None]
    values, peak, limit = _levels(volume)
    return HeatMap(
        values,
        peak,
        limit,
        bool(attribution.min(initial=0.0) < 0),
        method,
        target,
        _inside(volume, picture.region(target)),
        explained.drawn_at,
        time.monotonic() - began,
    )


class MapStore:
    """Maps in a folder, by all that they depend on. What was asked for longest ago goes when it grows too large.

    Args:
        folder: made when the first map is written.
        budget: most bytes to keep.
    """

    def __init__(self, folder: Path, budget: int = 2 * 2**30) -> None:
        self.folder = folder
        self._budget = budget

    def get(self, asked: dict[str, Any], make: Callable[[], HeatMap]) -> HeatMap:
        """Return the map that answers a question, from the folder or else made anew.

        Args:
            asked: all that the map depends on, as JSON can hold it.
            make: draws it.
        """
        text = json.dumps([_VERSION, asked], sort_keys=True)
        file = self.folder / f"{hashlib.sha256(text.encode()).hexdigest()[:40]}.npz"
        kept = _read(file)
        if kept is None:
            kept = make()
            self._write(file, kept)
        return kept

    def _write(self, file: Path, heat: HeatMap) -> None:
        about = {name: value for name, value in asdict(heat).items() if name != "values"}
        try:
            with atomic_path(file) as temporary, temporary.open("wb") as stream:
                np.savez_compressed(stream, allow_pickle=False, values=heat.values, about=np.array(json.dumps(about)))
            self._make_room()
        except OSError as error:  # a map that is not kept is drawn again
            _log.warning("maps are not kept in %s: %s", self.folder, error.strerror or error)

    def _make_room(self) -> None:
        files = sorted(((file.stat(), file) for file in self.folder.glob("*.npz")), key=lambda each: each[0].st_mtime)
        left = sum(stat.st_size for stat, _ in files)
        for stat, file in files[:-1]:
            if left <= self._budget:
                break
            file.unlink(missing_ok=True)
            left -= stat.st_size


def _read(file: Path) -> HeatMap | None:
    if not file.is_file():
        return None
    try:
        with np.load(file, allow_pickle=False) as kept:
            about = json.loads(str(kept["about"]))
            heat = HeatMap(kept["values"], **{**about, "drawn_at": tuple(about["drawn_at"])})
        os.utime(file)
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile, zlib.error):
        return None  # damaged: it is drawn again
    return heat


def _levels(volume: NDArray[Any]) -> tuple[NDArray[np.int16], float, float]:
    if not np.isfinite(volume).all():
        raise DataError("the map holds NaN or infinity; a picture of it would say nothing")
    peak = float(np.abs(volume).max(initial=0.0))
    values = np.rint(volume / (peak or 1.0) * PEAK).astype(np.int16)
    return values, peak, symmetric_limit(np.asarray(volume, np.float64))


def _inside(volume: NDArray[Any], region: NDArray[np.uint8] | None) -> float:
    if region is None:
        return float("nan")
    allowed = torch.from_numpy(region).float()[None, None] / 255
    allowed = F.interpolate(allowed, size=volume.shape, mode="nearest")
    heat = torch.from_numpy(np.ascontiguousarray(volume, np.float32))[None, None]
    return float(relevance_share_inside(heat, allowed)[0])
