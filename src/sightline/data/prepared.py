"""Images and regions at the size the model sees, and a memory that keeps them."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

import numpy as np

from sightline.data.cohort import Case, Cohort
from sightline.data.images import Array, equalise, pad_to_square, resize, to_unit
from sightline.data.readers.masks import read_mask
from sightline.data.readers.pixels import read_unit
from sightline.errors import DataError, SettingsError
from sightline.regions.masks import region_from_mask, resize_region


class _HasBytes(Protocol):
    @property
    def nbytes(self) -> int: ...


_Sized = TypeVar("_Sized", bound=_HasBytes)


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes the model's input.

    Attributes:
        size: side of the model's square input, pixels.
        channels: channels of the model's input; grey is repeated. Colour is kept with 3 channels and `equalise` off.
        equalise: make the image grey and equalise its histogram.
        pad_to_square: `evaluation` pads with black where images come in order and squashes them where they are shuffled
            for training, because a model could learn the padding; `always` and `never` do as they say.

    Reference:
        Bassi et al. 2024 (ISNet), 4.10.
    """

    size: int = 224
    channels: int = 3
    equalise: bool = True
    pad_to_square: Literal["never", "evaluation", "always"] = "evaluation"

    def __post_init__(self) -> None:
        if self.size < 1:
            raise SettingsError(f"size must be at least 1 pixel, got {self.size}")
        if self.channels < 1:
            raise SettingsError(f"channels must be at least 1, got {self.channels}")

    @property
    def colour(self) -> bool:
        """Whether the three channels of a colour image are kept."""
        return self.channels == 3 and not self.equalise


@dataclass(frozen=True)
class Prepared:
    """An image ready for a batch.

    Attributes:
        pixels: `(1 or 3, size, size)` uint16, 65,535 is white.
        original: height and width of the file, pixels.
    """

    pixels: Array
    original: tuple[int, int]

    @property
    def nbytes(self) -> int:
        """Memory it takes, bytes."""
        return self.pixels.nbytes


def prepare_image(
    path: Path,
    preprocessing: Preprocessing,
    *,
    pad: bool,
    value_range: tuple[float, float] | None = None,
    name: str = "",
) -> Prepared:
    """Read, equalise, pad and resize an image, in the order of the paper.

    Args:
        path: the file.
        preprocessing: what to do.
        pad: pad to a square first.
        value_range: see `to_unit`.
        name: what to call the file in messages.

    Raises:
        DataNotFoundError, DataError: the image is missing or cannot be used.
    """
    pixels = read_unit(path, colour=preprocessing.colour, value_range=value_range, name=name)
    original = (pixels.shape[0], pixels.shape[1])
    pixels = equalise(pixels) if preprocessing.equalise else pixels
    pixels = resize(pad_to_square(pixels) if pad else pixels, preprocessing.size)
    channels = np.moveaxis(pixels, 2, 0) if pixels.ndim == 3 else pixels[None]
    if preprocessing.colour and len(channels) == 1:
        channels = channels.repeat(3, axis=0)
    return Prepared(np.rint(channels * 65535).astype(np.uint16), original)


def prepare_region(
    path: Path, size: int, *, pad: bool, original: tuple[int, int], name: str, image: str, source: Path | None = None
) -> Array:
    """Read a mask and resize it to the share of each pixel that may be looked at.

    Args:
        path: the mask.
        size: side of the model's input, pixels.
        pad: pad to a square first; the padding may not be looked at.
        original: height and width of the image, pixels.
        name: what to call the mask in messages.
        image: what to call the image.
        source: file of the image, which says how some masks lie on it, see `read_mask`.

    Returns:
        `(size, size)` uint8, 255 where the model may look.

    Raises:
        DataNotFoundError, DataError: the mask is missing, unreadable, empty, or not of the size of the image.
    """
    mask = read_mask(path, image=source, name=name)
    if mask.shape != original:
        pixels = " x ".join(map(str, mask.shape[::-1]))
        sizes = "{} pixels, but its image {} has {} x {}".format(pixels, image, *original[::-1])
        raise DataError(f"{name}: mask has {sizes}; make them one size")
    if mask.dtype == np.float32:
        mask = np.rint(to_unit(mask, name=name) * 255).astype(np.uint8)
    region = region_from_mask(pad_to_square(mask) if pad else mask)
    if not region.any():
        found = f"no pixel above half of its range, the largest is {mask.max()}" if mask.any() else "all pixels are 0"
        raise DataError(f"{name}: empty mask ({found}); draw the region, or name no mask if it is unknown")
    shares: Array = resize_region(region[None], (size, size))[0, 0].numpy()
    region_pixels: Array = np.rint(shares * 255).astype(np.uint8)
    return region_pixels


class ImageCache:
    """Prepared images and regions, kept until a budget is spent; what comes later is prepared anew each time.

    One cache may serve any number of epochs, splits, settings and threads: each entry is named by all that it depends
    on.

    Args:
        budget_mib: memory to spend, MiB.
    """

    def __init__(self, budget_mib: float = 4096.0) -> None:
        self._left = budget_mib * 2**20
        self._kept: dict[object, Any] = {}
        self._lock = threading.Lock()

    def get(self, key: object, make: Callable[[], _Sized]) -> _Sized:
        """Return what is kept under `key`, or make it, and keep it while there is room."""
        if key in self._kept:
            kept: _Sized = self._kept[key]
            return kept
        made = make()
        with self._lock:
            if key not in self._kept and made.nbytes <= self._left:
                self._kept[key] = made
                self._left -= made.nbytes
        return made


@dataclass(frozen=True)
class Loader:
    """The images and regions of a cohort, prepared in one way.

    Attributes:
        cohort: where they come from.
        preprocessing: how images become the model's input.
        pad: pad to a square first.
        cache: where they are kept.
    """

    cohort: Cohort
    preprocessing: Preprocessing
    pad: bool
    cache: ImageCache

    def image(self, case: Case, variant: str = "") -> Prepared:
        """Return the image of a case, or a variant of it where there is one."""
        path = case.variants.get(variant, case.image)
        value_range = self.cohort.value_range

        def make() -> Prepared:
            name = self.cohort.name(path)
            return prepare_image(path, self.preprocessing, pad=self.pad, value_range=value_range, name=name)

        return self.cache.get((path, self.preprocessing, self.pad, value_range), make)

    def regions(self, case: Case, original: tuple[int, int]) -> list[Array | None]:
        """Return the regions of a case, `(size, size)` uint8, None where unknown.

        A list of one if no case of the cohort has regions of single classes, else one a class; a class without its own
        takes the mask for all classes.
        """
        paths = [case.mask]
        if self.per_class:
            paths = [case.class_masks.get(name, case.mask) for name in self.cohort.classes]
        return [self.region(path, case, original) if path else None for path in paths]

    @cached_property
    def per_class(self) -> bool:
        """Whether some case has regions of single classes."""
        return any(case.class_masks for case in self.cohort.cases)

    def region(self, path: Path, case: Case, original: tuple[int, int]) -> Array:
        """Return one region of a case, see `prepare_region`."""
        size = self.preprocessing.size

        def make() -> Array:
            name, image = self.cohort.name(path), self.cohort.name(case.image)
            return prepare_region(
                path, size, pad=self.pad, original=original, name=name, image=image, source=case.image
            )

        # a mask of outlines holds those of many images
        return self.cache.get((path, case.image, size, self.pad, original), make)
