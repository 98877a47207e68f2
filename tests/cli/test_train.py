import json
import os
import signal
from pathlib import Path

import pytest
import yaml

from sightline.cli import train as verb
from sightline.cli.main import main
from sightline.cli.settings import read_settings
from sightline.runs import RunFolder
from sightline.training import TrainSettings


def words_of(demo: Path, out: Path) -> list[str]:
    settings = [f"data.cohort={demo / 'cohort'}", "epochs=2", "data.batch_size=8", "data.preprocessing.size=32"]
    return ["train", "-c", "plain", "--out", str(out), *settings, "--model.name", "resnet18", "--model.width=4"]


def test_what_is_printed_is_what_runs(demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = words_of(demo, tmp_path / "run")
    assert main([*words, "--print-config"]) == 0
    printed = tmp_path / "printed.yaml"
    printed.write_text(capsys.readouterr().out)
    assert not (tmp_path / "run").exists()
    assert main(["train", "-q", "-c", str(printed), "--out", str(tmp_path / "run"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "done"
    run = RunFolder.open(tmp_path / "run")
    assert run.config == yaml.safe_load(printed.read_text())
    settings = read_settings(TrainSettings, [str(run.path / "config.yaml")])
    assert settings == read_settings(TrainSettings, [str(printed)])

    assert main(["train", "-c", str(printed), "--out", str(run.path)]) == 2
    assert "exists already; choose another name, or continue it with --resume" in capsys.readouterr().err
    assert main(["train", "--resume", "--out", str(run.path)]) == 0
    assert capsys.readouterr().out.startswith(f"{run.path}: done; next: sightline evaluate")


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 75)])
def test_a_signal_finishes_the_step_and_saves(
    name: str,
    code: int,
    demo: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    steps = []

    def after_step(done: int, total: int | None, words: str = "") -> None:
        steps.append(done)
        if done == 1:
            os.kill(os.getpid(), getattr(signal, name))

    class Progress:
        def __enter__(self) -> object:
            return lambda _: after_step

        def __exit__(self, *_: object) -> None:
            pass

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(verb, "progress", Progress)
    assert main(words_of(demo, tmp_path / "run")) == code
    assert "stopped at step 1 of 4" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) is before
    run = RunFolder.open(tmp_path / "run")
    assert run.status["state"] == "interrupted"
    assert not run.weights.exists()
    assert main(["evaluate", str(run.path)]) == 2
    assert "has no final weights (it is interrupted)" in capsys.readouterr().err
    monkeypatch.undo()
    assert main([*words_of(demo, tmp_path / "run"), "--resume"]) == 0
    assert RunFolder.open(tmp_path / "run").status["state"] == "done"


def test_a_run_that_fails_is_exit_code_1(demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = words_of(demo, tmp_path / "run")
    assert (
        main([*words, "optim.lr=1e30", "optim.warmup=0", "optim.name=sgd", "optim.clip_norm=null", "leave_out=0"]) == 1
    )
    assert "error: the loss is no longer finite at step" in capsys.readouterr().err
