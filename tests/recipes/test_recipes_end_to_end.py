"""Every recipe that comes with the package trains two steps, is evaluated, and is in a report."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sightline.cli.main import main
from sightline.cli.settings import read_settings, recipe_names
from sightline.training import TrainSettings

TRAININGS = [name for name in recipe_names() if not name.endswith("-study")]  # a study has settings of its own
OF_VOLUMES = [name for name in TRAININGS if read_settings(TrainSettings, [name], ["data.cohort=."]).data.volume]
OF_IMAGES = [name for name in TRAININGS if name not in OF_VOLUMES]
# models that cannot see an image of 64 pixels
SIZES = {"inception_resnet_v2": 96}


def tiny(recipe: str, cohort: Path) -> list[str]:
    """Settings that make any recipe tiny: its method stays as it is."""
    settings = read_settings(TrainSettings, [recipe], [f"data.cohort={cohort}"])
    return [f"data.cohort={cohort}", *_tiny(settings)]


def _tiny(settings: TrainSettings) -> Iterator[str]:
    yield f"data.preprocessing.size={SIZES.get(settings.model.name, 64)}"
    yield "data.batch_size=5"  # two steps an epoch of ten images
    yield "model.width=8"  # a multiple of 4 and of 8, as groups of channels and attention heads ask for
    yield "device=cpu"
    yield "epochs=1"
    for name in settings.stages:
        yield f"stages.{name}.epochs=1"
        yield f"stages.{name}.batch_size=5"
    if getattr(settings.guidance, "warm_up", 0):
        yield "guidance.warm_up=1"  # the second step is guided


@pytest.mark.parametrize("recipe", OF_IMAGES)
def test_a_recipe_trains_is_evaluated_and_reported(
    recipe: str, classes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main(["train", "-q", "-c", recipe, "--out", str(run), *tiny(recipe, classes)]) == 0
    steps = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    stages = read_settings(TrainSettings, [recipe], tiny(recipe, classes)).all_stages
    assert sum("gradient_norm" in step for step in steps) == 2 * len(stages)
    assert sum("val_loss" in step for step in steps) == len(stages)

    assert main(["evaluate", "-q", str(run), "--split", "test", "--bias", "on", "--keep", "2"]) == 0
    scores = json.loads((run / "evaluation" / "test" / "metrics.json").read_text())
    assert scores

    assert main(["report", "-q", str(run)]) == 0
    page = (run / "report.html").read_text()
    assert "<html" in page
    assert page.count("data:image/png") >= 2
    assert "error" not in capsys.readouterr().err


def test_a_network_that_draws_the_gaze_is_measured_by_it(classes: Path, tmp_path: Path) -> None:
    settings = [*tiny("mt-unet", classes), "data.preprocessing.regions=gaze"]
    run = tmp_path / "run"
    assert main(["train", "-q", "-c", "mt-unet", "--out", str(run), *settings]) == 0
    assert main(["evaluate", "-q", str(run), "--split", "test", "--bias", "on"]) == 0
    folder = run / "evaluation" / "test"
    measures = json.loads((folder / "saliency.json").read_text())["metrics"]
    assert {"kl", "cc", "hs"} <= set(measures)
    assert len((folder / "saliency.csv").read_text().splitlines()) == 1 + 4  # a line a test image


def tiny_volumes(recipe: str, cohort: Path) -> list[str]:
    """Settings that make any recipe of volumes tiny: its method stays as it is."""
    size, padding = "[24, 48, 48]", "padding: 1"
    trunk = "" if recipe == "conv3d" else ", trunk_stages: 3"
    return [
        *(f"data.cohort={cohort}", f"data.volume.shape={size}", "data.volume.grid=[8, 3, 3]", "data.batch_size=5"),
        *(f"model.options={{size: {size}, {padding}{trunk}}}", "model.width=8", "device=cpu", "epochs=1"),
    ]


@pytest.mark.parametrize("recipe", OF_VOLUMES)
def test_a_recipe_of_volumes_trains_is_evaluated_and_reported(
    recipe: str, volumes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main(["train", "-q", "-c", recipe, "--out", str(run), *tiny_volumes(recipe, volumes)]) == 0
    steps = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert sum("gradient_norm" in step for step in steps) == 2
    assert sum("val_loss" in step for step in steps) == 1

    assert main(["evaluate", "-q", str(run), "--split", "test", "--bias", "on", "--keep", "2"]) == 0
    folder = run / "evaluation" / "test"
    assert json.loads((folder / "metrics.json").read_text())
    measured = json.loads((folder / "organ_iou.json").read_text())
    assert measured["pairs"] > 0
    assert 0 <= measured["scores"]["overall"]["value"] <= 1

    assert main(["report", "-q", str(run)]) == 0
    assert "<html" in (run / "report.html").read_text()
    assert "error" not in capsys.readouterr().err
