"""One patient's chest in three dimensions: the drawn parameters, and the surfaces of body, chest wall and lungs.

Coordinates are those of `grid`; a surface is given as millimetres outside of it, negative inside, and right near it.
"""

from dataclasses import dataclass

import numpy as np

from sightline.data.phantoms.anatomy import LEFT, RIGHT, Floats
from sightline.data.phantoms.ct.grid import Point, Single, ball

_POWER, _BODY_POWER = 2.3, 2.5  # of the superellipses: 2 is an ellipse, more is squarer
_HEART_AXES = ((0.42, -0.38, 0.82), (0.88, 0.0, -0.44), (0.0, 0.9, 0.35))  # towards its tip, down, back, of (z, y, x)


@dataclass(frozen=True)
class Thorax:
    """What distinguishes one patient from another; lengths in millimetres, pairs are (right, left).

    Attributes:
        width: half the width of the chest inside, at its widest.
        depth: half its depth.
        dome: level of the diaphragm's domes.
        fat: thickness of the fat under the skin.
        breast: size of the breasts, 0 for none.
        heart: scale of the heart.
        aorta: radius of the aorta.
        arch: level of the top of the aortic arch's middle line.
        rib_pitch: distance from rib to rib.
        vertebra: height of a vertebra with its disc.
        liver: how far the liver reaches to the left.
        gas: share of the stomach that is gas.
    """

    width: float
    depth: float
    dome: tuple[float, float]
    fat: float
    breast: float
    heart: float
    aorta: float
    arch: float
    rib_pitch: float
    vertebra: float
    liver: float
    gas: float

    @property
    def spine_y(self) -> float:
        """Where the middle of the vertebral bodies lies."""
        return 0.8 * self.depth

    @property
    def heart_middle(self) -> Point:
        """Middle of the heart (z, y, x)."""
        return min(self.dome) - 38.0, -0.32 * self.depth, 24.0

    @property
    def heart_radii(self) -> Point:
        """Half axes of the heart."""
        return 50 * self.heart, 42 * self.heart, 56 * self.heart


def draw_thorax(rng: np.random.Generator, *, female: bool) -> Thorax:
    """Draw the parameters of one adult.

    Args:
        rng: generator that is advanced, by the same draws whoever it is.
        female: with breasts and somewhat smaller.
    """
    scale = (0.93 if female else 1.0) * (1 + 0.03 * float(np.clip(rng.normal(), -2, 2)))
    uniform = rng.uniform
    width, depth, dome = uniform(122, 136) * scale, uniform(84, 98) * scale, uniform(186, 212) * scale
    bust = uniform(0.6, 1.3)
    return Thorax(
        width=float(width),
        depth=float(depth),
        dome=(float(dome), float(dome + uniform(6, 18))),
        fat=float(uniform(7, 24)),
        breast=float(bust) if female else 0.0,
        heart=float(uniform(0.9, 1.12) * scale),
        aorta=float(uniform(11.5, 15.5)),
        arch=float(uniform(50, 60)),
        rib_pitch=float(uniform(25, 29)),
        vertebra=float(uniform(23, 27)),
        liver=float(uniform(20, 55)),
        gas=float(uniform(0.2, 0.6)),
    )


def swell(z: Single) -> Single:
    """How wide the chest is at a level, a share of its widest: a dome at the top, a barrel below."""
    dome = 1 - (1 - np.clip(z / 165, 0, 1)) ** 2.4  # (D, 1, 1)
    return (0.3 + 0.7 * dome**0.6).astype(np.float32)


def chest_wall(thorax: Thorax, z: Single, y: Single, x: Single) -> Single:
    """Millimetres outside the inner surface of the rib cage."""
    wide, deep = thorax.width * swell(z), thorax.depth * (0.12 + 0.88 * swell(z))
    far = (np.abs(x) / wide) ** _POWER + (np.abs(y) / deep) ** _POWER
    outside: Single = (far ** np.float32(1 / _POWER) - 1) * (0.5 * (wide + deep))
    return outside


def skin(thorax: Thorax, z: Single, y: Single, x: Single) -> Single:
    """Millimetres outside the body; the arms are raised above the head."""
    narrow = 1 - 0.14 * np.clip((50 - z) / 70, 0, 1) ** 2
    wide, deep = (thorax.width + 30 + thorax.fat) * narrow, (thorax.depth + 25 + thorax.fat) * narrow
    middle = 10.0  # the muscles of the back
    far = (np.abs(x) / wide) ** _BODY_POWER + (np.abs(y - middle) / deep) ** _BODY_POWER
    outside: Single = (far ** np.float32(1 / _BODY_POWER) - 1) * (0.5 * (wide + deep))
    return outside


def breasts(thorax: Thorax, z: Single, y: Single, x: Single) -> Single:
    """Millimetres outside the breasts, which stand out from the body's front."""
    front = -(thorax.depth + thorax.fat - 6)
    size = max(thorax.breast, 1e-3)
    return ball(z, y, np.abs(x), (146.0, front, 84.0), (58 * size, 36 * size, 66 * size))


def diaphragm(thorax: Thorax, side: int, y: Single, x: Single) -> Single:
    """Level of the diaphragm: a dome that falls away to the ribs, deepest at the back."""
    top = thorax.dome[0] if side == RIGHT else thorax.dome[1]
    across = (side * x - 0.5 * thorax.width) / (0.52 * thorax.width)
    along = (y + 0.1 * thorax.depth) / (0.95 * thorax.depth)
    fall = 62 * across * across * np.where(across > 0, 1, 0.25) + (28 + 34 * (along > 0)) * along * along
    level: Single = top + np.minimum(fall, 88)
    return level


def mediastinum(thorax: Thorax, z: Single, y: Single) -> Single:
    """Half the width of what lies between the lungs, without the heart: narrow in front, wide about the vessels."""
    share = y / thorax.depth
    table = np.interp(share, (-1.0, -0.72, -0.45, 0.1, 0.45, 0.62, 1.0), (4, 5, 24, 27, 18, 21, 24))
    wide: Single = (table * (0.9 + 0.1 * np.clip(z / 60, 0, 1))).astype(np.float32)
    return wide


def heart(thorax: Thorax, z: Single, y: Single, x: Single, *, margin: float = 0.0) -> Single:
    """Millimetres outside the heart, which lies askew: its tip to the left, in front and below.

    Args:
        thorax: the patient.
        z: levels.
        y: distances to the back.
        x: distances to the left.
        margin: thickness added all around.
    """
    (level, back, left), radii = thorax.heart_middle, thorax.heart_radii
    dz, dy, dx = z - level, y - back, x - left
    tipped, down, deep = (a * dz + b * dy + c * dx for a, b, c in _HEART_AXES)
    return ball(down, deep, tipped, (0, 0, 0), radii) - np.float32(margin)


def on_heart(thorax: Thorax, along: float, turn: float, *, depth: float) -> Point:
    """Point (z, y, x) on the heart's surface.

    Args:
        thorax: the patient.
        along: the heart's axis, from -1 at its base to 1 at its tip.
        turn: angle about it: 0 below, a quarter turn (pi / 2) behind, a half above.
        depth: how far below the surface, mm.
    """
    (level, back, left), (low, deep, tip) = thorax.heart_middle, thorax.heart_radii
    within = 1 - depth / min(low, deep, tip)
    round_about = within * np.sqrt(1 - along**2)
    turned = (within * along * tip, round_about * np.cos(turn) * low, round_about * np.sin(turn) * deep)
    dz, dy, dx = np.linalg.solve(_HEART_AXES, turned)
    return float(level + dz), float(back + dy), float(left + dx)


def between_lungs(thorax: Thorax, z: Single, y: Single, x: Single) -> Single:
    """Millimetres outside what the rib cage holds above the diaphragm, from the top of the lungs down."""
    blend = np.clip((x + 14) / 28, 0, 1)
    level = (1 - blend) * diaphragm(thorax, RIGHT, y, x) + blend * diaphragm(thorax, LEFT, y, x)
    outside: Single = np.maximum(chest_wall(thorax, z, y, x), np.float32(0.75) * (z - level))
    return np.maximum(outside, -z)


def oblique_fissure(thorax: Thorax, side: int, z: Single | float, y: Single | float) -> Single:
    """Millimetres behind and below the plane that parts the lower lobe from what lies in front of it."""
    behind: Single = np.asarray((z - 0.62 * thorax.dome[1] + 1.05 * y + 10 * (side == LEFT)) / np.float32(1.45))
    return behind


def horizontal_fissure(thorax: Thorax, z: Single | float, y: Single | float) -> Single:
    """Millimetres below the plane that parts the right upper lobe from the middle lobe."""
    below: Single = np.asarray(z - 0.58 * thorax.dome[0] + 0.1 * y)
    return below


def lobe(thorax: Thorax, side: int, middle: Point) -> str:
    """Name of the lobe of a lung in which a point (z, y, x) lies."""
    z, y, _ = middle
    name = "lower" if oblique_fissure(thorax, side, z, y) > 0 else "upper"
    if side == RIGHT and name == "upper" and horizontal_fissure(thorax, z, y) > 0:
        name = "middle"
    return f"{'right' if side == RIGHT else 'left'} {name} lobe"


def lung(thorax: Thorax, side: int, z: Single, y: Single, x: Single) -> Single:
    """Millimetres outside one lung: within the chest wall, beside mediastinum and heart, above the diaphragm."""
    aside = side * x
    outside: Single = np.maximum(chest_wall(thorax, z, y, x) + 2, mediastinum(thorax, z, y) - aside)
    slope = np.float32(0.75)  # the diaphragm is steep: its distance is less than the drop to it
    outside = np.maximum(outside, slope * (z - diaphragm(thorax, side, y, x)))
    outside = np.maximum(outside, -heart(thorax, z, y, x, margin=5))
    return np.maximum(outside, -z)


def points_in_lung(
    thorax: Thorax, rng: np.random.Generator, depth: float, *, lowest: float, back: float = np.inf, count: int = 1
) -> list[tuple[int, Point]]:
    """Draw points well inside the lungs.

    Args:
        thorax: the patient.
        rng: generator that is advanced by the same draws whatever is asked.
        depth: how far from the surface, mm.
        lowest: no point above this share of the lungs' height.
        back: no point farther back than this, mm.
        count: how many.

    Returns:
        Side and (z, y, x) of each; where too few are found, those that come nearest.
    """
    drawn: Floats = rng.random((400, 3))
    sides = np.where(rng.random(400) < 0.52, RIGHT, LEFT)
    z = lowest * max(thorax.dome) + drawn[:, 0] * (1.2 - lowest) * max(thorax.dome)
    y, x = (2 * drawn[:, 1] - 1) * thorax.depth, sides * drawn[:, 2] * thorax.width
    places = [part.astype(np.float32) for part in (z, y, x)]
    outside = np.where(sides == RIGHT, lung(thorax, RIGHT, *places), lung(thorax, LEFT, *places))
    lack = np.maximum(outside + depth, 0) + np.maximum(y + depth - back, 0)
    best = np.argsort(lack, kind="stable")[:count]
    return [(int(sides[i]), (float(z[i]), float(y[i]), float(x[i]))) for i in best]
