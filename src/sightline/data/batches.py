"""Batches of the images of a cohort, with their regions."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import get_args

import numpy as np
import torch
from torch import Tensor

from sightline.data.case_table import has_file
from sightline.data.cohort import Case, Cohort
from sightline.data.epochs import Batches, check_variants
from sightline.data.planted_bias import Bias, PlantedBias, draw_polygons, plant, swapped
from sightline.data.prepared import Loader, Preprocessing
from sightline.data.prepared_cache import ImageCache
from sightline.data.transforms import Augmentation, affine_matrices, draw_affine, warp
from sightline.errors import DataError, SettingsError
from sightline.types import Batch


@dataclass(frozen=True, kw_only=True)
class ImageBatches(Batches):
    """The batches of one epoch of images; `batches` makes one and explains the fields."""

    loader: Loader
    augmentation: Augmentation | None
    planted: PlantedBias | None
    erase_background: bool

    @cached_property
    def _polygons(self) -> Tensor | None:
        if self.planted is None or self.bias == "off":
            return None
        size, multilabel = self.loader.preprocessing.size, self.cohort.task == "multilabel"
        return draw_polygons(self.planted, self.cohort.num_classes, size=size, multilabel=multilabel)

    def make(self, indices: Sequence[int]) -> Batch:
        """Make the batch of the images of these indices, as they are in this epoch."""
        polygons = self._polygons
        cases = [self.cohort.cases[index] for index in indices]
        images, gaze, regions, known = self._load(cases)
        labels = torch.tensor([case.label for case in cases])
        planted = self.planted or PlantedBias()
        shown = swapped(labels, self.cohort.num_classes) if self.bias == "swapped" else labels
        if polygons is not None and not planted.after_augmentation:
            images = plant(images, shown, polygons, value=planted.value)
        if self.augmentation is not None and self.seed is not None:
            draws = [draw_affine(self.augmentation, self.generator(self.seed, index)) for index in indices]
            matrices = affine_matrices(draws)
            moved = warp(torch.cat((images, gaze), dim=1), matrices)
            images, gaze = moved[:, : images.shape[1]], moved[:, images.shape[1] :]
            regions = warp(regions, matrices, nearest=True)
        if polygons is not None and planted.after_augmentation:
            images = plant(images, shown, polygons, value=planted.value)
        if self.erase_background:
            self._check_known(cases, known)
            images = images * regions.amax(dim=1, keepdim=True)
        images = images.repeat(1, self.loader.preprocessing.channels // images.shape[1], 1, 1)
        regions.masked_fill_(~known[:, :, None, None], torch.nan)
        images = torch.cat((images, gaze), dim=1)
        return Batch(images, labels, regions, tuple(case.id for case in cases))

    def _check_known(self, cases: Sequence[Case], known: Tensor) -> None:
        for case, any_known in zip(cases, known.any(dim=1).tolist(), strict=True):
            if not any_known:
                name = self.cohort.name(case.gaze or case.image)
                raise DataError(f"{name}: no gaze lies on the image, so its background cannot be erased")

    def _load(self, cases: Sequence[Case]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return images `(N, 1 or 3, S, S)`, what the model reads of the gaze, regions, and which are known.

        Gaze is `(N, F, S, S)`, perhaps of no channel, regions `(N, R, S, S)`; both are 0 if unknown. Known is `(N, R)`.
        """
        size, gaze_input = self.loader.preprocessing.size, self.loader.preprocessing.gaze_input
        blank = np.zeros((size, size), np.uint8)
        nobody = np.zeros((gaze_input.channels if gaze_input else 0, size, size), np.uint16)
        variant = "" if self.bias == "on" else self.bias
        pixels, gaze, regions, known = [], [], [], []
        for case in cases:
            image = self.loader.image(case, variant)
            maps = self.loader.regions(case, image.original)
            looked_at = self.loader.gaze_input(case, image.original)
            pixels.append(image.pixels)
            gaze.append(nobody if looked_at is None else looked_at)
            regions.append([blank if m is None else m for m in maps])
            known.append([m is not None for m in maps])
        images, channels = (torch.from_numpy(np.stack(of, dtype=np.float32)).div_(65535) for of in (pixels, gaze))
        return images, channels, torch.from_numpy(np.asarray(regions, np.float32)).div_(255), torch.tensor(known)


def batches(
    cohort: Cohort,
    preprocessing: Preprocessing,
    *,
    batch_size: int,
    seed: int | None,
    epoch: int = 0,
    start: int = 0,
    augmentation: Augmentation | None = None,
    planted: PlantedBias | None = None,
    bias: Bias = "on",
    erase_background: bool = False,
    workers: int = 0,
    drop_last: bool = False,
    cache: ImageCache | None = None,
) -> ImageBatches:
    """Return the batches of one epoch; a batch depends on nothing but the arguments and its number.

    Args:
        cohort: the images, all of them: pass `cohort.split("train")`.
        preprocessing: how images become the model's input.
        batch_size: images a batch.
        seed: steers order and augmentation, at least 0; None keeps the order of the cohort.
        epoch: each epoch has its own order and its own draws.
        start: number of batches to leave out.
        augmentation: how images are moved at random; needs a seed.
        planted: a polygon per class to plant on the images.
        bias: the known bias as it is, `off` or `swapped` with that of a wrong class: the polygon, and the variant of
            the image if it has one.
        erase_background: blacken what lies outside the region.
        workers: threads that prepare batches ahead of time; the batches are the same.
        drop_last: leave out the last batch if it is not full.
        cache: keeps prepared images; pass the same one, or use `Batches.at`, to prepare them once for all epochs.

    Raises:
        SettingsError: an argument is out of its range.
        DataError: the cohort is empty, or a case lacks the variant or the mask that was asked for. While iterating: an
            image or a mask cannot be used.
    """
    if bias not in get_args(Bias):
        raise SettingsError(f"bias must be one of {', '.join(get_args(Bias))}, got {bias!r}")
    if augmentation is not None and seed is None:
        raise SettingsError("augmentation needs a seed; without one images come in order and as they are")
    if planted is not None:
        planted.markers(cohort.num_classes, multilabel=cohort.task == "multilabel")
    check_variants(cohort, bias if planted is None else "on")
    pad = preprocessing.pad_to_square == "always" or (preprocessing.pad_to_square == "evaluation" and seed is None)
    made = ImageBatches(
        cohort=cohort,
        loader=Loader(cohort, preprocessing, pad, cache or ImageCache()),
        batch_size=batch_size,
        seed=seed,
        epoch=epoch,
        start=start,
        augmentation=augmentation,
        planted=planted,
        bias=bias,
        erase_background=erase_background,
        workers=workers,
        drop_last=drop_last,
    )
    _check_masks(cohort, preprocessing, erase_background)
    return made


def _check_masks(cohort: Cohort, preprocessing: Preprocessing, erase_background: bool) -> None:
    if not erase_background and preprocessing.z_score != "mask":
        return
    masked = has_file(cohort.cases, "mask") | has_file(cohort.cases, "class_masks")
    outlined = has_file(cohort.cases, "gaze") if preprocessing.regions == "gaze" else masked
    unfit = (~outlined & erase_background) | (~masked & (preprocessing.z_score == "mask"))
    if not unfit.any():
        return
    first = int(unfit.argmax())
    name = cohort.name(cohort.cases[first].image)
    if erase_background and not outlined[first]:
        raise DataError(f"{name} has no {preprocessing.regions}, so its background cannot be erased")
    raise DataError(f"{name} has no mask, so its z-score over the mask is not known")
