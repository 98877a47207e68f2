"""Volumes and their regions at the size the model sees."""

import math
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sightline.data.case_table import has_file
from sightline.data.cohort import Case, Cohort
from sightline.data.images import Array
from sightline.data.prepared_cache import ImageCache, Prepared
from sightline.data.readers.masks import read_mask
from sightline.data.readers.volume import read_volume
from sightline.data.volume_motion import VolumeAugmentation
from sightline.errors import DataError, SettingsError
from sightline.regions.allowed import Downsampling, downsample_masks
from sightline.regions.masks import region_from_mask, resize_region

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class VolumeInput:
    """How a volume becomes the model's input, in this order: window, spacing, padding or cropping to the shape.

    Attributes:
        shape: slices, rows and columns of the model's input. Smaller volumes are padded on both sides alike with their
            least value, larger ones lose both ends alike.
        window: values that become 0 and 1, such as [-1000, 800] HU; null for the cohort's value_range.
        spacing_mm: distance of slices, rows and columns to resample to, mm; null takes volumes as they lie, as after
            `sightline prepare ct`.
        grid: slices, rows and columns of the regions, such as those of the model's last features; null for `shape`.
        downsampling: how masks come to a smaller grid, see `downsample_masks`.
        dilate: let masks grow by one place of the grid in every direction.
        absent: where a model may look for a class that is not there: nowhere (`forbidden`), or nobody knows
            (`unknown`). Only masks of single classes count here.
        augmentation: how training volumes are moved at random; null for not at all.

    Reference:
        Draelos and Carin 2020, arXiv:2011.08891, 3.6 and 12. The paper subtracts
        0.449 afterwards; here values stay in [0, 1], as everywhere, and a model may do so itself.
    """

    shape: Shape = (405, 420, 420)
    window: tuple[float, float] | None = (-1000.0, 800.0)
    spacing_mm: tuple[float, float, float] | None = None
    grid: Shape | None = None
    downsampling: Downsampling = "nearest"
    dilate: bool = False
    absent: Literal["forbidden", "unknown"] = "forbidden"
    augmentation: VolumeAugmentation | None = field(default_factory=VolumeAugmentation)

    def __post_init__(self) -> None:
        for name, lengths in (("shape", self.shape), ("grid", self.grid or self.shape)):
            if min(lengths) < 1:
                raise SettingsError(f"{name} must be three lengths of at least 1, got {list(lengths)}")
        if self.window is not None and not -math.inf < self.window[0] < self.window[1] < math.inf:
            raise SettingsError(f"window must be two growing numbers [black, white], got {list(self.window)}")
        if self.spacing_mm is not None and not min(self.spacing_mm) > 0:
            raise SettingsError(f"spacing_mm must be three lengths over 0, got {list(self.spacing_mm)}")


@dataclass(frozen=True)
class VolumeLoader:
    """The volumes and regions of a cohort, prepared in one way.

    Attributes:
        cohort: where they come from.
        settings: how they become the model's input.
        cache: where they are kept.
    """

    cohort: Cohort
    settings: VolumeInput
    cache: ImageCache

    def volume(self, case: Case, variant: str = "") -> Prepared:
        """Return the volume of a case, `(D, H, W)` uint16, 65,535 is 1, or a variant of it where there is one.

        Raises:
            DataNotFoundError, DataError: the volume is missing or cannot be used.
        """
        path, s = case.variants.get(variant, case.image), self.settings
        window = s.window or self.cohort.value_range
        name = self.cohort.name(path)
        if window is None:
            raise DataError(
                f"{name}: nobody says which values become 0 and 1; set window, or value_range of the cohort"
            )

        def make() -> Prepared:
            volume = read_volume(path, name=name)
            values = (volume.values - window[0]) / (window[1] - window[0])
            placed = self._placed(values.clip(0, 1), volume.spacing_mm, name)
            return Prepared(np.rint(placed * 65535).astype(np.uint16), (volume.values.shape[1], volume.values.shape[2]))

        return self.cache.prepared([path], ("volume", window, s.spacing_mm, s.shape), make)

    def regions(self, case: Case) -> list[Array | None]:
        """Return the regions of a case on the grid, 255 where the model may look, uint8, None where unknown.

        A list of one if no case of the cohort has masks of single classes, else one a class.

        Raises:
            DataNotFoundError, DataError: a mask is missing, empty, or not of the shape of its volume.
        """
        if not self.per_class:
            return [self._region(case.mask, case) if case.mask else None]
        labels = case.label if isinstance(case.label, tuple) else np.eye(self.cohort.num_classes)[case.label]
        return [self._of_class(case, name, label) for name, label in zip(self.cohort.classes, labels, strict=True)]

    @cached_property
    def per_class(self) -> bool:
        """Whether some case has regions of single classes."""
        return bool(has_file(self.cohort.cases, "class_masks").any())

    def _of_class(self, case: Case, name: str, label: float) -> Array | None:
        if label == 0 and self.settings.absent == "forbidden":
            return np.zeros(self.settings.grid or self.settings.shape, np.uint8)
        path = case.class_masks.get(name)
        return self._region(path, case) if path and label > 0 else None

    def _region(self, path: Path, case: Case) -> Array:
        s, name = self.settings, self.cohort.name(path)

        def make() -> Prepared:
            spacing = read_volume(case.image, name=name).spacing_mm if s.spacing_mm else None
            mask = region_from_mask(read_mask(path, image=case.image, name=name))[0]
            if mask.ndim != 3:
                raise DataError(
                    f"{name}: the mask of a volume must be (slices, rows, columns), got {tuple(mask.shape)}"
                )
            if not mask.any():
                raise DataError(f"{name}: empty mask; name no mask if the region is unknown")
            placed = torch.from_numpy(self._placed(mask.numpy(), spacing, name) >= 0.5)
            grid = downsample_masks(placed[None], s.grid or s.shape, method=s.downsampling, dilate=s.dilate)[0]
            return Prepared(np.rint(grid.numpy() * 255).astype(np.uint8), (mask.shape[1], mask.shape[2]))

        recipe = ("allowed", s.spacing_mm, s.shape, s.grid, s.downsampling, s.dilate)
        region: Array = self.cache.prepared([path, case.image], recipe, make).pixels
        return region

    def _placed(self, values: Array, spacing_mm: tuple[float, ...] | None, name: str) -> Array:
        """Resample values in [0, 1] to the spacing, and pad or crop them to the shape."""
        volume = torch.from_numpy(values).float()
        if self.settings.spacing_mm is not None:
            if spacing_mm is None:
                raise DataError(f"{name}: nobody says how far its voxels are apart; set spacing_mm to null")
            volume = _resampled(volume, spacing_mm, self.settings.spacing_mm)
        placed: Array = fit(volume, self.settings.shape).numpy()
        return placed


def fit(volume: Tensor, shape: Shape) -> Tensor:
    """Pad `(D, H, W)` on both sides alike with its least value, or cut both ends alike, to `shape`.

    Of an odd number of voxels, the last side takes one more.
    """
    lacking = [want - have for want, have in zip(shape, volume.shape, strict=True)]
    pads = [side for lack in reversed(lacking) for side in (max(lack, 0) // 2, max(lack, 0) - max(lack, 0) // 2)]
    padded = F.pad(volume, pads, value=float(volume.min()))
    starts = [max(-lack, 0) // 2 for lack in lacking]
    return padded[tuple(slice(start, start + length) for start, length in zip(starts, shape, strict=True))]


def _resampled(volume: Tensor, spacing_mm: tuple[float, ...], wanted_mm: tuple[float, ...]) -> Tensor:
    """Resample `(D, H, W)`: the mean of what a voxel covers where it grows, between neighbours where it shrinks."""
    lengths = zip(volume.shape, spacing_mm, wanted_mm, strict=True)
    size = [max(round(length * have / want), 1) for length, have, want in lengths]
    covered = resize_region(volume, [min(new, old) for new, old in zip(size, volume.shape, strict=True)])
    finer = F.interpolate(covered[None, None], size=size, mode="trilinear", align_corners=False)
    return finer[0, 0]
