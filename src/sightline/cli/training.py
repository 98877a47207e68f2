"""Training with a progress bar that can be stopped without losing anything."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from sightline.cli.stopping import RunFailedError, StoppedError
from sightline.cli.talk import Stage
from sightline.errors import RunError
from sightline.runs import RunFolder
from sightline.training import Processes, TrainSettings, train

_INTERRUPTED = 75  # resumable, as SLURM's --requeue takes it
_EXIT_CODES = {"SIGINT": 130, "SIGTERM": _INTERRUPTED, "SIGUSR1": _INTERRUPTED}


def train_in_stages(
    settings: TrainSettings, folder: Path, stage: Stage, *, resume: bool = False, processes: Processes | None = None
) -> RunFolder:
    """Train into a run folder, or continue there.

    The first Ctrl-C, SIGTERM or SIGUSR1 finishes the step and saves; a second one stops at once.

    Args:
        settings: what to train.
        folder: of the run.
        stage: begins the stage of this run.
        resume: continue what is there.
        processes: that train together.

    Raises:
        StoppedError: by a signal; the run can be continued.
        RunFailedError: the training itself went wrong.
        RunError: the folder is taken, or holds a run with other settings.
    """
    with _stop_on_signals() as stopped_by:
        try:
            run = train(
                settings,
                folder,
                resume=resume,
                advance=stage(settings.name) if processes is None or processes.first else None,
                stop=lambda: bool(stopped_by()),
                processes=processes,
            )
        except RunError as error:
            status = RunFolder(folder).status
            if status.get("state") == "failed" and status.get("reason") == str(error).splitlines()[0]:
                raise RunFailedError(str(error)) from error
            raise
    if run.status.get("state") == "interrupted":
        step, steps = run.status.get("step"), run.status.get("steps")
        raise StoppedError(
            f"stopped at step {step} of {steps}, saved in {folder}; the same command continues (train: with --resume)",
            exit_code=_EXIT_CODES.get(stopped_by(), _INTERRUPTED),
        )
    return run


@contextmanager
def _stop_on_signals() -> Iterator[Callable[[], str]]:
    """Yield a function that names the signal that came, empty before one did."""
    came: list[str] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(signal.Signals(number).name)
        if len(came) > 1:
            raise KeyboardInterrupt

    numbers = [getattr(signal, name) for name in _EXIT_CODES if hasattr(signal, name)]
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield lambda: came[0] if came else ""
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
