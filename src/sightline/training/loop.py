"""The training loop, from top to bottom."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from sightline.attribution.explainer import evaluation_mode
from sightline.data import Batches, check_cohort, raise_on_problems
from sightline.errors import RunError
from sightline.guidance import make_guidance
from sightline.models import build_model, load_weights, save_weights
from sightline.runs import RunFolder, write_json
from sightline.training.beginning import begin_run, begun_run
from sightline.training.checkpoint import Progress, load_checkpoint, read_progress, save_checkpoint
from sightline.training.data import Data, prepare_data
from sightline.training.environment import find_device
from sightline.training.optimisation import clip_gradients, learning_rate, make_average, make_optimiser
from sightline.training.reproducible import reproducible
from sightline.training.settings import TrainSettings
from sightline.training.stages import Stage, only_training, training_mode
from sightline.training.tracking import Tracker
from sightline.training.validation import validate
from sightline.types import Batch

_log = logging.getLogger(__name__)

Advance = Callable[[int, int | None, str], None]


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
        SettingsError: the model or the device is not there, or the guidance cannot guide this model; nothing has been
            written then.
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
        if run is None:
            training.try_out()
            run = begin_run(settings, folder)  # not before the model could be built, and guided
        try:
            finished = training.run(advance, stop)
        except BaseException as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            state = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            write_json(run.path / "status.json", {**run.status, "state": state, "reason": reason})
            raise
    _log.info("run %s: %s", run.path.name, "done" if finished else "interrupted; continue it with --resume")
    return run


class _Training:
    """One training under way: the parts that change, and the loop over them."""

    def __init__(self, settings: TrainSettings, run: RunFolder, data: Data, device: torch.device) -> None:
        self.settings, self.run_folder, self.data, self.device = settings, run, data, device
        model = build_model(settings.model, num_classes=data.cohort.num_classes, seed=settings.seed)
        self.model = model.to(self.device)
        self.stages = list(settings.all_stages.items())
        self.progress = Progress()

    @property
    def evaluated(self) -> nn.Module:
        """The weights that are validated and kept: the running average where there is one."""
        return self.model if self.average is None else self.average.module

    @property
    def parts(self) -> dict[str, Any]:
        """All that a checkpoint holds."""
        parts = {"model": self.model, "guidance": self.guidance, "optimiser": self.optimiser}
        return parts if self.average is None else parts | {"average": self.average}

    @property
    def steps(self) -> int:
        """Steps in all: those done before this stage, its own, and those of the stages to come."""
        to_come = (stage.epochs * self._train_batches(stage).total for _, stage in self.stages[self.progress.stage :])
        return self.progress.began + sum(to_come)

    def try_out(self) -> None:
        """Guide two images in each stage, as in validation: what does not fit is found before anything is written."""
        batch = self._moved(next(iter(self.data.train)))
        few = (batch.images[:2], batch.labels[:2], batch.regions[:2])
        for _, stage in self.stages:
            guidance = make_guidance(stage.guidance).to(self.device)
            with only_training(self.model, stage.trains), evaluation_mode(self.model, guidance), torch.no_grad():
                guidance(self.model, *few)

    def run(self, advance: Advance | None, stop: Callable[[], bool] | None) -> bool:
        """Train to the end; False if asked to stop before."""
        resumed = self.run_folder.checkpoint.is_file()
        if resumed:
            self.progress = read_progress(self.run_folder.checkpoint)
        with Tracker(self.run_folder, self.progress.lines, tensorboard=self.settings.tensorboard) as tracker:
            while self.progress.stage < len(self.stages):
                name, stage = self.stages[self.progress.stage]
                with only_training(self.model, stage.trains):
                    self._begin(name, stage, resumed=resumed)
                    resumed = False
                    if not self._loop(name, stage, tracker, advance, stop):
                        return False
                self._end(name, stage)
        save_weights(self.model, self.run_folder.weights)
        self._status("done", self.progress.step)
        return True

    def _begin(self, name: str, stage: Stage, *, resumed: bool) -> None:
        """Make the parts of a stage, or take them up where the checkpoint left them."""
        self.optim = stage.optim or self.settings.optim
        self.model.zero_grad()  # what is frozen now would keep its last gradient, and clipping would count it
        self.batches = self._train_batches(stage)
        self.guidance = make_guidance(stage.guidance).to(self.device)
        self.optimiser = make_optimiser(self.model, self.optim, self.guidance)
        self.average = make_average(self.model, self.optim)
        if resumed:
            self.progress = load_checkpoint(self.run_folder.checkpoint, self.parts, self.device)
            _log.info("resuming at step %d of %d", self.progress.step, self.steps)
            return
        if name:
            _log.info("stage %s (%d of %d)", name, self.progress.stage + 1, len(self.stages))
        measured = self.guidance.prepare(self.model, map(self._moved, self.batches.at(self.progress.epochs)))
        self._note(name, "calibration", measured)
        if self.progress.stage:
            self._save()

    def _loop(
        self, name: str, stage: Stage, tracker: Tracker, advance: Advance | None, stop: Callable[[], bool] | None
    ) -> bool:
        saved = time.monotonic()
        per_epoch, steps = self.batches.total, self.steps
        end = self.progress.began + stage.epochs * per_epoch
        self._status("running", steps)
        while self.progress.step < end and not self._is_stale(stage):
            epoch, start = divmod(self.progress.step - self.progress.began, per_epoch)
            number = self.progress.epochs + epoch
            where: dict[str, Any] = {"epoch": number + 1} | ({"stage": name} if name else {})
            training_mode(self.model, stage.trains)
            self.guidance.train()
            for batch in self.batches.at(number, start):
                values = self._step(self._moved(batch), end - self.progress.began)
                self.progress.step += 1
                self.progress.lines += 1
                tracker.write(where | {"step": self.progress.step, **values})
                if advance is not None:
                    advance(self.progress.step, steps, _in_words(name, epoch + 1, stage.epochs, values))
                if (self.progress.step - self.progress.began) % per_epoch == 0:
                    break  # the epoch's checkpoint follows its validation
                if stop is not None and stop():
                    self._save()
                    self._status("interrupted", steps)
                    return False
                if time.monotonic() - saved >= self.settings.checkpoint_seconds:
                    self._save()
                    saved = time.monotonic()
            if scores := self._validate(name):
                self.progress.lines += 1
                tracker.write(where | {"step": self.progress.step, **scores})
            _log.info("epoch %d/%d  %s", epoch + 1, stage.epochs, _scores_in_words(scores))
            self._save()
            saved = time.monotonic()
            stopped = self.progress.step < steps and stop is not None and stop()
            self._status("interrupted" if stopped else "running", steps)
            if stopped:
                return False
        return True

    def _end(self, name: str, stage: Stage) -> None:
        """Put the weights that are kept into the model, and go on to the next stage."""
        best = self.run_folder.best_of(name)
        if self.settings.select == "best" and best.is_file():
            load_weights(self.model, best)
        else:
            self.model.load_state_dict(self.evaluated.state_dict())
        if self.data.val is not None:
            self._note(name, "settled", self.guidance.finish(self.model, map(self._moved, self.data.val)))
        done = self.progress.step - self.progress.began
        self.progress.begin_stage(-(-done // self.batches.total))

    def _train_batches(self, stage: Stage) -> Batches:
        size = stage.batch_size or self.settings.data.batch_size
        return replace(self.data.train, batch_size=min(size, len(self.data.train.cohort.cases)))

    def _is_stale(self, stage: Stage) -> bool:
        return stage.patience is not None and self.progress.stale >= stage.patience

    def _moved(self, batch: Batch) -> Batch:
        images, labels, regions = (part.to(self.device) for part in (batch.images, batch.labels, batch.regions))
        return replace(batch, images=images, labels=labels, regions=regions)

    def _step(self, batch: Batch, steps: int) -> dict[str, float]:
        step = self.progress.step - self.progress.began
        rate = learning_rate(self.optim, step, steps, per_epoch=self.batches.total, factor=self.progress.factor)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings.precision == "bfloat16"):
            guided = self.guidance(self.model, batch.images, batch.labels, batch.regions)
        self.optimiser.zero_grad()
        guided.loss.backward()
        norm = clip_gradients([*self.model.parameters(), *self.guidance.parameters()], self.optim)
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

    def _validate(self, name: str) -> dict[str, float]:
        if self.data.val is None:
            return {}
        scores = validate(self.evaluated, self.data.val, self.guidance, self.data.cohort)
        progress = self.progress
        progress.stale, progress.waited = progress.stale + 1, progress.waited + 1
        if scores["val_loss"] < progress.best:
            progress.best, progress.stale, progress.waited = scores["val_loss"], 0, 0
            save_weights(self.evaluated, self.run_folder.best_of(name))
        elif self.optim.schedule == "plateau" and progress.waited >= self.optim.plateau:
            progress.factor, progress.waited = progress.factor / 10, 0
            if (best := self.run_folder.best_of(name)).is_file():
                load_weights(self.model, best)
        return scores

    def _note(self, stage: str, what: str, values: Mapping[str, float]) -> None:
        """Write down what a guidance measured or settled."""
        if values:
            write_json(self.run_folder.path / f"{what}{f'-{stage}' if stage else ''}.json", dict(values))
            _log.info("%s: %s", what, ", ".join(f"{name} = {value:.4g}" for name, value in values.items()))

    def _save(self) -> None:
        save_checkpoint(self.run_folder.checkpoint, self.parts, self.progress, self.device)

    def _status(self, state: str, steps: int) -> None:
        write_json(self.run_folder.path / "status.json", {"state": state, "step": self.progress.step, "steps": steps})


def _in_words(stage: str, epoch: int, epochs: int, values: dict[str, float]) -> str:
    shown = {"loss": values["loss"], **({"outside": values["outside"]} if "outside" in values else {})}
    told = f"{stage}: " if stage else ""
    return f"{told}epoch {epoch}/{epochs}  " + "  ".join(f"{name} {value:.3f}" for name, value in shown.items())


def _scores_in_words(scores: dict[str, float]) -> str:
    names = {"val_loss": "validation loss", "val_macro_f1": "macro-F1", "val_outside": "relevance outside"}
    return "  ".join(f"{label} {scores[name]:.3f}" for name, label in names.items() if name in scores)
