"""A run is a folder: what was asked, what happened, and what came out. Every write is atomic."""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sightline.errors import RunError

_UNFINISHED = ".part"


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path` that replaces it when the block ends well and vanishes when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=_UNFINISHED)
    os.close(handle)
    temporary = Path(name)
    temporary.chmod(0o644)  # mkstemp makes it private
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def is_empty(folder: Path) -> bool:
    """Whether a folder holds nothing, or only what a killed process had not finished to write."""
    return all(file.name.startswith(".") and file.name.endswith(_UNFINISHED) for file in folder.iterdir())


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:  # noqa: ANN401 - any JSON value
    """Write `value` as indented JSON to `path` atomically; NaN and infinity become null."""
    write_text(path, json.dumps(_finite(value), indent=2, ensure_ascii=False) + "\n")


def _finite(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


@dataclass(frozen=True)
class RunFolder:
    """Names of the files in a run folder, and the small ones read and written.

    Attributes:
        path: the folder.
    """

    path: Path

    @classmethod
    def create(cls, path: Path) -> "RunFolder":
        """Make a new run folder.

        Raises:
            RunError: `path` exists and holds something.
        """
        cls.check_free(path)
        path.mkdir(parents=True, exist_ok=True)
        return cls(path)

    @staticmethod
    def check_free(path: Path) -> None:
        """Check that a new run folder could be made.

        Raises:
            RunError: `path` exists and holds something.
        """
        if path.exists() and not (path.is_dir() and is_empty(path)):
            raise RunError(f"run folder {path} exists already; choose another name, or continue it with --resume")

    @classmethod
    def open(cls, path: Path) -> "RunFolder":
        """Open an existing run folder.

        Raises:
            RunError: `path` is not a folder with a `config.yaml`.
        """
        if not (path / "config.yaml").is_file():
            raise RunError(f"{path} is not a run folder: it has no config.yaml")
        return cls(path)

    @property
    def config(self) -> dict[str, Any]:
        """The resolved settings, as `config.yaml` holds them."""
        with self._damage_told("config.yaml"):
            value: dict[str, Any] = yaml.safe_load((self.path / "config.yaml").read_text(encoding="utf-8"))
        return value

    @property
    def status(self) -> dict[str, Any]:
        """State (`running`, `done`, `failed`, `interrupted`), step and reason; empty before the first write."""
        file = self.path / "status.json"
        with self._damage_told(file.name):
            value: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        return value

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The lines of `metrics.jsonl`, oldest first; a half-written last line is left out."""
        file = self.path / "metrics.jsonl"
        with self._damage_told(file.name):
            lines = file.read_text(encoding="utf-8").splitlines(keepends=True) if file.is_file() else []
            return [json.loads(line) for line in lines if line.endswith("\n")]

    @contextmanager
    def _damage_told(self, name: str) -> Iterator[None]:
        try:
            yield
        except (ValueError, yaml.YAMLError) as error:  # of JSON and of characters; of YAML
            raise RunError(f"{self.path / name} is damaged ({' '.join(str(error).split())})") from None

    @property
    def weights(self) -> Path:
        """File of the final weights, `model.safetensors`."""
        return self.path / "model.safetensors"

    @property
    def checkpoint(self) -> Path:
        """File with all that a killed training needs to go on, `checkpoints/last.pt`."""
        return self.path / "checkpoints" / "last.pt"

    @property
    def best_weights(self) -> Path:
        """File of the weights that validated best so far, `checkpoints/best.safetensors`."""
        return self.path / "checkpoints" / "best.safetensors"

    def best_of(self, stage: str) -> Path:
        """File of the weights that validated best in a stage, `best_weights` where a training has but one."""
        return self.path / "checkpoints" / f"best-{stage}.safetensors" if stage else self.best_weights

    def evaluation(self, split: str, bias: str = "on") -> Path:
        """Folder of the results on one split, with the known bias of the cohort `on`, `off` or `swapped`."""
        return self.path / "evaluation" / (split if bias == "on" else f"{split}-{bias}")
