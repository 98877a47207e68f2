r"""Where the eyes rested, as a map: a Gaussian at each fixation.

With weights $w_i$ and $A^x_{ij}$ the share of the Gaussian of fixation $i$ that falls on column $j$ (and $A^y$ on row),

$$D = {A^y}^\top \mathrm{diag}(w) A^x$$

so a pixel holds all that falls on its area, whatever the resolution: a map drawn small is the large map with its pixels
added up, and nothing need be drawn large. Fixations outside the image are left out. Where none is left with a weight,
nobody knows where the reader looked, and the map is NaN throughout (`unknown_region`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from scipy.special import ndtr
from torch import Tensor

from sightline.errors import DataError, SettingsError, ShapeError
from sightline.regions.gaze.scanpath import Fixations, Floats, drop_outside

_REACH = 8.5  # standard deviations beyond which float64 sees nothing of a Gaussian


@dataclass(frozen=True)
class GazeHeatmap:
    """How fixations become a map; `presets` has those of the papers.

    Attributes:
        sigma: standard deviation of the Gaussian.
        unit: of sigma: `width` is the image's, `pixels` are those of the image file, `degrees` of visual angle need
            fixations that know `pixels_per_degree`. The default is about one degree of a radiograph that fills the
            screen, as far as trackers are exact.
        weight: a fixation counts its `duration`, or one (`count`).
        truncate: where each Gaussian is cut off along each axis, standard deviations; None for not at all.
        border: what would fall beyond the edge of the image is `reflect`ed, so that a fixation keeps its weight, or
            `cut`.
        scale: the largest value is 1 (`max`), or all add up to 1 (`sum`).
    """

    sigma: float = 0.04
    unit: Literal["width", "pixels", "degrees"] = "width"
    weight: Literal["duration", "count"] = "duration"
    truncate: float | None = None
    border: Literal["reflect", "cut"] = "reflect"
    scale: Literal["max", "sum"] = "max"

    def __post_init__(self) -> None:
        if not self.sigma > 0:
            raise SettingsError(f"sigma must be positive, got {self.sigma}")
        if self.truncate is not None and not self.truncate > 0:
            raise SettingsError(f"truncate must be positive, or null for not at all, got {self.truncate}")


USUAL = GazeHeatmap()


def gaze_heatmap(
    fixations: Fixations,
    size: Sequence[int],
    options: GazeHeatmap = USUAL,
    *,
    canvas: tuple[int, int] | None = None,
) -> Tensor:
    """Draw all fixations in one map.

    Args:
        fixations: where the eyes rested.
        size: height and width of the map, pixels; any, also other proportions than the image's.
        options: how to draw.
        canvas: height and width of a larger black picture, in pixels of the image file, in the middle of which the
            image lies and of which the map is drawn; what lies beyond the image is 0. By default the image alone.

    Returns:
        `(1, *size)` float32 in [0, 1]; NaN throughout if no fixation with a weight lies on the image.

    Raises:
        ShapeError: the size is not two positive lengths, or the canvas smaller than the image.
        DataError: sigma is in degrees and the fixations do not know `pixels_per_degree`.
    """
    fixations, _ = drop_outside(fixations)
    return _draw(fixations, _weights(fixations, options)[None], size, options, canvas)


def windowed_heatmaps(
    fixations: Fixations, size: Sequence[int], options: GazeHeatmap = USUAL, *, frames: int
) -> Tensor:
    """Draw where the eyes rested in each of several equal times, from the first fixation to the end of the last.

    A fixation counts in each frame for the share of its time that falls there. Where nothing does, the frame is 0.

    Args:
        fixations: where the eyes rested.
        size: height and width of the maps, pixels.
        options: how to draw; `scale` makes 1 the largest value, or the sum, of all frames together, so that frames
            compare, and with `sum` the frames add up to the one map.
        frames: number of frames.

    Returns:
        `(frames, *size)` float32 in [0, 1]; NaN throughout if no fixation with a weight lies on the image.

    Raises:
        SettingsError: there is to be no frame.
        ShapeError, DataError: as of `gaze_heatmap`.
    """
    fixations, _ = drop_outside(fixations)
    return _draw(fixations, _shares(fixations, frames) * _weights(fixations, options), size, options)


def cumulative_heatmaps(
    fixations: Fixations, size: Sequence[int], options: GazeHeatmap = USUAL, *, frames: int
) -> Tensor:
    """Draw where the eyes had rested by the end of each of several equal times; the last frame is the one map.

    Arguments, result and errors are those of `windowed_heatmaps`; `scale` is that of the last frame.
    """
    fixations, _ = drop_outside(fixations)
    weights = (_shares(fixations, frames) * _weights(fixations, options)).cumsum(axis=0)
    return _draw(fixations, weights, size, options, scaled_by=-1)


def fixation_heatmaps(
    fixations: Fixations, size: Sequence[int], options: GazeHeatmap = USUAL, *, window: int = 0
) -> Tensor:
    r"""Draw a frame for each fixation on the image, with those shortly before and after it.

    Frame $i$ holds fixations $j$ from $i - w$ to $i + w$ with weights $w_j e^{-|i - j|}$.

    Args:
        fixations: where the eyes rested.
        size: height and width of the maps, pixels.
        options: how to draw; `scale` is that of all frames together, as in `windowed_heatmaps`.
        window: fixations before and after, $w$.

    Returns:
        `(N, *size)` float32 in [0, 1], of the N fixations on the image; a single frame of NaN if none has a weight.

    Raises:
        SettingsError: the window is negative.
        ShapeError, DataError: as of `gaze_heatmap`.

    Reference:
        Karargyris et al. 2021, doi:10.1038/s41597-021-00863-5; their code scales the neighbours of each fixation for
        good, and so those of later ones again, and leaves out the last neighbour and the last image of a session.
    """
    if window < 0:
        raise SettingsError(f"window must be 0 or more fixations, got {window}")
    fixations, _ = drop_outside(fixations)
    order = np.arange(len(fixations))
    apart = np.abs(order[:, None] - order)
    near = np.where(apart <= window, np.exp(-apart), 0.0)  # (N, N)
    weights = near * _weights(fixations, options)
    return _draw(fixations, weights if len(order) else np.zeros((1, 0)), size, options)


def grouped_heatmaps(
    fixations: Fixations,
    size: Sequence[int],
    options: GazeHeatmap = USUAL,
    *,
    frames: int,
    canvas: tuple[int, int] | None = None,
) -> Tensor:
    r"""Draw the fixations in the order in which they came, on a number of frames that is the same for every image.

    Up to as many fixations as there are frames have one each, from the first frame on, and the frames left over are 0.
    Of more, fixation $i$ of $N$ is on frame $\lfloor i F / N \rfloor$ of $F$, together with its neighbours.

    Args:
        fixations: where the eyes rested.
        size: height and width of the maps, pixels.
        options: how to draw; `scale` is that of all frames together, as in `windowed_heatmaps`.
        frames: number of frames, $F$.
        canvas: as of `gaze_heatmap`.

    Returns:
        `(frames, *size)` float32 in [0, 1]; NaN throughout if no fixation with a weight lies on the image.

    Raises:
        SettingsError: there is to be no frame.
        ShapeError, DataError: as of `gaze_heatmap`.
    """
    if frames < 1:
        raise SettingsError(f"frames must be at least 1, got {frames}")
    fixations, _ = drop_outside(fixations)
    count = len(fixations)
    frame = np.arange(count) if count <= frames else np.arange(count) * frames // count
    weights = (np.arange(frames)[:, None] == frame) * _weights(fixations, options)
    return _draw(fixations, weights, size, options, canvas)


def _weights(fixations: Fixations, options: GazeHeatmap) -> Floats:
    return fixations.duration if options.weight == "duration" else np.ones(len(fixations))


def _shares(fixations: Fixations, frames: int) -> Floats:
    """Share of the time of each fixation that falls into each frame, `(frames, N)`; the frames of each add up to 1."""
    if frames < 1:
        raise SettingsError(f"frames must be at least 1, got {frames}")
    begin, lasts = fixations.start, fixations.duration
    if not len(fixations):
        return np.zeros((frames, 0))
    bounds = np.linspace(begin.min(), (begin + lasts).max(), frames + 1)
    spent = np.minimum(begin + lasts, bounds[1:, None]) - np.maximum(begin, bounds[:-1, None])
    spent = spent.clip(min=0)
    moment = np.searchsorted(bounds, begin, side="right").clip(1, frames) - 1  # frame in which each begins
    at_once = (np.arange(frames)[:, None] == moment).astype(float)
    total = spent.sum(axis=0)
    return np.where(total > 0, spent / np.where(total > 0, total, 1), at_once)


def _draw(
    fixations: Fixations,
    weights: Floats,
    size: Sequence[int],
    options: GazeHeatmap,
    canvas: tuple[int, int] | None = None,
    scaled_by: int | None = None,
) -> Tensor:
    """Draw a map for each row of weights `(T, N)` and scale them by all, or by one; `(T, *size)` float32."""
    canvas = canvas or fixations.size
    if len(size) != 2 or min(size) < 1:
        raise ShapeError(f"size must be two lengths of at least 1, got {tuple(size)}")
    if min(np.subtract(canvas, fixations.size)) < 0:
        raise ShapeError(f"canvas must be no smaller than the image of {fixations.size} pixels, got {canvas}")
    sigmas = _sigmas(fixations, options)
    if not weights.sum() > 0:
        return torch.full((len(weights), *size), torch.nan)
    rows, columns = (
        _spread(place, sigmas[:, axis], size[1 - axis], canvas[1 - axis], fixations.size[1 - axis], options)
        for place, axis in ((fixations.y, 1), (fixations.x, 0))
    )
    maps = np.empty((len(weights), *size), np.float32)
    for drawn, frame in zip(maps, weights, strict=True):
        drawn[:] = (rows.T * frame) @ columns
    reference = maps if scaled_by is None else maps[scaled_by]
    maps /= reference.max() if options.scale == "max" else reference.sum(dtype=np.float64)
    return torch.from_numpy(maps)


def _sigmas(fixations: Fixations, options: GazeHeatmap) -> Floats:
    """Standard deviation of each Gaussian along x and y, pixels of the image, `(N, 2)`."""
    if options.unit == "degrees":
        if fixations.pixels_per_degree is None:
            raise DataError("sigma in degrees needs gaze with pixels_per_degree; give it, or sigma in another unit")
        return options.sigma * fixations.pixels_per_degree
    return np.full((len(fixations), 2), options.sigma * (fixations.size[1] if options.unit == "width" else 1))


def _spread(places: Floats, sigmas: Floats, count: int, canvas: int, length: int, options: GazeHeatmap) -> Floats:
    """Share of each Gaussian, truncated alike, on each of `count` equal pixels along the canvas, `(N, count)`.

    The axis of the image has `length` pixels, in the middle of `canvas`.
    """
    edges = np.linspace(0, canvas, count + 1) - (canvas - length) // 2
    edges = edges.clip(0, length)  # nothing falls beyond the image
    reach = options.truncate or _REACH
    images = [places]
    if options.border == "reflect":
        times = int(np.ceil(reach * sigmas.max() / (2 * length) + 0.5))
        turns = 2 * length * np.arange(-times, times + 1)
        images = [place + turn for turn in turns for place in (places, -places)]
    spread = np.zeros((len(places), count))
    for place in images:
        z = ((edges - place[:, None]) / sigmas[:, None]).clip(-reach, reach)
        if (z[:, 0] < z[:, -1]).any():  # else out of reach
            spread += np.diff(ndtr(z), axis=1)
    return spread
