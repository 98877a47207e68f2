"""Pulmonary vessels: trees that fork from each hilum and taper towards the pleura."""

import numpy as np
from scipy import ndimage

from sightline.data.phantoms.anatomy import LEFT, RIGHT, Anatomy, Bools, Floats, of_side
from sightline.data.phantoms.projection import Projection

_GENERATIONS, _STEPS, _TRUNKS = 6, 18, 10
VESSEL_CONTRAST = 1.5  # drawn denser than blood, as they stand out on a processed film
_RADII = (0.0016, 0.003, 0.0055, 0.0105)  # shares of the side; a branch is drawn with the two nearest
_LAYERS = np.arange(len(_RADII))
FIELD_CM = 38  # width of the film


def grow_tree(rng: np.random.Generator, hilum: Floats, side: int) -> tuple[Floats, Floats, Floats]:
    """Points `(P, 2)`, radii and spacings `(P,)` of one lung's tree, all branches of a generation at once."""
    directions = np.linspace(-1.25, 1.35, _TRUNKS) + rng.normal(0, 0.12, _TRUNKS)  # up and out to down and out
    place = np.tile(hilum, (_TRUNKS, 1)) + rng.normal(0, 0.006, (_TRUNKS, 2))
    radius = rng.uniform(0.0085, 0.0125, _TRUNKS)
    points, radii, spacings = [], [], []
    for generation in range(_GENERATIONS):
        count = len(directions)
        step = rng.uniform(0.6, 1.25, count) * 0.075 * 0.86**generation / _STEPS
        heading = directions + np.cumsum(rng.normal(0, 0.05, (_STEPS, count)), axis=0)
        path = place + np.cumsum(step[:, None] * np.stack([side * np.cos(heading), np.sin(heading)], axis=-1), axis=0)
        points.append(path.reshape(-1, 2))
        radii.append((np.linspace(1, 0.82, _STEPS)[:, None] * radius).reshape(-1))
        spacings.append(np.tile(step, _STEPS))
        spread, share = rng.uniform(0.22, 0.5, count), rng.uniform(0.68, 0.86, count)
        place = np.repeat(path[-1], 2, axis=0)
        directions = np.stack([heading[-1] - spread * (1.2 - share), heading[-1] + spread], axis=-1).reshape(-1)
        radius = 0.78 * np.stack([radius * share / 0.74, radius * (1.45 - share)], axis=-1).reshape(-1)
        radius = np.maximum(radius, 0.0013)
    return np.concatenate(points), np.concatenate(radii), np.concatenate(spacings)


def vessels_cm(anatomy: Anatomy, rng: np.random.Generator, projection: Projection, lungs: Bools) -> Floats:
    """Blood along each ray in the lung fields and hila, in centimetres.

    Args:
        anatomy: the patient.
        rng: draws the trees; advanced.
        projection: the film.
        lungs: the lung fields, `(side, side)`; vessels fade outside them.
    """
    size = projection.side
    u, v = projection.coordinates()
    total = np.zeros((size, size))
    trees = []
    for side, level, out in ((RIGHT, 0.465, 0.085), (LEFT, 0.445, 0.1)):
        level += (of_side(anatomy.dome, side) - 0.72) * 0.3
        trees.append(grow_tree(rng, np.array([side * out, level]), side))
        wide, high, density = rng.uniform(0.018, 0.024), rng.uniform(0.03, 0.042), rng.uniform(0.7, 1.3)
        clump = ((side * u - out + 0.01) / wide) ** 2 + ((v - level) / high) ** 2
        total += density * np.exp(-clump)  # where vessels and bronchi crowd
    points, radii, spacings = (np.concatenate(parts) for parts in zip(*trees, strict=True))
    amount = VESSEL_CONTRAST * 2 * radii * FIELD_CM * spacings * size  # centimetres across times pixels along
    layers = splat(projection.pixels(points) - 0.5, np.interp(np.log(radii), np.log(_RADII), _LAYERS), amount, size)
    for radius, layer in zip(_RADII, layers, strict=True):
        sigma = 0.7 * radius * size
        crest = np.sqrt(2 * np.pi) * sigma  # a line of amount 1 blurred to this is 1 high
        total += crest * ndimage.gaussian_filter(layer, max(sigma, 0.5), truncate=3)
    reach = ndimage.gaussian_filter(lungs.astype(np.float64), 0.008 * size)
    faded: Floats = 3 * np.tanh(total / 3) * np.clip(1.5 * reach, 0, 1)
    return faded


def splat(pixels: Floats, position: Floats, weight: Floats, size: int) -> Floats:
    """Add each point's weight to the four pixels around it, shared among the two nearest of the layers.

    Args:
        pixels: (x, y) of the points, `(P, 2)`; whole numbers are the centres of pixels.
        position: which layer, a number between 0 and that of the last, `(P,)`.
        weight: `(P,)`.
        size: pixels along each side.

    Returns:
        The layers, `(layers, size, size)`.
    """
    ok = ((pixels > 0) & (pixels < size - 1)).all(axis=1)
    pixels, position, weight = pixels[ok], position[ok], weight[ok]
    x, y = np.floor(pixels.T).astype(np.int64)
    layer = np.minimum(position.astype(np.int64), len(_LAYERS) - 2)
    fraction = np.stack([position - layer, pixels[:, 1] - y, pixels[:, 0] - x])
    places, shares = [], []
    for corner in np.ndindex(2, 2, 2):
        places.append(((layer + corner[0]) * size + y + corner[1]) * size + x + corner[2])
        shares.append(weight * np.prod([f if c else 1 - f for c, f in zip(corner, fraction, strict=True)], axis=0))
    count = np.bincount(np.concatenate(places), np.concatenate(shares), len(_LAYERS) * size * size)
    return count.astype(np.float64).reshape(len(_LAYERS), size, size)
