"""The log of a run: one JSON object a line, and TensorBoard where asked for."""

import json
import logging
import math
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from sightline.errors import MissingExtraError
from sightline.runs import RunFolder, write_json, write_text

_log = logging.getLogger(__name__)


class Tracker:
    """Appends to `metrics.jsonl`.

    Args:
        run: whose log it is; None writes nothing.
        keep: lines that are kept from before; what a killed training wrote after its last checkpoint goes.
        tensorboard: also write events.

    Raises:
        MissingExtraError: TensorBoard is asked for and not installed.
    """

    def __init__(self, run: RunFolder | None, keep: int, *, tensorboard: bool) -> None:
        self._events = self._file = None
        if run is None:
            return
        path = run.path / "metrics.jsonl"
        write_text(path, "".join(json.dumps(line) + "\n" for line in run.metrics[:keep]))
        self._events = _tensorboard(run) if tensorboard else None
        self._file = path.open("a", encoding="utf-8")

    def write(self, values: Mapping[str, float | str]) -> None:
        """Append one line, and flush it; what is not finite becomes null."""
        if self._file is None:
            return
        self._file.write(json.dumps({name: _rounded(value) for name, value in values.items()}) + "\n")
        self._file.flush()
        if self._events is not None:
            for name in values.keys() - {"epoch", "step", "stage"}:
                self._events.add_scalar(name, values[name], int(values["step"]))

    def __enter__(self) -> "Tracker":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
        if self._events is not None:
            self._events.close()


def note(run: RunFolder | None, stage: str, what: str, values: Mapping[str, float]) -> None:
    """Write down what a guidance measured or settled; nothing where there is no run to write to, or nothing to say."""
    if values and run is not None:
        write_json(run.path / f"{what}{f'-{stage}' if stage else ''}.json", dict(values))
        _log.info("%s: %s", what, ", ".join(f"{name} = {value:.4g}" for name, value in values.items()))


def _rounded(value: float | str) -> float | str | None:
    if isinstance(value, int | str):
        return value
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _tensorboard(run: RunFolder) -> Any:  # noqa: ANN401 - an optional dependency
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingExtraError("tensorboard=true needs the extra 'track': pip install 'sightline[track]'") from error
    return SummaryWriter(str(run.path / "tensorboard"))  # type: ignore[no-untyped-call, unused-ignore]
