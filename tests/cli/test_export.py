import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightline.cli.main import main
from sightline.cli.settings import read_settings, to_yaml
from sightline.data import Case, Cohort, write_cohort
from sightline.models import build_model, open_classifier, save_weights
from sightline.runs import RunFolder, write_text
from sightline.training import TrainSettings


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was trained, so to speak: four little images, a network of eleven layers, its weights."""
    films = tmp_path_factory.mktemp("films")
    cases = []
    for index in range(4):
        pixels = np.random.default_rng(index).integers(0, 256, (40, 40), dtype=np.uint8)
        Image.fromarray(pixels).save(films / f"{index}.png")
        cases.append(Case(f"{index}", films / f"{index}.png", index % 2, f"p{index}", split="test"))
    write_cohort(Cohort(films, "binary", ("clear", "opaque"), tuple(cases), (0.0, 255.0)), films)
    words = [f"data.cohort={films}", "name=little", "model.name=vgg11", "model.width=4", "device=cpu"]
    settings = read_settings(TrainSettings, ["plain"], [*words, "data.preprocessing.size=32"])
    folder = RunFolder.create(tmp_path_factory.mktemp("runs") / "little")
    write_text(folder.path / "config.yaml", to_yaml(settings))
    save_weights(build_model(settings.model, num_classes=2, seed=0), folder.weights)
    return folder.path


def test_three_formats_of_a_run(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["export", str(run), "-q", "--out", str(tmp_path), "--json"]
    assert main([*words, "--format", "safetensors", "monai", "huggingface"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [each["format"] for each in told] == ["safetensors", "monai", "huggingface"]
    assert all(each["agreement"]["logits"] <= 1e-5 for each in told)
    assert told[0]["agreement"]["images"] == 5, "three at random, two of the cohort"
    opened = open_classifier(tmp_path / "safetensors")
    assert (opened.name, opened.classes, opened.shape) == ("little", ("clear", "opaque"), (3, 32, 32))
    card = (tmp_path / "huggingface" / "README.md").read_text()
    assert "# Model card: little" in card
    assert "not evaluated" in card


def test_by_default_weights_go_into_the_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(run), "-q"]) == 0
    folder = run / "export" / "safetensors"
    told = capsys.readouterr().out
    assert told.splitlines()[0].split() == ["format", "MiB", "images", "at", "a", "time", "logits", "differ", "by"]
    assert told.splitlines()[-1] == str(folder)
    assert {file.name for file in folder.iterdir()} == {"model.json", "model.safetensors"}
    assert main(["export", str(run), "-q"]) == 2
    assert "exists already; replace it with --again" in capsys.readouterr().err
    assert main(["export", str(run), "-q", "--again"]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--format", "tflite"], "unknown format 'tflite'; the formats are safetensors, torch, onnx, monai"),
        (["--target", "opaque"], "--target, --layer and --set are about maps; name a method with --maps"),
        (["--maps", "lrpp"], "unknown method 'lrpp'. Did you mean lrp?"),
        (["--maps", "lrp", "--target", "grey"], "--target grey: no such class"),
        (["--maps", "lrp", "--target", "every"], "--target every: a graph explains the predicted class, or one"),
        (["--maps", "rise"], "rise draws a map by many passes, which is no graph to export"),
        (["--maps", "lrp", "--format", "monai"], "monai holds no maps; those that do are torch and onnx"),
        (["--maps", "all"], "--maps takes one method"),
    ],
)
def test_a_mistake_is_one_line(
    words: list[str], message: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(run), "-q", "--out", str(tmp_path / "out"), *words]) == 2
    told = capsys.readouterr()
    assert told.err.startswith(f"error: {message}")
    assert len(told.err.splitlines()) == 1
    assert told.out == ""
    assert not (tmp_path / "out").exists(), "nothing half-written"


def test_no_run_is_a_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(tmp_path)]) == 2
    assert "is not a run folder: it has no config.yaml" in capsys.readouterr().err
