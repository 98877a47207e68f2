"""Gaze of one reader on one image from a table, as the column `gaze` of a cohort names it.

Which of these a file holds is told by its columns; others may be there.

| what | columns |
|---|---|
| fixations | `x`, `y` (pixels of the image, see `sightline.regions.gaze.scanpath`), `start`, `duration` (seconds) |
| samples | `time` (seconds), `x`, `y`, and `valid` (1 or 0) if known; `x`, `y` are empty where the eyes were lost |
| fixations of REFLACX | `timestamp_start_fixation`, `timestamp_end_fixation`, `x_position`, `y_position` |
| samples of REFLACX | `timestamp_sample`, `x_position`, `y_position` |

The first two may have `pixels_per_degree_x` and `pixels_per_degree_y`; the others have them under names of their own.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from torch import Tensor

from sightline.data.images import Array
from sightline.data.number_columns import plain, read_columns, read_header
from sightline.errors import DataError, SettingsError
from sightline.regions.gaze.fixation_detection import Detector
from sightline.regions.gaze.heatmap import USUAL, GazeHeatmap, gaze_heatmap, grouped_heatmaps
from sightline.regions.gaze.log_times import log_times
from sightline.regions.gaze.scanpath import Fixations, Samples, every_sample
from sightline.regions.gaze.thresholds import region_by_mass
from sightline.runs import write_text

_FIXATIONS = ("x", "y", "start", "duration")
_SAMPLES = ("time", "x", "y")
_DEGREES = ("pixels_per_degree_x", "pixels_per_degree_y")
_REFLACX_FIXATIONS = ("x_position", "y_position", "timestamp_start_fixation", "timestamp_end_fixation")
_REFLACX_SAMPLES = ("timestamp_sample", "x_position", "y_position")
_REFLACX_DEGREES = ("angular_resolution_x_pixels_per_degree", "angular_resolution_y_pixels_per_degree")
_KNOWN = (
    ("fixations", _FIXATIONS, _DEGREES),
    ("samples", _SAMPLES, _DEGREES),
    ("fixations of REFLACX", _REFLACX_FIXATIONS, _REFLACX_DEGREES),
    ("samples of REFLACX", _REFLACX_SAMPLES, _REFLACX_DEGREES),
)


@dataclass(frozen=True)
class GazeRegion:
    """How gaze becomes the region where a model may look.

    Attributes:
        heatmap: how fixations become a map.
        detector: how samples become fixations: by `dispersion` or `velocity` and their further settings; null takes
            each sample for one, as MT-UNet does.
        mass: keep the smallest area that holds this share of the gaze, as 1, and 0 elsewhere; null keeps the map.
    """

    heatmap: GazeHeatmap = USUAL
    detector: Detector | None = None
    mass: float | None = None

    def __post_init__(self) -> None:
        if self.mass is not None and not 0 < self.mass <= 1:
            raise SettingsError(f"mass must be a share of the gaze over 0 to 1, or null for the map, got {self.mass}")


USUAL_REGION = GazeRegion()


@dataclass(frozen=True)
class GazeInput:
    """How gaze becomes channels that a model reads behind those of the image.

    Attributes:
        kind: a `density` is one map of all fixations, `frames` are maps of them in their order (EGD-CXR's temporal
            network), `times` hold at each fixation's place how long it took, on a logarithmic scale (GazeGNN).
        frames: number of frames.
        heatmap: how fixations become a density or frames.
        detector: as of the region.
    """

    kind: Literal["density", "frames", "times"] = "density"
    frames: int = 10
    heatmap: GazeHeatmap = USUAL
    detector: Detector | None = None

    def __post_init__(self) -> None:
        if self.frames < 1:
            raise SettingsError(f"frames must be at least 1, got {self.frames}")

    @property
    def channels(self) -> int:
        """How many there are."""
        return self.frames if self.kind == "frames" else 1


def region_from_gaze(
    path: Path,
    original: tuple[int, int],
    size: Sequence[int],
    options: GazeRegion = USUAL_REGION,
    *,
    pad: bool = False,
    name: str = "",
) -> Tensor:
    """Read gaze and draw the region where a model may look.

    Args:
        path: the table.
        original: height and width of the image in its file, pixels.
        size: height and width of the region, pixels.
        options: how to draw.
        pad: draw the image in the middle of a black square, as `pad_to_square` does; the padding may not be looked at.
        name: what to call the file in messages; by default its own name.

    Returns:
        `(1, *size)` float32 in [0, 1]; NaN throughout if the reader looked at no place on the image.

    Raises:
        DataNotFoundError: there is no such file.
        DataError: the table cannot be used, or lacks `pixels_per_degree` for options in degrees.
    """
    gaze = read_gaze(path, original, name=name)
    try:
        fixations = _fixations(gaze, options.detector)
        heatmap = gaze_heatmap(fixations, size, options.heatmap, canvas=_canvas(original, pad))
    except DataError as error:
        raise DataError(f"{name or path.name}: {error}") from None
    return heatmap if options.mass is None else region_by_mass(heatmap, options.mass)


def gaze_as_input(
    path: Path,
    original: tuple[int, int],
    size: tuple[int, int],
    options: GazeInput,
    *,
    pad: bool = False,
    name: str = "",
) -> Tensor:
    """Read gaze and draw what a model reads beside the image.

    Args:
        path: the table.
        original: height and width of the image in its file, pixels.
        size: height and width of the channels, pixels.
        options: what to draw.
        pad: as of `region_from_gaze`.
        name: what to call the file in messages; by default its own name.

    Returns:
        `(options.channels, *size)` float32 in [0, 1]; NaN throughout if the reader looked at no place on the image.

    Raises:
        DataNotFoundError, DataError: as of `region_from_gaze`.
    """
    gaze = read_gaze(path, original, name=name)
    canvas = _canvas(original, pad)
    try:
        fixations = _fixations(gaze, options.detector)
        if options.kind == "times":
            return log_times(fixations, size, canvas=canvas)
        if options.kind == "frames":
            return grouped_heatmaps(fixations, size, options.heatmap, frames=options.frames, canvas=canvas)
        return gaze_heatmap(fixations, size, options.heatmap, canvas=canvas)
    except DataError as error:
        raise DataError(f"{name or path.name}: {error}") from None


def read_gaze(path: Path, size: tuple[int, int], *, name: str = "") -> Fixations | Samples:
    """Read the gaze of one reader on one image.

    What is known of REFLACX comes from its description: places are whole pixels of the image, counted from its upper
    left corner; times are those of the sound recording; samples are empty where the eyes were not found. Whether 0
    means the corner or the middle of the first pixel is not said; it is taken for the corner.

    Args:
        path: the table; see above for its columns.
        size: height and width of the image, pixels.
        name: what to call the file in messages; by default its own name.

    Returns:
        Fixations, or samples that are valid where the table has a place and does not say that it is not. Places outside
        the image are kept.

    Raises:
        DataNotFoundError: there is no such file.
        DataError: it has not the columns of any of the tables, or a cell that cannot be used.
    """
    name = name or path.name
    header = read_header(path, name=name)
    there = {plain(column) for column in header}
    for _, columns, degrees in _KNOWN:
        if all(plain(column) in there for column in columns):
            extra = degrees if all(plain(column) in there for column in degrees) else ()
            flags = ("valid",) if columns is _SAMPLES and "valid" in there else ()
            table = read_columns(path, (*columns, *extra, *flags), name=name)
            per_degree = np.stack([table[column] for column in extra], axis=1) if extra else None
            try:
                return _gaze(table, columns, per_degree, size)
            except DataError as error:
                raise DataError(f"{name}: {error}") from None
    needs = "; or ".join(f"{', '.join(columns)} ({what})" for what, columns, _ in _KNOWN)
    raise DataError(f"{name}: gaze needs columns {needs}; it has {', '.join(header) or 'none'}")


def write_gaze(gaze: Fixations | Samples, path: Path) -> None:
    """Write gaze as a table for `read_gaze`, atomically and to the last digit; what is not valid is left empty."""
    if isinstance(gaze, Fixations):
        columns: dict[str, Array] = {column: getattr(gaze, column) for column in _FIXATIONS}
        shown = np.ones(len(gaze), bool)
    else:
        columns = {"time": gaze.time, "x": gaze.x, "y": gaze.y}
        shown = gaze.valid
    if gaze.pixels_per_degree is not None:
        columns |= dict(zip(_DEGREES, gaze.pixels_per_degree.T, strict=True))
    text = io.StringIO()
    text.write(",".join(columns) + "\n")
    for is_shown, *row in zip(shown, *columns.values(), strict=True):
        told = zip(columns, row, strict=True)
        cells = [repr(float(value)) if is_shown or column == "time" else "" for column, value in told]
        text.write(",".join(cells) + "\n")
    write_text(path, text.getvalue())


def _fixations(gaze: Fixations | Samples, detector: Detector | None) -> Fixations:
    if isinstance(gaze, Samples):
        return detector(gaze) if detector else every_sample(gaze)
    return gaze


def _canvas(original: tuple[int, int], pad: bool) -> tuple[int, int]:
    return (max(original), max(original)) if pad else original


def _gaze(
    table: Mapping[str, Array], columns: Sequence[str], per_degree: Array | None, size: tuple[int, int]
) -> Fixations | Samples:
    if columns is _FIXATIONS or columns is _REFLACX_FIXATIONS:
        x, y, start, last = (table[column] for column in columns)
        return Fixations(x, y, start, last if columns is _FIXATIONS else last - start, size, per_degree)
    time, x, y = (table[column] for column in columns)
    valid = np.isfinite(x) & np.isfinite(y) & (table.get("valid", np.ones(len(x))) == 1)
    if per_degree is not None:
        valid &= np.isfinite(per_degree).all(axis=1)
    return Samples(time, x, y, valid, size, per_degree)
