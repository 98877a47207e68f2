import builtins
from pathlib import Path
from typing import Any

import pytest

from sightline.errors import MissingExtraError
from sightline.runs import RunFolder
from sightline.training.tracking import Tracker


def test_lines_are_appended_at_once_and_rounded(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    with Tracker(run, 0, tensorboard=False) as tracker:
        tracker.write({"step": 12345678, "loss": 0.123456789, "outside": float("nan")})
        assert run.metrics == [{"step": 12345678, "loss": 0.123457, "outside": None}]
        tracker.write({"step": 2})
    assert [line["step"] for line in run.metrics] == [12345678, 2]


def test_what_came_after_the_checkpoint_goes(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "loss": 0.5}\n{"step": 2}\n{"step": 3}\n{"ste', encoding="utf-8")
    with Tracker(RunFolder(tmp_path), 2, tensorboard=False) as tracker:
        tracker.write({"step": 3})
    assert path.read_text(encoding="utf-8") == '{"step": 1, "loss": 0.5}\n{"step": 2}\n{"step": 3}\n'


def test_tensorboard_that_is_not_installed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = builtins.__import__

    def refuse(name: str, *arguments: Any, **keywords: Any) -> Any:
        if "tensorboard" in name:
            raise ImportError(name)
        return load(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingExtraError, match=r"pip install 'sightline\[track\]'"):
        Tracker(RunFolder(tmp_path), 0, tensorboard=True)
