"""Trees of vessels and bronchi that fork from each hilum into the lung, all branches of a generation at once."""

from dataclasses import dataclass

import numpy as np

from sightline.data.phantoms.anatomy import Floats
from sightline.data.phantoms.ct.grid import Grid, Point, Single, tube


@dataclass(frozen=True)
class Branches:
    """Straight pieces of a tree.

    Attributes:
        starts: (z, y, x) in mm, `(B, 3)`.
        ends: likewise.
        radii: at start and end, mm, `(B, 2)`.
    """

    starts: Floats
    ends: Floats
    radii: Floats


def grow(
    rng: np.random.Generator, hilum: Point, side: int, *, trunks: int, radius: float, length: float, generations: int
) -> Branches:
    """Grow the tree of one lung.

    Args:
        rng: generator that is advanced.
        hilum: where the trunks start, (z, y, x) in mm.
        side: `RIGHT` or `LEFT`.
        trunks: how many start there.
        radius: of the trunks, mm.
        length: of the trunks, mm.
        generations: how often they fork.
    """
    turn = 2 * np.pi * (np.arange(trunks) + rng.uniform(0, 0.6, trunks)) / trunks
    ways = np.stack([1.25 * np.sin(turn) + 0.15, np.cos(turn), side * rng.uniform(0.35, 1.0, trunks)], axis=-1)
    starts = np.array(hilum) + rng.normal(0, 3, (trunks, 3))
    radii = radius * rng.uniform(0.75, 1.1, trunks)
    pieces = []
    for generation in range(generations):
        ways /= np.linalg.norm(ways, axis=1, keepdims=True)
        ends = starts + ways * (length * 0.8**generation * rng.uniform(0.65, 1.2, len(ways)))[:, None]
        pieces.append(Branches(starts, ends, np.stack([radii, 0.85 * radii], axis=-1)))
        aside = np.cross(ways, rng.normal(0, 1, ways.shape))
        aside /= np.linalg.norm(aside, axis=1, keepdims=True)
        bend, share = rng.uniform(0.25, 0.75, (len(ways), 1)), rng.uniform(0.62, 0.9, len(ways))
        ways = np.concatenate([ways + bend * aside, ways - (1.1 - bend) * aside])
        starts = np.concatenate([ends, ends])
        radii = np.maximum(np.concatenate([radii * share, radii * (1.5 - share)]), 0.5)
    return Branches(
        np.concatenate([piece.starts for piece in pieces]),
        np.concatenate([piece.ends for piece in pieces]),
        np.concatenate([piece.radii for piece in pieces]),
    )


def draw(branches: Branches, grid: Grid, *, thicker: float = 0.0) -> Single:
    """Draw a tree.

    Branches thicker than half a voxel are drawn as tubes, the others as what they take up of each voxel.

    Args:
        branches: the tree.
        grid: the voxels.
        thicker: added to the radii, mm.

    Returns:
        Share of each voxel that it takes up, `(D, H, W)`.
    """
    radii = branches.radii + thicker
    thick = radii.max(axis=1) > 0.5 * grid.pixel_mm
    share = _as_points(branches.starts[~thick], branches.ends[~thick], radii[~thick].mean(axis=1), grid)
    for start, end, (wide, narrow) in zip(branches.starts[thick], branches.ends[thick], radii[thick], strict=True):
        pad = wide + grid.pixel_mm
        low, high = np.minimum(start, end) - pad, np.maximum(start, end) + pad
        box = grid.box((low[0], low[1], low[2]), (high[0], high[1], high[2]))
        part = share[box]
        if part.size:
            ends = (start[0], start[1], start[2]), (end[0], end[1], end[2])
            np.maximum(part, grid.cover(tube(*grid.at(box), ends, (wide, narrow))), out=part)
    return share


def _as_points(starts: Floats, ends: Floats, radii: Floats, grid: Grid) -> Single:
    """Spread the volume of thin branches over the voxels around points along them."""
    spacing = np.array(grid.spacing_mm)
    count = max(2, int(np.ceil(np.linalg.norm(ends - starts, axis=1).max(initial=1) / grid.pixel_mm)))
    along = ((np.arange(count) + 0.5) / count)[:, None, None]
    places = (starts + along * (ends - starts) - np.array(grid.origin)) / spacing  # (count, B, 3)
    volume = np.pi * radii**2 * np.linalg.norm(ends - starts, axis=1) / count / spacing.prod()
    shape = np.array(grid.shape)
    inside = ((places > 0) & (places < shape - 1)).all(axis=-1)
    amounts, places = np.broadcast_to(volume, inside.shape)[inside], places[inside]
    first = np.floor(places).astype(np.intp)
    part = places - first
    total = np.zeros(shape.prod())
    for corner in np.ndindex(2, 2, 2):
        shares = np.prod(np.where(corner, part, 1 - part), axis=1)
        flat = np.ravel_multi_index(tuple((first + corner).T), grid.shape)
        total += np.bincount(flat, amounts * shares, len(total))
    drawn: Single = np.minimum(total, 1).astype(np.float32).reshape(grid.shape)
    return drawn
