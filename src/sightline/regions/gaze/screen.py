"""From places on a screen to places on the image shown there, and back."""

import math
from dataclasses import dataclass, replace

import numpy as np

from sightline.errors import SettingsError
from sightline.regions.gaze.scanpath import Gaze


@dataclass(frozen=True)
class Screen:
    r"""A screen that shows one image between borders.

    With the image $W$ pixels wide in its file, $l$ and $r$ the borders left and right of it and $w$ the screen's width,

    $$x_\mathrm{image} = (x_\mathrm{screen} - l) \, W / (w - l - r)$$

    and alike for y. Places outside the image are mapped in the same way; `drop_outside` takes them out. Nothing is
    rounded, so the way back leads to the same place.

    Attributes:
        left, right, top, bottom: borders, screen pixels.
        width, height: of the screen, pixels.

    Reference:
        Karargyris et al. 2021, doi:10.1038/s41597-021-00863-5. Their code rounds down to whole pixels, makes odd sizes
        even, and puts places outside the image at -1 pixel of the screen, from where they come out at small negative
        places of the image.
    """

    left: float = 0.0
    right: float = 0.0
    top: float = 0.0
    bottom: float = 0.0
    width: int = 1920
    height: int = 1080

    def __post_init__(self) -> None:
        borders = (self.left, self.right, self.top, self.bottom)
        shown = (self.width - self.left - self.right, self.height - self.top - self.bottom)
        if not min(borders) >= 0 or not min(shown) > 0:
            raise SettingsError(
                f"borders must leave room for an image on a screen of {self.width} x {self.height}, got left, right, "
                "top, bottom {}, {}, {}, {}".format(*borders)
            )

    def to_image(self, gaze: Gaze, size: tuple[int, int]) -> Gaze:
        """Map gaze from screen pixels to image pixels.

        Args:
            gaze: fixations or samples in pixels of the screen; their own `size` is not looked at.
            size: height and width of the image in its file, pixels.
        """
        x, y = self._scales(size)
        per_degree = gaze.pixels_per_degree
        return replace(
            gaze,
            x=(gaze.x - self.left) * x,
            y=(gaze.y - self.top) * y,
            size=size,
            pixels_per_degree=None if per_degree is None else per_degree * np.asarray((x, y)),
        )

    def to_screen(self, gaze: Gaze) -> Gaze:
        """Map gaze from image pixels to screen pixels; the way back from `to_image`."""
        x, y = self._scales(gaze.size)
        per_degree = gaze.pixels_per_degree
        return replace(
            gaze,
            x=gaze.x / x + self.left,
            y=gaze.y / y + self.top,
            size=(self.height, self.width),
            pixels_per_degree=None if per_degree is None else per_degree / np.asarray((x, y)),
        )

    def _scales(self, size: tuple[int, int]) -> tuple[float, float]:
        """Image pixels in one screen pixel, along x and y."""
        return size[1] / (self.width - self.left - self.right), size[0] / (self.height - self.top - self.bottom)


def pixels_per_degree(distance_mm: float, pixel_mm: float) -> float:
    r"""Return how many pixels of a screen one degree of visual angle covers, straight ahead.

    $$2 d \tan(0.5°) / p$$

    Args:
        distance_mm: from the eyes to the screen, $d$.
        pixel_mm: width of a pixel, $p$.

    Raises:
        SettingsError: one of them is not positive.
    """
    if not distance_mm > 0 or not pixel_mm > 0:
        raise SettingsError(f"distance_mm and pixel_mm must be positive, got {distance_mm} and {pixel_mm}")
    return 2 * distance_mm * math.tan(math.radians(0.5)) / pixel_mm
