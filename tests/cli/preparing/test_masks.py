import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightline.cli.main import main
from sightline.data import read_cohort


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantoms")
    assert main(["prepare", "phantoms", str(folder), "-q", "--size", "32", "--counts", "train=6,val=3"]) == 0
    return folder


@pytest.fixture(scope="module")
def trained(phantoms: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "lungs"
    assert main([*train(phantoms, run), "-q"]) == 0
    return run


def train(cohort: Path, run: Path) -> list[str]:
    numbers = ["--epochs", "1", "--size", "32", "--batch-size", "3", "--device", "cpu"]
    return ["prepare", "masks", "train", str(cohort), "--out", str(run), *numbers]


def test_trained_again_with_resume_it_says_the_same(
    phantoms: Path, trained: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*train(phantoms, trained), "--resume", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["run"] == trained.as_posix()
    assert (said["state"], said["step"], said["images"]) == ("done", 2, 3)
    assert 0 < said["threshold"] < 1
    assert said["iou"] >= said["iou_at_half"]


def test_masks_table_and_sheet_are_written(
    phantoms: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["prepare", "masks", "apply", str(trained), str(phantoms), "--out", str(tmp_path), "--device", "cpu"]
    assert main([*words, "--json", "--sheet", "4"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["images"], said["compared"]["images"]) == (9, 9)
    assert said["sheets"] == [(tmp_path / "masks.png").as_posix()]
    assert {case.about["mask_source"] for case in read_cohort(tmp_path).cases} == {"given"}
    masks = sorted((tmp_path / "masks").glob("*.png"))
    assert len(masks) == 9
    assert np.asarray(Image.open(masks[0])).shape == (32, 32)
    assert set(said["review"]) <= {case.id for case in read_cohort(phantoms).cases}
    assert main([*words, "-q"]) == 0
    assert capsys.readouterr().out.startswith(f"{tmp_path}: 9 masks, {len(said['review'])} to be looked at")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["train", "{phantoms}", "--out", "{trained}"], "exists already; choose another name"),
        (["train", "{phantoms}"], "the following arguments are required: --out"),
        (["train", "{tmp}/none", "--out", "{tmp}/run"], "no cohort at"),
        (["train", "{phantoms}", "--out", "{tmp}/run", "--recipe", "best"], "invalid choice: 'best'"),
        (["train", "{phantoms}", "--out", "{tmp}/run", "--epochs", "0"], "epochs and batch_size must be at least 1"),
        (["train", "{phantoms}", "--out", "{tmp}/run", "--size", "8"], "size must be at least 2 ** depth = 16, got 8"),
        (["train", "{phantoms}", "--out", "{tmp}/run", "--device", "abacus"], "device must be auto, cpu"),
        (
            ["train", "{phantoms}", "--out", "{tmp}/run", "--epoch", "3"],
            "unknown option --epoch",
        ),
        (["apply", "{phantoms}", "{phantoms}", "--out", "{tmp}/out"], "is not a run folder"),
        (["apply", "{trained}", "{tmp}/none", "--out", "{tmp}/out"], "no cohort at"),
        (
            ["apply", "{trained}", "{phantoms}", "--out", "{tmp}/out", "--sheet", "0"],
            "--sheet must be at least 1, got 0",
        ),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_code_2(
    words: list[str], says: str, phantoms: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filled = [word.format(phantoms=phantoms, trained=trained, tmp=tmp_path) for word in words]
    assert main(["prepare", "masks", *filled]) == 2
    error = capsys.readouterr().err
    assert error.count("error: ") == 1
    assert says in error
    assert not list(tmp_path.iterdir())


def test_a_training_that_went_wrong_is_exit_code_1(
    phantoms: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sightline.segmenting.loop.learning_rate", lambda *_, **__: float("nan"))
    words = train(phantoms, tmp_path / "run")
    assert main([*words, "-q"]) == 1
    assert "the loss is no longer finite at step 2" in capsys.readouterr().err


@pytest.mark.parametrize("step", [[], ["train"], ["apply"]])
def test_help_needs_no_torch(step: list[str]) -> None:
    code = f"from sightline.cli.main import main; main(['prepare', 'masks', *{step}, '--help'])"
    check = f"{code}\nimport sys\nassert not {{'torch', 'matplotlib', 'numpy'}} & sys.modules.keys()"
    done = subprocess.run([sys.executable, "-c", check], check=True, capture_output=True, text=True)
    assert done.stdout.startswith("usage: sightline prepare masks")
