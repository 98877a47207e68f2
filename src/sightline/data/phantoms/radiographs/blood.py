"""Pulmonary vessels on a plane: trees like those of `vessels.grow_tree`, grown and drawn for speed."""

import math

import numpy as np
from numpy.typing import NDArray

from sightline.data.phantoms.anatomy import LEFT, RIGHT, Anatomy, Bools, of_side
from sightline.data.phantoms.radiographs.plane import COARSEST, Plane, Single, shrink, stretch
from sightline.data.phantoms.vessels import FIELD_CM, VESSEL_CONTRAST

_TRUNKS = 10  # of each lung
_FAN = np.linspace(-1.25, 1.35, _TRUNKS, dtype=np.float32)  # up and out to down and out
_STEPS = (14, 11, 10, 8, 7, 5)  # points along a branch: one every 1.5 pixels of a film of 256
_COUNTS = [2 * _TRUNKS * 2**generation for generation in range(len(_STEPS))]
_POINTS = sum(steps * count for steps, count in zip(_STEPS, _COUNTS, strict=True))
_TAPERS = [np.linspace(1, 0.82, steps, dtype=np.float32)[:, None] for steps in _STEPS]
# of the first branches' length, the angle at which a branch forks, and the share of the wider one
_LOWEST, _RANGE = np.array([[0.045, 0.22, 0.68], [0.049, 0.28, 0.18]], np.float32)[..., None]
_SMALLEST = 0.0013  # radius
_THINNEST, _RATIO, _LAYERS = 0.0022, 2.08, 3  # radii drawn with: a share of the side, that times the ratio ...


def vessels_cm(anatomy: Anatomy, rng: np.random.Generator, plane: Plane, lungs: Bools) -> Single:
    """Blood along each ray in the lung fields and hila, in centimetres.

    Args:
        anatomy: the patient.
        rng: draws the trees; advanced.
        plane: where on.
        lungs: the lung fields with the heart healthy, `(side, side)`; vessels fade outside them.
    """
    hila = []
    for side, level, out in ((RIGHT, 0.465, 0.085), (LEFT, 0.445, 0.1)):
        level += (of_side(anatomy.dome, side) - 0.72) * 0.3
        wide, high, density = (float(rng.uniform(*x)) for x in ((0.018, 0.024), (0.03, 0.042), (0.7, 1.3)))
        hila.append((side * out, level, wide, high, density))
    tree = _grow(rng, [hilum[:2] for hilum in hila])
    total = _draw(tree, rng.random(_POINTS, np.float32), plane)
    for u, v, wide, high, density in hila:  # where vessels and bronchi crowd
        u -= math.copysign(0.01, u)
        rows, columns = plane.rows(v - 3 * high, v + 3 * high), plane.columns(u - 3 * wide, u + 3 * wide)
        clump = np.exp(-(((plane.v[rows] - v) / high) ** 2)) * np.exp(-(((plane.u[:, columns] - u) / wide) ** 2))
        total[rows, columns] += density * clump
    total *= stretch(np.minimum(1.5 * shrink(lungs, COARSEST), 1), COARSEST)
    total /= 1 + total / 6  # many small ones do not add up to a big one
    return total


def _grow(rng: np.random.Generator, hila: list[tuple[float, float]]) -> Single:
    """Grow the trees of both lungs, all branches of a generation at once.

    Args:
        rng: generator that is advanced.
        hila: patient coordinates where the right and the left tree start.

    Returns:
        Patient coordinates u and v of points along all branches, their radii and spacings, `(4, P)`.
    """
    outwards = np.repeat(np.array((RIGHT, LEFT), np.float32), _TRUNKS)
    bends = np.float32(0.05) * rng.standard_normal(_POINTS, np.float32)
    chances = _LOWEST + _RANGE * rng.random((3, sum(_COUNTS)), np.float32)
    scatter = rng.standard_normal((3, 2 * _TRUNKS), np.float32)
    heading = np.tile(_FAN, 2) + 0.12 * scatter[0]
    start = np.repeat(np.array(hila, np.float32).T, _TRUNKS, axis=1) + 0.006 * scatter[1:]
    radius = 0.0085 + 0.004 * rng.random(2 * _TRUNKS, np.float32)
    grown = np.empty((4, _POINTS), np.float32)
    point = branch = 0
    for generation, (steps, count) in enumerate(zip(_STEPS, _COUNTS, strict=True)):
        here = slice(point, point + steps * count)
        path, radii, spacings = np.split(grown[:, here].reshape(4, steps, count), (2, 3))
        step, spread, share = chances[:, branch : branch + count]
        step *= 0.86**generation / steps
        turned = bends[here].reshape(steps, count).cumsum(axis=0)
        turned += heading
        np.multiply(np.cos(turned), step * outwards, out=path[0])
        np.multiply(np.sin(turned), step, out=path[1])
        path[:, 0] += start
        np.cumsum(path, axis=1, out=path)
        np.multiply(_TAPERS[generation], radius, out=radii[0])
        spacings[0] = step
        # each branch forks into one that goes on and one that turns away
        heading = np.stack([turned[-1] - spread * (1.2 - share), turned[-1] + spread], axis=-1).ravel()
        radius = np.stack([radius * share * (0.78 / 0.74), radius * (1.45 - share) * 0.78], axis=-1).ravel()
        radius = np.maximum(radius, _SMALLEST)
        start, outwards = np.repeat(path[:, -1], 2, axis=1), np.repeat(outwards, 2)
        point, branch = here.stop, branch + count
    return grown


def _draw(tree: Single, chances: Single, plane: Plane) -> Single:
    """Draw vessels in layers, each on a grid as coarse as its vessels are wide, and add up the grids, enlarged.

    Args:
        tree: what `_grow` gives.
        chances: in [0, 1), which of the two layers next to its radius each point goes to, `(P,)`.
        plane: where on.
    """
    u, v, radii, spacings = tree
    layer = np.log(radii * np.float32(1 / _THINNEST))
    layer *= np.float32(1 / math.log(_RATIO))
    layer += chances
    which = layer.clip(0, _LAYERS - 1).astype(np.intp)
    sigmas = [0.7 * _THINNEST * _RATIO**number / plane.pitch for number in range(_LAYERS)]
    factors = [2 ** max(0, round(math.log2(sigma / 0.45))) for sigma in sigmas]
    sides = [math.ceil(plane.side / factor) for factor in factors]
    # centimetres across times pixels along; a line of amount 1 blurred to sigma is 1 / (sqrt(2 pi) sigma) high, and
    # drawing blurs to 0.4, enlarging to 0.6
    whole = 1.25 * VESSEL_CONTRAST * 2 * FIELD_CM / plane.pitch * math.sqrt(2 * math.pi)
    share = np.array([whole * (0.58 if factor > 1 else 0.41) / factor for factor in factors], np.float32)
    amount = radii * spacings
    amount *= share.take(which)
    places = []
    for along, origin in zip((u, v), plane.origin, strict=True):
        scale = np.array([1 / (plane.pitch * factor) for factor in factors], np.float32)
        first = np.array([(0.5 - origin / plane.pitch) / factor - 0.5 for factor in factors], np.float32)
        places.append(along * scale.take(which) + first.take(which))
    grids = _splat(places[0], places[1], amount, which, sides)
    drawn, factor = grids[-1], factors[-1]
    for grid, finer in zip(grids[-2::-1], factors[-2::-1], strict=True):
        drawn = grid + (stretch(drawn, factor // finer) if factor > finer else drawn)[: len(grid), : len(grid)]
        factor = finer
    return stretch(drawn, factor)[: plane.side, : plane.side] if factor > 1 else drawn


def _splat(x: Single, y: Single, amount: Single, which: NDArray[np.intp], sides: list[int]) -> list[Single]:
    """Add each point's amount to the four pixels around it.

    Args:
        x: places of the points, `(P,)`; whole numbers are the middles of pixels.
        y: as `x`.
        amount: `(P,)`.
        which: the grid that each point is drawn on, `(P,)`.
        sides: pixels along each side of the grids.
    """
    starts = np.cumsum([0, *(side**2 for side in sides)])
    side = np.array(sides).take(which)
    inside = np.flatnonzero((np.minimum(x, y) > 0) & (np.maximum(x, y) < side - 1))
    x, y, amount, side, start = (part.take(inside) for part in (x, y, amount, side, starts.take(which)))
    column, row = x.astype(np.intp), y.astype(np.intp)
    right, down = x - column, y - row
    first = start + row * side + column
    places = np.concatenate([first, first + 1, first + side, first + side + 1])
    lower = amount * down
    upper = amount - lower
    shares = np.concatenate([upper * (1 - right), upper * right, lower * (1 - right), lower * right])
    drawn = np.bincount(places, shares, int(starts[-1])).astype(np.float32)
    return [part.reshape(side, side) for part, side in zip(np.split(drawn, starts[1:-1]), sides, strict=True)]
