"""The training of a segmenter, from top to bottom."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.attribution.explainer import evaluation_mode
from sightline.data import Batches, Cohort, ImageCache, batches, check_cohort, raise_on_problems, read_cohort
from sightline.errors import RunError
from sightline.metrics.mask_overlap import overlap
from sightline.models import load_weights, save_weights
from sightline.runs import RunFolder, atomic_path, write_json
from sightline.segmenting.choosing import choose_threshold
from sightline.segmenting.segmenter import THRESHOLD_NAME, Segmenter, make_network, with_masks
from sightline.segmenting.settings import SegmenterSettings
from sightline.training.beginning import begin_run, begun_run
from sightline.training.checkpoint import Progress, load_checkpoint, save_checkpoint
from sightline.training.environment import find_device
from sightline.training.optimisation import clip_gradients, learning_rate, make_average, make_optimiser
from sightline.training.reproducible import reproducible
from sightline.training.tracking import Tracker
from sightline.types import Batch

_log = logging.getLogger(__name__)

Advance = Callable[[int, int | None, str], None]


def train_segmenter(
    settings: SegmenterSettings, folder: Path, *, resume: bool = False, advance: Advance | None = None
) -> RunFolder:
    """Train a U-Net on the masks of the training split and choose its threshold on the validation split.

    The loss is the cross-entropy of each pixel with the share of it that the mask covers. Kept are the weights of the
    epoch with the lowest validation loss. On one machine the same settings give the same weights, also when the
    training was killed in between and resumed.

    Args:
        settings: what to do.
        folder: of the run; new, or with `resume` one that was begun with these settings.
        resume: go on from the last checkpoint; a finished run is returned as it is.
        advance: told after each step how many are done, how many there are, and the latest values in words.

    Returns:
        The run: besides the files of every run, `threshold.json` has the threshold and the scores it was chosen by, and
        `validation.csv` the scores of each image.

    Raises:
        DataError: the cohort has no masks, no splits `train` and `val`, or cannot be used; nothing has been written.
        SettingsError: the device is not there; nothing has been written.
        RunError: the folder is taken, holds other settings, or the loss is no longer finite.
    """
    run = begun_run(settings, folder) if resume else None
    if run is not None and run.status.get("state") == "done":
        return run
    if run is None:
        RunFolder.check_free(folder)  # before the images are read
    cohort, device = with_masks(read_cohort(settings.cohort)), find_device(settings.device)
    parts = {name: cohort.split(name) for name in ("train", "val")}
    if run is None:
        used = {case.id for part in parts.values() for case in part.cases}
        raise_on_problems([p for p in check_cohort(cohort, pixels=True) if p.case in used or not p.case])
    with reproducible(settings.seed, device):
        training = _Training(settings, RunFolder(folder), parts["train"], parts["val"], device)
        if run is None:
            run = begin_run(settings, folder)
        try:
            training.run(advance or (lambda done, total, words: None))
        except BaseException as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            state = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            write_json(run.path / "status.json", {**run.status, "state": state, "reason": reason})
            raise
    return run


class _Training:
    """One training under way: the parts that change, and the loop over them."""

    def __init__(
        self, settings: SegmenterSettings, run: RunFolder, train: Cohort, val: Cohort, device: torch.device
    ) -> None:
        self.settings, self.run_folder, self.val_cohort, self.device = settings, run, val, device
        cache = ImageCache(settings.cache_mib)
        common: dict[str, Any] = {"workers": settings.workers, "cache": cache}
        size = min(settings.batch_size, len(train.cases))
        self.train = batches(
            train,
            settings.preprocessing,
            batch_size=size,
            seed=settings.seed,
            augmentation=settings.augmentation,
            drop_last=True,
            **common,
        )
        self.val = batches(val, settings.preprocessing, batch_size=settings.batch_size, seed=None, **common)
        self.network = make_network(settings.network, settings.preprocessing.channels).to(device)
        self.optimiser = make_optimiser(self.network, settings.optim)
        self.average = make_average(self.network, settings.optim)
        self.progress = Progress()
        self.steps = settings.epochs * self.train.total
        self.parts: dict[str, Any] = {"network": self.network, "optimiser": self.optimiser}
        if self.average is not None:
            self.parts["average"] = self.average

    @property
    def evaluated(self) -> nn.Module:
        """The weights that are validated and kept: the running average where there is one."""
        return self.network if self.average is None else self.average.module

    def run(self, advance: Advance) -> None:
        """Train to the end and choose the threshold."""
        if self.run_folder.checkpoint.is_file():
            self.progress = load_checkpoint(self.run_folder.checkpoint, self.parts, self.device)
            _log.info("resuming at step %d of %d", self.progress.step, self.steps)
        with Tracker(self.run_folder, self.progress.lines, tensorboard=False) as tracker:
            self._loop(tracker, advance)
        self._finish()

    def _loop(self, tracker: Tracker, advance: Advance) -> None:
        self._status("running")
        per_epoch, saved = self.train.total, time.monotonic()
        while self.progress.step < self.steps:
            epoch, start = divmod(self.progress.step, per_epoch)
            self.network.train()
            for batch in self.train.at(epoch, start):
                values = self._step(batch)
                self.progress.step += 1
                self.progress.lines += 1
                tracker.write({"epoch": epoch + 1, "step": self.progress.step, **values})
                words = f"epoch {epoch + 1}/{self.settings.epochs}  loss {values['loss']:.3f}"
                advance(self.progress.step, self.steps, words)
                due = time.monotonic() - saved >= self.settings.checkpoint_seconds
                if due and self.progress.step % per_epoch:  # the epoch's own follows its validation
                    self._save()
                    saved = time.monotonic()
            scores = self._validate(self.val)
            self.progress.lines += 1
            tracker.write({"epoch": epoch + 1, "step": self.progress.step, **scores})
            words = f"validation loss {scores['val_loss']:.4f}  IoU {scores['val_iou']:.3f}"
            _log.info("epoch %d/%d  %s", epoch + 1, self.settings.epochs, words)
            self._save()
            saved = time.monotonic()
            self._status("running")

    def _step(self, batch: Batch) -> dict[str, float]:
        settings = self.settings.optim
        rate = learning_rate(settings, self.progress.step, self.steps, per_epoch=self.train.total)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        loss = self._loss(self.network, batch)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = clip_gradients(self.network.parameters(), settings)
        if not (loss.isfinite() and norm.isfinite()):
            raise RunError(f"the loss is no longer finite at step {self.progress.step + 1}; lower the learning rate")
        self.optimiser.step()
        if self.average is not None:
            self.average.update_parameters(self.network)
        return {"loss": float(loss.detach()), "gradient_norm": float(norm), "lr": rate}

    def _loss(self, network: nn.Module, batch: Batch) -> Tensor:
        logits = network(batch.images.to(self.device, memory_format=torch.channels_last))
        return F.binary_cross_entropy_with_logits(logits, batch.regions.to(self.device))

    def _validate(self, val: Batches) -> dict[str, float]:
        """Return the mean loss, and the mean IoU at a probability of a half, on the pixels of the network."""
        losses, ious = [], []
        with evaluation_mode(self.evaluated), torch.no_grad():
            for batch in val:
                logits = self.evaluated(batch.images.to(self.device, memory_format=torch.channels_last)).cpu()
                losses.append(float(F.binary_cross_entropy_with_logits(logits, batch.regions)) * len(logits))
                for found, region in zip(logits.sigmoid().numpy(), batch.regions.numpy(), strict=True):
                    ious.append(float(overlap(found, region >= 0.5, [0.5]).iou[0]))
        scores = {"val_loss": sum(losses) / len(ious), "val_iou": float(np.mean(ious))}
        if scores["val_loss"] < self.progress.best:
            self.progress.best = scores["val_loss"]
            save_weights(self.evaluated, self.run_folder.best_weights)
        return scores

    def _save(self) -> None:
        states = {name: part.state_dict() for name, part in self.parts.items()}
        save_checkpoint(self.run_folder.checkpoint, states, self.progress, self.device)

    def _status(self, state: str) -> None:
        status = {"state": state, "step": self.progress.step, "steps": self.steps}
        write_json(self.run_folder.path / "status.json", status)

    def _finish(self) -> None:
        with atomic_path(self.run_folder.weights) as temporary:
            temporary.write_bytes(self.run_folder.best_weights.read_bytes())
        load_weights(self.network, self.run_folder.weights)
        segmenter = Segmenter(self.network, self.settings.preprocessing)
        choice = choose_threshold(segmenter, self.val_cohort, self.run_folder.path / "validation.csv")
        write_json(self.run_folder.path / THRESHOLD_NAME, choice)
        self._status("done")
        _log.info("threshold %.2f: validation IoU %.3f, Dice %.3f", choice["threshold"], choice["iou"], choice["dice"])
