"""The training loop, from top to bottom."""

import logging
import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from sightline.attribution.explainer import evaluation_mode
from sightline.data import Batches, check_cohort, raise_on_problems
from sightline.errors import RunError
from sightline.guidance import make_guidance
from sightline.guidance.sharing import Share, sharing
from sightline.models import build_model, load_weights, save_weights
from sightline.runs import RunFolder, write_json
from sightline.training.beginning import begin_run, note_failure, to_resume
from sightline.training.checkpoint import Progress, load_checkpoint, random_state, read_progress, save_checkpoint
from sightline.training.compiling import compile_passes
from sightline.training.data import Data, lay_channels_last, moved, prepare_data, stage_batches
from sightline.training.environment import find_device
from sightline.training.not_finite import NOT_AGAIN, buffers_of, put_back, where_not_finite
from sightline.training.optimisation import clip_gradients, learning_rate, make_average, make_optimiser
from sightline.training.precision import make_scaler
from sightline.training.processes import Processes, is_lost
from sightline.training.reproducible import reproducible
from sightline.training.settings import TrainSettings
from sightline.training.sharding import check_shardable, emptied, load_state, shard, whole, whole_state
from sightline.training.stages import Stage, only_training, training_mode
from sightline.training.step import Gradients
from sightline.training.tracking import Tracker, note
from sightline.training.validation import validate
from sightline.training.words import scores_in_words, step_in_words
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
    processes: Processes | None = None,
) -> RunFolder:
    """Train a classifier into a run folder.

    On one machine the same settings give the same weights, also when the training was killed in between and resumed
    (up to the last digits with `compile`, where torch may then compile in another order).
    The number of processes is none of the settings: `Gradients` says what it changes.

    Args:
        settings: what to do.
        folder: of the run; new, or with `resume` one that was begun with these settings.
        resume: go on from the last checkpoint; a finished run is returned as it is.
        advance: told after each step how many are done, how many there are, and the latest values in words.
        stop: asked after each step; True, in any process, saves a checkpoint and returns with the status `interrupted`.
        processes: that train together, each by this call, on a folder that all of them see; see `joined`.

    Returns:
        The run, with `status` `done` or `interrupted`.

    Raises:
        DataError: the cohort cannot be used; nothing has been written then.
        SettingsError: the model or the device is not there, the guidance cannot guide this model, or the batches cannot
            be shared; nothing has been written then.
        RunError: the folder is taken, holds other settings, or the loss is not finite more than `leave_out` times in a
            row.
    """
    processes = processes or Processes()
    run = processes.together(
        lambda: to_resume(settings, folder) if resume else RunFolder.check_free(folder), first_only=True
    )
    if run is not None and run.status.get("state") == "done":
        return run
    data, device = processes.together(lambda: (prepare_data(settings), find_device(settings.device, processes)))
    if run is None:
        processes.together(lambda: raise_on_problems(check_cohort(data.cohort, pixels=True)), first_only=True)
    with reproducible(settings.seed, device, processes.rank):
        training = processes.together(lambda: _Training(settings, RunFolder(folder), data, device, processes))
        if run is None:
            processes.together(training.try_out)
            # not before the model could be built, and guided
            run = processes.together(lambda: begin_run(settings, folder, processes), first_only=True)
        try:
            finished = training.run(advance, stop)
        except BaseException as error:
            if not (processes.several and is_lost(error)):
                note_failure(run, error)
            raise
    if processes.first:
        _log.info("run %s: %s", run.path.name, "done" if finished else "interrupted; continue it with --resume")
    return run


class _Training:
    """One training under way: the parts that change, and the loop over them."""

    def __init__(
        self, settings: TrainSettings, run: RunFolder, data: Data, device: torch.device, processes: Processes
    ) -> None:
        self.settings, self.run_folder, self.data, self.device = settings, run, data, device
        self.processes, self.log = processes, run if processes.first else None
        model = build_model(settings.model, num_classes=data.cohort.num_classes, seed=settings.seed)
        self.model = model.to(self.device)
        if settings.channels_last:
            lay_channels_last(self.model)
        if settings.compile:
            compile_passes(self.model, self.device)
        self.stages = list(settings.all_stages.items())
        self.progress = Progress()
        for _, stage in self.stages:
            self._batches(stage)  # which are large enough

    @property
    def evaluated(self) -> nn.Module:
        """The weights that are validated and kept: the running average where there is one."""
        return self.model if self.average is None else self.average.module

    @property
    def parts(self) -> dict[str, Any]:
        """All that a checkpoint holds."""
        parts = {"model": self.model, "guidance": self.guidance, "optimiser": self.optimiser}
        parts |= {"scaler": self.scaler} if self.scaler.is_enabled() else {}
        return parts if self.average is None else parts | {"average": self.average}

    @property
    def steps(self) -> int:
        """Steps in all: those done before this stage, its own, and those of the stages to come."""
        to_come = (stage.epochs * self._batches(stage).total for _, stage in self.stages[self.progress.stage :])
        return self.progress.began + sum(to_come)

    def try_out(self) -> None:
        """Guide two images in each stage, as in validation: what does not fit is found before anything is written."""
        batch = moved(next(iter(self.data.train)), self.device)
        few = (batch.images[:2], batch.labels[:2], batch.regions[:2])
        for _, stage in self.stages:
            guidance = make_guidance(stage.guidance).to(self.device)
            if self.processes.share_weights:
                check_shardable(self.model, guidance)
            with only_training(self.model, stage.trains), evaluation_mode(self.model, guidance), torch.no_grad():
                guidance(self.model, *few)

    def run(self, advance: Advance | None, stop: Callable[[], bool] | None) -> bool:
        """Train to the end; False if asked to stop before."""
        resumed = self.run_folder.checkpoint.is_file()
        if resumed:
            self.progress = read_progress(self.run_folder.checkpoint)
        with Tracker(self.log, self.progress.lines, tensorboard=self.settings.tensorboard) as tracker:
            while self.progress.stage < len(self.stages):
                name, stage = self.stages[self.progress.stage]
                self.empty = emptied(self.model) if self.processes.share_weights else None
                with only_training(self.model, stage.trains):
                    self._begin(name, stage, resumed=resumed)
                    resumed = False
                    if not self._loop(name, stage, tracker, advance, stop):
                        return False
                self._end(name, stage)
        if self.processes.first:
            save_weights(self.model, self.run_folder.weights)
        self._status("done", self.progress.step)
        self.processes.everyone(None)  # none says that it is done before the weights are there
        return True

    def _begin(self, name: str, stage: Stage, *, resumed: bool) -> None:
        """Make the parts of a stage, or take them up where the checkpoint left them."""
        s = self.settings
        self.optim = stage.optim or s.optim
        self.model.zero_grad()  # what is frozen now would keep its last gradient, and clipping would count it
        self.batches = self._batches(stage)
        self.guidance = make_guidance(stage.guidance).to(self.device)
        self.average = make_average(self.model, self.optim)
        if self.average is not None and self.processes.share_weights:
            shard(self.average, self.device, self.processes)
        self.scaler = make_scaler(self.device.type, s.precision)
        self.gradients = Gradients(
            self.model, self.guidance, self.processes, s.precision, s.sync_batch_norm, self.scaler
        )
        self.optimiser = make_optimiser(self.model, self.optim, self.guidance)  # of what each process keeps
        if resumed:
            file, rank = self.run_folder.checkpoint, self.processes.rank
            self.progress = load_checkpoint(file, self.parts, self.device, seed=s.seed, rank=rank)
            _log.info("resuming at step %d of %d", self.progress.step, self.steps)
            return
        if name:
            _log.info("stage %s (%d of %d)", name, self.progress.stage + 1, len(self.stages))
        everyone = self.processes.everyone if self.processes.several else None
        with sharing(everyone and Share(0, self.batches.batch_size, everyone)), self._whole():
            measured = self.guidance.prepare(self.model, map(self._moved, self.batches.at(self.progress.epochs)))
        note(self.log, name, "calibration", measured)
        if self.progress.stage:
            self._save()

    def _loop(
        self, name: str, stage: Stage, tracker: Tracker, advance: Advance | None, stop: Callable[[], bool] | None
    ) -> bool:
        saved = time.monotonic()
        per_epoch, steps = self.batches.total, self.steps
        end = self.progress.began + stage.epochs * per_epoch
        self._status("running", steps)
        patience = math.inf if stage.patience is None else stage.patience
        while self.progress.step < end and self.progress.stale < patience:
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
                    advance(self.progress.step, steps, step_in_words(name, epoch + 1, stage.epochs, values))
                if (self.progress.step - self.progress.began) % per_epoch == 0:
                    break  # the epoch's checkpoint follows its validation
                stopped, due = self._asked(stop, time.monotonic() - saved >= self.settings.checkpoint_seconds)
                if stopped:
                    self._save()
                    self._status("interrupted", steps)
                    return False
                if due:
                    self._save()
                    saved = time.monotonic()
            if scores := self._validate(name):
                self.progress.lines += 1
                tracker.write(where | {"step": self.progress.step, **scores})
            _log.info("epoch %d/%d  %s", epoch + 1, stage.epochs, scores_in_words(scores))
            self._save()
            saved = time.monotonic()
            stopped = self.progress.step < steps and self._asked(stop)[0]
            self._status("interrupted" if stopped else "running", steps)
            if stopped:
                return False
        return True

    def _end(self, name: str, stage: Stage) -> None:
        """Put the weights that are kept into the model, and go on to the next stage."""
        best = self.run_folder.best_of(name)
        self.processes.alike(self.model, self.evaluated)
        kept = whole_state(self.evaluated)
        if self.empty is not None:  # the shared-out one stays behind
            self.empty.load_state_dict(dict(kept), assign=True)  # which torch would note beside `kept`
            self.model = self.empty.to(self.device)
        if self.settings.select == "best" and best.is_file():
            load_weights(self.model, best)
        else:
            self.model.load_state_dict(kept)
        if self.data.val is not None:
            with self._whole():
                note(self.log, name, "settled", self.guidance.finish(self.model, map(self._moved, self.data.val)))
            self.processes.alike(self.model)
        done = self.progress.step - self.progress.began
        self.progress.begin_stage(-(-done // self.batches.total))

    def _whole(self) -> AbstractContextManager[None]:
        """Have all weights here until the block ends."""
        return whole(self.gradients.step, *([] if self.average is None else [self.average]))

    def _asked(self, stop: Callable[[], bool] | None, due: bool = False) -> tuple[bool, bool]:
        """Whether any process was asked to stop, and whether it is time for a checkpoint by the first one's clock."""
        told = self.processes.everyone((stop is not None and stop(), due))
        return any(stopped for stopped, _ in told), told[0][1]

    def _batches(self, stage: Stage) -> Batches:
        return stage_batches(self.data, self.settings, stage, self.processes)

    def _moved(self, batch: Batch) -> Batch:
        return moved(batch, self.device, channels_last=self.settings.channels_last)

    def _step(self, batch: Batch, steps: int) -> dict[str, float]:
        step = self.progress.step - self.progress.began
        rate = learning_rate(self.optim, step, steps, per_epoch=self.batches.total, factor=self.progress.factor)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad()
        before = buffers_of(self.model, self.guidance)
        own = self.gradients(batch, self.batches.shares(self.batches.batch_size))
        self.scaler.unscale_(self.optimiser)
        norm = clip_gradients([*self.model.parameters(), *self.guidance.parameters()], self.optim)
        told = {**self.processes.mean(own), "gradient_norm": float(norm), "lr": rate}
        here = math.isfinite(own["loss"]) and math.isfinite(norm)
        scale = self.scaler.get_scale()
        told |= {"loss_scale": scale} if self.scaler.is_enabled() else {}
        if not self.processes.all(here):
            put_back(before, self.model, self.guidance)
            self.optimiser.zero_grad()
            self.scaler.update()
            if scale <= 1 or not self.processes.all(math.isfinite(own["loss"])):  # else the scale alone was too large
                self._leave_out(batch, told, here)
            return told | {"left_out": 1.0}
        self.progress.left_out = 0
        self.scaler.step(self.optimiser)
        self.scaler.update()
        if self.average is not None:
            self.average.update_parameters(self.model)
        return told

    def _leave_out(self, batch: Batch, told: dict[str, float], here: bool) -> None:
        """Say why a step's loss or gradient is not finite; fail after too many in a row."""
        with self._whole():
            own = "" if here else where_not_finite(self.model, self.guidance, batch, self.settings.precision)
        why = max(self.processes.everyone(own), key=lambda reason: bool(reason) + (reason != NOT_AGAIN))
        step = f"step {self.progress.step + 1}"
        what = f"(loss {told['loss']:.3g}, gradient norm {told['gradient_norm']:.3g}): {why}"
        self.progress.left_out += 1
        if self.progress.left_out > self.settings.leave_out:
            raise RunError(f"the loss is no longer finite at {step} {what}; lower optim.lr")
        if self.processes.first:
            _log.warning("%s is left out, for its loss or gradient is not finite %s", step, what)

    def _validate(self, name: str) -> dict[str, float]:
        if self.data.val is None:
            return {}
        self.processes.alike(self.model, self.evaluated)
        own = replace(self.data.val, start=self.processes.rank, stride=self.processes.count)
        with self._whole():
            scores = validate(self.evaluated, own, self.guidance, self.data.cohort, self.processes)
        progress = self.progress
        if progress.improves(scores["val_loss"]):
            kept = whole_state(self.evaluated)
            if self.processes.first:
                save_weights(kept, self.run_folder.best_of(name))
            self.processes.everyone(None)  # the others may read them
        elif self.optim.schedule == "plateau" and progress.waited >= self.optim.plateau:
            progress.factor, progress.waited = progress.factor / 10, 0
            if (best := self.run_folder.best_of(name)).is_file():
                load_state(self.model, self.model.state_dict() | load_file(best, device=str(self.device)))
        return scores

    def _save(self) -> None:
        self.processes.alike(self.model, self.evaluated)
        others = self.processes.everyone(random_state(self.device))[1:]
        states = {name: whole_state(part) for name, part in self.parts.items()}
        if self.processes.first:
            save_checkpoint(self.run_folder.checkpoint, states, self.progress, self.device, others)

    def _status(self, state: str, steps: int) -> None:
        if self.processes.first:
            write_json(
                self.run_folder.path / "status.json", {"state": state, "step": self.progress.step, "steps": steps}
            )
