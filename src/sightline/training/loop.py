"""The training loop, from top to bottom."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sightline.data import Batches, Cohort, ImageCache, batches, check_cohort, raise_on_problems, read_cohort
from sightline.errors import RunError
from sightline.guidance import BackgroundRelevance, Guidance, Unguided
from sightline.models import build_model, save_weights
from sightline.runs import RunFolder, atomic_path, write_json
from sightline.training.beginning import begin_run, begun_run
from sightline.training.checkpoint import Progress, load_checkpoint, save_checkpoint
from sightline.training.environment import find_device
from sightline.training.optimisation import learning_rate, make_average, make_optimiser
from sightline.training.reproducible import reproducible
from sightline.training.settings import TrainSettings
from sightline.training.tracking import Tracker
from sightline.training.validation import validate
from sightline.types import Batch

_log = logging.getLogger(__name__)

Advance = Callable[[int, int | None, str], None]


@dataclass(frozen=True)
class Data:
    """The batches that a training goes through, epoch after epoch."""

    cohort: Cohort
    train: Batches
    val: Batches | None


def train(
    settings: TrainSettings,
    folder: Path,
    *,
    resume: bool = False,
    advance: Advance | None = None,
    stop: Callable[[], bool] | None = None,
) -> RunFolder:
    """Train a classifier into a run folder.

    On one machine the same settings give the same weights, also when the training was killed in between and resumed.

    Args:
        settings: what to do.
        folder: of the run; new, or with `resume` one that was begun with these settings.
        resume: go on from the last checkpoint; a finished run is returned as it is.
        advance: told after each step how many are done, how many there are, and the latest values in words.
        stop: asked after each step; True saves a checkpoint and returns with the status `interrupted`.

    Returns:
        The run, with `status` `done` or `interrupted`.

    Raises:
        DataError: the cohort cannot be used; nothing has been written then.
        SettingsError: the model or the device is not there; nothing has been written then.
        RunError: the folder is taken, holds other settings, or the loss is no longer finite.
    """
    run = begun_run(settings, folder) if resume else None
    if run is not None and run.status.get("state") == "done":
        return run
    if run is None:
        RunFolder.check_free(folder)  # before the images are read
    data, device = prepare_data(settings), find_device(settings.device)
    if run is None:
        raise_on_problems(check_cohort(data.cohort, pixels=True))
    with reproducible(settings.seed, device):
        training = _Training(settings, RunFolder(folder), data, device)
        run = run or begin_run(settings, folder)  # not before the model could be built
        try:
            finished = training.run(advance, stop)
        except BaseException as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            state = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            write_json(run.path / "status.json", {**run.status, "state": state, "reason": reason})
            raise
    _log.info("run %s: %s", run.path.name, "done" if finished else "interrupted; continue it with --resume")
    return run


def prepare_data(settings: TrainSettings) -> Data:
    """Read the cohort and set up the batches of its training and validation splits.

    Raises:
        DataError: the cohort cannot be used, or has no training split.
    """
    cohort = read_cohort(settings.data.cohort)
    data, cache = settings.data, ImageCache(settings.data.cache_mib, settings.data.cache_dir)
    common: dict[str, Any] = {
        "planted": data.bias,
        "erase_background": data.erase_background,
        "workers": data.workers,
        "cache": cache,
    }
    train_split = cohort.split("train")
    train_batches = batches(
        train_split,
        data.preprocessing,
        batch_size=min(data.batch_size, len(train_split.cases)),
        seed=settings.seed,
        augmentation=data.augmentation,
        drop_last=True,  # batch statistics of one or two images are worth nothing
        **common,
    )
    val = None
    if "val" in cohort.splits:
        val = batches(cohort.split("val"), data.preprocessing, batch_size=data.batch_size, seed=None, **common)
    return Data(cohort, train_batches, val)


def make_guidance(settings: TrainSettings) -> Guidance:
    """Make the guidance that the settings describe, or none."""
    return Unguided() if settings.guidance is None else BackgroundRelevance(settings.guidance)


class _Training:
    """One training under way: the parts that change, and the loop over them."""

    def __init__(self, settings: TrainSettings, run: RunFolder, data: Data, device: torch.device) -> None:
        self.settings, self.run_folder, self.data, self.device = settings, run, data, device
        model = build_model(settings.model, num_classes=data.cohort.num_classes, seed=settings.seed)
        self.model = model.to(self.device)
        self.guidance = make_guidance(settings).to(self.device)
        self.optimiser = make_optimiser(self.model, settings.optim)
        self.average = make_average(self.model, settings.optim)
        self.progress = Progress()
        self.steps = settings.epochs * data.train.total
        self.parts: dict[str, Any] = {"model": self.model, "guidance": self.guidance, "optimiser": self.optimiser}
        if self.average is not None:
            self.parts["average"] = self.average

    @property
    def evaluated(self) -> nn.Module:
        """The weights that are validated and kept: the running average where there is one."""
        return self.model if self.average is None else self.average.module

    def run(self, advance: Advance | None, stop: Callable[[], bool] | None) -> bool:
        """Train to the end; False if asked to stop before."""
        if self.run_folder.checkpoint.is_file():
            self.progress = load_checkpoint(self.run_folder.checkpoint, self.parts, self.device)
            _log.info("resuming at step %d of %d", self.progress.step, self.steps)
        elif isinstance(self.guidance, BackgroundRelevance) and self.guidance.settings.calibrate:
            self._calibrate(self.guidance)
        with Tracker(self.run_folder, self.progress.lines, tensorboard=self.settings.tensorboard) as tracker:
            finished = self._loop(tracker, advance, stop)
        if finished:
            self._finish()
        return finished

    def _loop(self, tracker: Tracker, advance: Advance | None, stop: Callable[[], bool] | None) -> bool:
        saved = time.monotonic()
        self._status("running")
        per_epoch = self.data.train.total
        while self.progress.step < self.steps:
            epoch, start = divmod(self.progress.step, per_epoch)
            self.model.train()
            self.guidance.train()
            for batch in self.data.train.at(epoch, start):
                values = self._step(self._moved(batch))
                self.progress.step += 1
                self.progress.lines += 1
                tracker.write({"epoch": epoch + 1, "step": self.progress.step, **values})
                if advance is not None:
                    advance(self.progress.step, self.steps, _in_words(epoch + 1, self.settings.epochs, values))
                if self.progress.step % per_epoch == 0:
                    break  # the epoch's checkpoint follows its validation
                if stop is not None and stop():
                    self._save()
                    self._status("interrupted")
                    return False
                if time.monotonic() - saved >= self.settings.checkpoint_seconds:
                    self._save()
                    saved = time.monotonic()
            if scores := self._validate():
                self.progress.lines += 1
                tracker.write({"epoch": epoch + 1, "step": self.progress.step, **scores})
            _log.info("epoch %d/%d  %s", epoch + 1, self.settings.epochs, _scores_in_words(scores))
            self._save()
            saved = time.monotonic()
            stopped = self.progress.step < self.steps and stop is not None and stop()
            self._status("interrupted" if stopped else "running")
            if stopped:
                return False
        return True

    def _moved(self, batch: Batch) -> Batch:
        images, labels, regions = (part.to(self.device) for part in (batch.images, batch.labels, batch.regions))
        return replace(batch, images=images, labels=labels, regions=regions)

    def _step(self, batch: Batch) -> dict[str, float]:
        settings = self.settings.optim
        rate = learning_rate(settings, self.progress.step, self.steps)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.precision == "bfloat16"):
            guided = self.guidance(self.model, batch.images, batch.labels, batch.regions)
        self.optimiser.zero_grad()
        guided.loss.backward()
        limit = float("inf") if settings.clip_norm is None else settings.clip_norm
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), limit)
        values = {"loss": float(guided.loss.detach()), **{name: float(part) for name, part in guided.parts.items()}}
        if not all(map(torch.isfinite, (guided.loss, norm))):
            raise RunError(
                f"the loss is no longer finite at step {self.progress.step + 1} "
                f"(loss {values['loss']:.3g}, gradient norm {float(norm):.3g}); lower optim.lr"
            )
        self.optimiser.step()
        if self.average is not None:
            self.average.update_parameters(self.model)
        return {**values, "gradient_norm": float(norm), "lr": rate}

    def _validate(self) -> dict[str, float]:
        if self.data.val is None:
            return {}
        scores = validate(self.evaluated, self.data.val, self.guidance, self.data.cohort)
        if scores["val_loss"] < self.progress.best:
            self.progress.best = scores["val_loss"]
            save_weights(self.evaluated, self.run_folder.best_weights)
        return scores

    def _calibrate(self, guidance: BackgroundRelevance) -> None:
        wanted = guidance.settings.calibrate
        least, most = guidance.calibrate(self.model, map(self._moved, islice(self.data.train.at(0), wanted)))
        measured = {"least": least, "most": most, "batches": wanted}
        write_json(self.run_folder.path / "calibration.json", measured)
        _log.info("calibrated on %d batches: C1 = %.4g, C2 = %.4g", wanted, least, most)

    def _save(self) -> None:
        save_checkpoint(self.run_folder.checkpoint, self.parts, self.progress, self.device)

    def _status(self, state: str) -> None:
        status = {"state": state, "step": self.progress.step, "steps": self.steps}
        write_json(self.run_folder.path / "status.json", status)

    def _finish(self) -> None:
        best = self.run_folder.best_weights
        if self.settings.select == "best" and best.is_file():
            with atomic_path(self.run_folder.weights) as temporary:
                temporary.write_bytes(best.read_bytes())
        else:
            save_weights(self.evaluated, self.run_folder.weights)
        self._status("done")


def _in_words(epoch: int, epochs: int, values: dict[str, float]) -> str:
    shown = {"loss": values["loss"], **({"outside": values["outside"]} if "outside" in values else {})}
    return f"epoch {epoch}/{epochs}  " + "  ".join(f"{name} {value:.3f}" for name, value in shown.items())


def _scores_in_words(scores: dict[str, float]) -> str:
    names = {"val_loss": "validation loss", "val_macro_f1": "macro-F1", "val_outside": "relevance outside"}
    return "  ".join(f"{label} {scores[name]:.3f}" for name, label in names.items() if name in scores)
