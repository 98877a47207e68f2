"""The log of a run: one JSON object a line, and TensorBoard where asked for."""

import json
import math
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from sightline.errors import MissingExtraError
from sightline.runs import RunFolder, write_text


class Tracker:
    """Appends to `metrics.jsonl`.

    Args:
        run: whose log it is.
        keep: lines that are kept from before; what a killed training wrote after its last checkpoint goes.
        tensorboard: also write events.

    Raises:
        MissingExtraError: TensorBoard is asked for and not installed.
    """

    def __init__(self, run: RunFolder, keep: int, *, tensorboard: bool) -> None:
        path = run.path / "metrics.jsonl"
        write_text(path, "".join(json.dumps(line) + "\n" for line in run.metrics[:keep]))
        self._events = _tensorboard(run) if tensorboard else None
        self._file = path.open("a", encoding="utf-8")

    def write(self, values: Mapping[str, float | str]) -> None:
        """Append one line, and flush it; what is not finite becomes null."""
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
        self._file.close()
        if self._events is not None:
            self._events.close()


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
