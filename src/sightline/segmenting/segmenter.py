"""A trained segmenter: from images to probabilities on the pixels of their files."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sightline.attribution.explainer import evaluation_mode
from sightline.data import Case, Cohort, ImageCache, Preprocessing
from sightline.data.images import to_unit
from sightline.data.prepared import Loader
from sightline.data.readers.masks import read_mask
from sightline.errors import DataError, RunError
from sightline.metrics.mask_overlap import Array
from sightline.models import load_weights
from sightline.models.unet import UNet
from sightline.regions.masks import region_from_mask
from sightline.runs import RunFolder
from sightline.segmenting.settings import NetworkSettings
from sightline.training.environment import find_device

THRESHOLD_NAME = "threshold.json"


@dataclass(frozen=True)
class Segmenter:
    """A network with what goes before and after it.

    Attributes:
        network: images `(N, C, S, S)` to logits `(N, 1, S, S)`.
        preprocessing: how images become its input.
        threshold: probability from which a pixel belongs to the mask.
        name: what made its masks, for tables.
    """

    network: UNet
    preprocessing: Preprocessing
    threshold: float = 0.5
    name: str = "segmenter"

    def probabilities(self, cohort: Cohort, *, batch_size: int = 16) -> Iterator[tuple[Case, Array]]:
        """Yield each case with its map of probabilities, float32 of the size of its image.

        Raises:
            DataNotFoundError, DataError: an image is missing or cannot be used.
        """
        pad = self.preprocessing.pad_to_square != "never"
        loader = Loader(cohort, self.preprocessing, pad, ImageCache(0))
        device = next(self.network.parameters()).device
        for start in range(0, len(cohort.cases), batch_size):
            cases = cohort.cases[start : start + batch_size]
            prepared = [loader.image(case) for case in cases]
            pixels = np.stack([image.pixels for image in prepared]).astype(np.float32)
            images = torch.from_numpy(pixels).div_(65535)
            images = images.repeat(1, self.preprocessing.channels // images.shape[1], 1, 1)
            with evaluation_mode(self.network), torch.no_grad():
                maps = self.network(images.to(device)).sigmoid().cpu()  # (N, 1, S, S)
            for case, image, one in zip(cases, prepared, maps, strict=True):
                yield case, on_file(one[0], image.original, padded=pad)


def on_file(values: Tensor, original: tuple[int, int], *, padded: bool) -> Array:
    """Bring a map of the network's size onto the pixels of the file: enlarge it bilinearly and cut the padding off.

    Args:
        values: `(S, S)`.
        original: height and width of the file, pixels.
        padded: whether the image was padded to a square first.
    """
    height, width = original
    square = (max(original),) * 2 if padded else original
    enlarged = F.interpolate(values[None, None], square, mode="bilinear", align_corners=False, antialias=True)[0, 0]
    top, left = (square[0] - height) // 2, (square[1] - width) // 2
    cut: Array = enlarged[top : top + height, left : left + width].clamp(0, 1).numpy()
    return cut


def with_masks(cohort: Cohort) -> Cohort:
    """Return the images that have a mask for all classes; masks of single classes are left aside.

    Raises:
        DataError: none has.
    """
    cases = tuple(replace(case, class_masks={}) for case in cohort.cases if case.mask is not None)
    if not cases:
        raise DataError("no image of the cohort has a mask to learn from; add a column 'mask' to its table")
    return replace(cohort, cases=cases)


def true_mask(cohort: Cohort, case: Case, size: tuple[int, int]) -> Array:
    """Read the mask of a case on the pixels of its image, bool; what `region_from_mask` does not allow is outside.

    Raises:
        DataNotFoundError, DataError: it is missing, unreadable or of another size.
    """
    if case.mask is None:
        raise DataError(f"{case.id} has no mask")
    name = cohort.name(case.mask)
    mask = read_mask(case.mask, image=case.image, name=name)
    if mask.shape != size:
        raise DataError(f"{name}: mask of {mask.shape} pixels, its image has {size}; make them one size")
    if mask.dtype == np.float32:
        mask = np.rint(to_unit(mask, name=name) * 255).astype(np.uint8)
    truth: Array = region_from_mask(mask)[0].numpy() > 0
    return truth


def make_network(settings: NetworkSettings, channels: int) -> UNet:
    """Make the U-Net that the settings describe, its weights drawn from torch's generator."""
    network = UNet(in_channels=channels, width=settings.width, depth=settings.depth, batch_norm=settings.batch_norm)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a third faster on a CPU
    return network


def chosen_threshold(folder: Path) -> dict[str, Any]:
    """Return the `threshold` of a trained segmenter and the scores it was chosen by.

    Raises:
        RunError: the folder holds no finished training of a segmenter.
    """
    run = RunFolder.open(folder)
    if not (run.weights.is_file() and (folder / THRESHOLD_NAME).is_file()):
        raise RunError(f"{folder} holds no trained segmenter; finish it with 'sightline prepare masks train --resume'")
    chosen: dict[str, Any] = json.loads((folder / THRESHOLD_NAME).read_text(encoding="utf-8"))
    return chosen


def load_segmenter(folder: Path, *, device: str = "auto") -> Segmenter:
    """Load what `train_segmenter` made.

    Raises:
        RunError: the folder holds no finished training of a segmenter.
        SettingsError: the device is not there.
    """
    chosen, run = chosen_threshold(folder), RunFolder.open(folder)
    config = run.config
    preprocessing = Preprocessing(**{name: config[name] for name in ("size", "channels", "pad_to_square")})
    network = make_network(NetworkSettings(**config["network"]), preprocessing.channels)
    load_weights(network, run.weights)
    return Segmenter(network.to(find_device(device)), preprocessing, float(chosen["threshold"]), name=folder.name)
