import json
from pathlib import Path

import numpy as np
import pytest

from sightline.cli.main import main
from sightline.data import Case, Cohort
from sightline.data.phantoms.cohort import write_png
from sightline.data.table import write_cohort

SPLITS = ("train", "val", "test")
QUICK = ["data.preprocessing.size=64", "width=4", "convolutional.epochs=1", "transformer.epochs=1"]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise, every other image with a bright square, which is outlined."""
    folder, rng = tmp_path_factory.mktemp("study") / "cohort", np.random.default_rng(0)
    cases = []
    for n in range(18):
        pixels, mask = rng.integers(0, 100, (64, 64), dtype=np.uint8), np.zeros((64, 64), np.uint8)
        mask[8:24, 8 + n : 30 + n] = 255 * (n % 2)
        image, outline = folder / "images" / f"{n}.png", folder / "masks" / f"{n}.png"
        write_png(image, pixels + (mask // 2))
        write_png(outline, mask)
        masks = {"square": outline} if n % 2 else {}
        cases.append(Case(str(n), image, n % 2, str(n), split=SPLITS[n // 2 % 3], class_masks=masks))
    write_cohort(Cohort(folder, "binary", ("none", "square"), tuple(cases), (0.0, 255.0)), folder)
    return folder


def test_one_command_trains_measures_and_tells(
    cohort: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("skimage")  # the recipe equalises locally
    words = ["study", "grad-cam", "-q", f"data.cohort={cohort}", "models=[resnet18, vit_tiny]", *QUICK]
    assert main([*words, "--out", str(tmp_path / "s")]) == 0
    told = capsys.readouterr().out
    assert [line.split()[0] for line in told.splitlines()[1:3]] == ["resnet18", "vit_tiny"]
    assert "one-way ANOVA p = " in told
    assert f"{tmp_path / 's' / 'study.csv'}, study.json, study.png" in told
    there = {path.name for path in (tmp_path / "s").iterdir()}
    assert there == {"resnet18", "vit_tiny", "study.csv", "study.json", "study.png"}
    assert main([*words, "--out", str(tmp_path / "s"), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert again == json.loads((tmp_path / "s" / "study.json").read_text())
    assert again["positive"] == "square"
    assert again["models"]["resnet18"]["diff_grad_cam"]["n"] <= 3


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Noise with a bright square, a bright bar, or both, each outlined."""
    folder, rng = tmp_path_factory.mktemp("voc") / "cohort", np.random.default_rng(0)
    places = {"square": (slice(8, 32), slice(8, 32)), "bar": (slice(48, 56), slice(4, 60))}
    cases = []
    for n in range(12):
        pixels, masks = rng.integers(0, 100, (64, 64), dtype=np.uint8), {}
        for bit, (name, place) in enumerate(places.items(), start=1):
            if (n % 3 + 1) & bit:
                mask = np.zeros((64, 64), np.uint8)
                mask[place] = 255
                masks[name] = folder / "masks" / name / f"{n}.png"
                write_png(masks[name], mask)
                pixels[place] += 120
        write_png(folder / "images" / f"{n}.png", pixels)
        label = tuple(float(name in masks) for name in places)
        split = ("train", "val")[n // 3 % 2]
        cases.append(Case(str(n), folder / "images" / f"{n}.png", label, str(n), split=split, class_masks=masks))
    write_cohort(Cohort(folder, "multilabel", tuple(places), tuple(cases), (0.0, 255.0)), folder)
    return folder


def test_two_maps_are_compared_with_outlines_by_one_command(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny = ["data.preprocessing.size=64", "model.name=vgg11", "model.width=8", "epochs=1", "resampling.resamples=50"]
    words = ["study", "voc-cams", "-q", f"data.cohort={photos}", *tiny, "--out", str(tmp_path / "s")]
    assert main(words) == 0
    told = capsys.readouterr().out.splitlines()
    columns = "labels images pairs HiResCAM IoU Grad-CAM IoU difference p (t) p (Wilcoxon)"
    assert told[0].split() == columns.split()
    assert [line.split()[:3] for line in told[1:4]] == [["all", "6", "8"], ["1", "4", "4"], ["2", "2", "4"]]
    assert told[-1] == f"{tmp_path / 's' / 'study.csv'}, study.json, study.png"
    assert {path.name for path in (tmp_path / "s").iterdir()} == {"classifier", "study.csv", "study.json", "study.png"}
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "s" / "study.json").read_text())


def test_settings_start_from_the_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["study", "grad-cam", "data.cohort=c", "weights.vgg16=w.pth", "transformer.epochs=7", "--print-config"]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "  epochs: 7\n" in told
    assert "  epochs: 50\n" in told
    assert "weights:\n  vgg16: w.pth\n" in told


@pytest.mark.parametrize(
    ("words", "came"), [([], "nothing"), (["gradcam"], "gradcam"), (["grad-cam", "b"], "grad-cam b")]
)
def test_the_study_must_be_named(words: list[str], came: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", *words, "data.cohort=c"]) == 2
    assert f"name the study, grad-cam, voc-cams; got {came}" in capsys.readouterr().err


def test_a_wrong_setting_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "grad-cam", "data.cohort=c", "models=[vgg16, vgg17]"]) == 2
    assert "models must be of" in capsys.readouterr().err.replace("models: must", "models must")
