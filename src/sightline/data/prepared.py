"""Images and regions at the size the model sees."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from sightline.data.case_table import has_file
from sightline.data.cohort import Case, Cohort
from sightline.data.gaze_files import GazeInput, GazeRegion, gaze_as_input, region_from_gaze
from sightline.data.images import Array, equalise, pad_to_square, resize, to_unit
from sightline.data.intensity import between_percentiles, equalise_locally, standardise
from sightline.data.prepared_cache import ImageCache, Prepared
from sightline.data.readers.masks import read_mask
from sightline.data.readers.pixels import read_unit
from sightline.errors import DataError, SettingsError
from sightline.regions.masks import region_from_mask, resize_region


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes the model's input, in this order: window, percentiles, equalise, z-score, padding, size.

    Attributes:
        size: side of the model's square input, pixels.
        channels: channels of the model's input; grey is repeated. Colour is kept with 3 channels and `equalise` off.
        equalise: make the image grey and equalise its histogram; `clahe` does so in tiles and needs the extra `image`.
        pad_to_square: `evaluation` pads with black where images come in order and squashes them where they are shuffled
            for training, because a model could learn the padding; `always` and `never` do as they say.
        window: values that become black and white, in the cohort's units, such as [-1000, 400] HU; null for the
            cohort's value_range, or without one for the file's own window or the range of its type.
        percentiles: percentiles of each image that become black and white, such as [1, 99]; null for none.
        clip_limit: largest share of a tile's pixels that a bin of its histogram may hold, for `clahe`.
        z_score: set each image's mean to grey and 5 standard deviations to black and white, with those of the whole
            `image` or of its `mask`; null for not at all.
        regions: where regions come from: `mask`, of a class its own or else the one for all; `class_mask`, of a class
            its own alone, cut to the one for all (boxes of findings within the lungs); or `gaze`.
        gaze: how gaze becomes a region.
        gaze_input: what of the gaze the model reads, in channels behind the image's own; null for nothing. They move
            with the image, and are 0 throughout where nobody's gaze is known.

    Reference:
        Bassi et al. 2024 (ISNet), 4.10.
    """

    size: int = 224
    channels: int = 3
    equalise: bool | Literal["clahe"] = True
    pad_to_square: Literal["never", "evaluation", "always"] = "evaluation"
    window: tuple[float, float] | None = None
    percentiles: tuple[float, float] | None = None
    clip_limit: float = 0.01
    z_score: Literal["image", "mask"] | None = None
    regions: Literal["mask", "class_mask", "gaze"] = "mask"
    gaze: GazeRegion = field(default_factory=GazeRegion)
    gaze_input: GazeInput | None = None

    def __post_init__(self) -> None:
        if self.size < 1:
            raise SettingsError(f"size must be at least 1 pixel, got {self.size}")
        if self.channels < 1:
            raise SettingsError(f"channels must be at least 1, got {self.channels}")
        if self.window is not None and not -math.inf < self.window[0] < self.window[1] < math.inf:
            raise SettingsError(f"window must be two growing numbers [black, white], got {list(self.window)}")
        if self.percentiles is not None and not 0 <= self.percentiles[0] < self.percentiles[1] <= 100:
            raise SettingsError(f"percentiles must be two growing numbers in [0, 100], got {list(self.percentiles)}")
        if not 0 < self.clip_limit <= 1:
            raise SettingsError(f"clip_limit must be a share over 0 to 1, got {self.clip_limit}")
        if self.gaze.heatmap.scale == "sum" and self.gaze.mass is None:
            raise SettingsError("gaze.heatmap.scale must be max: a region is 1 where the reader looked most")

    @property
    def colour(self) -> bool:
        """Whether the three channels of a colour image are kept."""
        return self.channels == 3 and not self.equalise

    def adjusted(self, pixels: Array, region: Array | None = None) -> Array:
        """Return an image or a volume with its contrast set.

        Args:
            pixels: in [0, 1] after the window, `(H, W)`, `(H, W, 3)` if `colour`, or `(D, H, W)`.
            region: of its mask, for the z-score over it; 0 where not, `(H, W)` or `(D, H, W)`.

        Returns:
            float32 in [0, 1], shaped as `pixels`.

        Raises:
            DataError: the z-score is to be over the mask, and there is none.
            MissingExtraError: scikit-image is needed and not installed.
        """
        if self.z_score == "mask" and region is None:
            raise DataError("no mask, so the z-score over the mask is not known")
        if self.percentiles is not None:
            pixels = between_percentiles(pixels, self.percentiles)
        if self.equalise == "clahe":
            pixels = equalise_locally(pixels, clip_limit=self.clip_limit)
        elif self.equalise:
            pixels = equalise(pixels)
        return pixels if self.z_score is None else standardise(pixels, region)


def prepare_image(
    path: Path,
    preprocessing: Preprocessing,
    *,
    pad: bool,
    value_range: tuple[float, float] | None = None,
    name: str = "",
    masks: Mapping[str, Path] | None = None,
) -> Prepared:
    """Read an image, set its contrast, pad and resize it, in the order of the paper.

    Args:
        path: the file.
        preprocessing: what to do.
        pad: pad to a square first.
        value_range: see `to_unit`; the window of the preprocessing counts before it.
        name: what to call the file in messages.
        masks: masks of the image by what to call them; the z-score over the mask is over all of them together.

    Raises:
        DataNotFoundError, DataError: the image or a mask is missing or cannot be used.
        MissingExtraError: a codec or scikit-image is needed and not installed.
    """
    value_range = preprocessing.window or value_range
    pixels = read_unit(path, colour=preprocessing.colour, value_range=value_range, name=name)
    original = (pixels.shape[0], pixels.shape[1])
    region = None
    if preprocessing.z_score == "mask":
        if not masks:
            raise DataError(f"{name or path.name} has no mask, so its z-score over the mask is not known")
        region = np.maximum.reduce(
            [_allowed(mask, original, name=word, image=name, source=path) for word, mask in masks.items()]
        )
    pixels = preprocessing.adjusted(pixels, region)
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
    allowed = _allowed(path, original, name=name, image=image, source=source)
    region = torch.from_numpy(pad_to_square(allowed) if pad else allowed)
    return _as_bytes(resize_region(region, (size, size)).numpy())


def prepare_gaze(
    path: Path, preprocessing: Preprocessing, *, pad: bool, original: tuple[int, int], name: str
) -> Array | None:
    """Read gaze and draw it as the region where the model may look.

    Args:
        path: the table, see `gaze_files`.
        preprocessing: its `size` and `gaze` count.
        pad: pad to a square first; the padding may not be looked at.
        original: height and width of the image, pixels.
        name: what to call the table in messages.

    Returns:
        `(size, size)` uint8, 255 where the reader looked most; None if the reader looked at no place on the image.

    Raises:
        DataNotFoundError, DataError: the table is missing or cannot be used.
    """
    size = (preprocessing.size,) * 2
    region = region_from_gaze(path, original, size, preprocessing.gaze, pad=pad, name=name)
    return None if region.isnan().any() else _as_bytes(region[0].numpy())


def _allowed(path: Path, original: tuple[int, int], *, name: str, image: str, source: Path | None) -> Array:
    """Read a mask as 1 where the model may look, `(H, W)` float32; arguments and errors as `prepare_region`."""
    mask = read_mask(path, image=source, name=name)
    if mask.shape != original:
        pixels = " x ".join(map(str, mask.shape[::-1]))
        sizes = "{} pixels, but its image {} has {} x {}".format(pixels, image, *original[::-1])
        raise DataError(f"{name}: mask has {sizes}; make them one size")
    if mask.dtype == np.float32:
        mask = np.rint(to_unit(mask, name=name) * 255).astype(np.uint8)
    allowed: Array = region_from_mask(mask)[0].numpy()
    if not allowed.any():
        found = f"no pixel above half of its range, the largest is {mask.max()}" if mask.any() else "all pixels are 0"
        raise DataError(f"{name}: empty mask ({found}); draw the region, or name no mask if it is unknown")
    return allowed


def _as_bytes(shares: Array) -> Array:
    levels: Array = np.rint(shares * 255).astype(np.uint8)
    return levels


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
        files = masks_of(case) if self.preprocessing.z_score == "mask" else []

        def make() -> Prepared:
            return prepare_image(
                path,
                self.preprocessing,
                pad=self.pad,
                value_range=self.cohort.value_range,
                name=self.cohort.name(path),
                masks={self.cohort.name(file): file for file in files},
            )

        names = (path.name,) if files else ()  # outlines are found by the name of the image
        return self.cache.prepared([path, *files], (*self._image_recipe, *names), make)

    @cached_property
    def _image_recipe(self) -> tuple[object, ...]:
        """All that an image depends on but its files."""
        steps = self.preprocessing
        clip_limit = steps.clip_limit if steps.equalise == "clahe" else None
        value_range = steps.window or self.cohort.value_range
        contrast = (value_range, steps.percentiles, steps.equalise, clip_limit, steps.z_score)
        return ("image", steps.size, steps.colour, self.pad, *contrast)

    def regions(self, case: Case, original: tuple[int, int]) -> list[Array | None]:
        """Return the regions of a case, `(size, size)` uint8, None where unknown.

        A list of one from gaze, or if no case of the cohort has masks of single classes. Else one a class; what of a
        class without its own is `Preprocessing.regions` to say.
        """
        if self.preprocessing.regions == "gaze":
            return [self.gaze(case, original)]
        if self.preprocessing.regions == "class_mask":
            within = self.region(case.mask, case, original) if case.mask else np.full((), 255, np.uint8)
            own = (case.class_masks.get(name) for name in self.cohort.classes)
            return [np.minimum(self.region(path, case, original), within) if path else None for path in own]
        paths = [case.mask]
        if self.per_class:
            paths = [case.class_masks.get(name, case.mask) for name in self.cohort.classes]
        return [self.region(path, case, original) if path else None for path in paths]

    @cached_property
    def per_class(self) -> bool:
        """Whether some case has regions of single classes."""
        return bool(has_file(self.cohort.cases, "class_masks").any())

    def region(self, path: Path, case: Case, original: tuple[int, int]) -> Array:
        """Return one region of a case, see `prepare_region`."""
        size = self.preprocessing.size

        def make() -> Prepared:
            name, image = self.cohort.name(path), self.cohort.name(case.image)
            region = prepare_region(
                path, size, pad=self.pad, original=original, name=name, image=image, source=case.image
            )
            return Prepared(region[None], original)

        # a mask of outlines holds those of many images, by their names; others turn with the image
        recipe = ("mask", size, self.pad, original, case.image.name)
        region: Array = self.cache.prepared([path, case.image], recipe, make).pixels[0]
        return region

    def gaze(self, case: Case, original: tuple[int, int]) -> Array | None:
        """Return the region that a reader looked at, see `prepare_gaze`; None also for a case without gaze."""
        path, steps = case.gaze, self.preprocessing
        if path is None:
            return None

        def make() -> Prepared:
            region = prepare_gaze(path, steps, pad=self.pad, original=original, name=self.cohort.name(path))
            pixels = np.zeros((0, steps.size, steps.size), np.uint8) if region is None else region[None]
            return Prepared(pixels, original)

        recipe = ("gaze", steps.size, self.pad, original, steps.gaze)
        return next(iter(self.cache.prepared([path], recipe, make).pixels), None)

    def gaze_input(self, case: Case, original: tuple[int, int]) -> Array | None:
        """Return what the model reads of the gaze, `(F, size, size)` uint16, 65,535 is 1; None if nobody's is known.

        It is 0 throughout if the reader looked at no place on the image.
        """
        path, size, options = case.gaze, self.preprocessing.size, self.preprocessing.gaze_input
        if path is None or options is None:
            return None

        def make() -> Prepared:
            name = self.cohort.name(path)
            drawn = gaze_as_input(path, original, (size, size), options, pad=self.pad, name=name)
            return Prepared(np.rint(drawn.nan_to_num().numpy() * 65535).astype(np.uint16), original)

        recipe = ("gaze input", size, self.pad, original, options)
        channels: Array = self.cache.prepared([path], recipe, make).pixels
        return channels


def masks_of(case: Case) -> list[Path]:
    """Return the files of all masks of a case."""
    return [*([case.mask] if case.mask else []), *case.class_masks.values()]
