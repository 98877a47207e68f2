import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import sightline.attribution.lime
from sightline.attribution import LRP, GradCAM, IntegratedGradients, Label, Predicted, upsample_to
from sightline.attribution.methods import find_method, methods
from sightline.cli import method_words
from sightline.cli.main import main
from sightline.cli.opening import open_run
from sightline.comparing import Condition, condition_batches, load_trained
from sightline.data import read_cohort
from sightline.errors import MissingExtraError
from sightline.models import ModelSettings, build_model, save_weights
from sightline.reporting import map_folder
from sightline.reporting.map_folder import MapFolder

Told = dict[str, Any]


@pytest.fixture(autouse=True)
def _small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(map_folder, "SIDE", 64)


@pytest.fixture
def run(demo: Path) -> Path:
    return demo / "isnet"


def explain(capsys: pytest.CaptureFixture[str], *words: object) -> Told:
    """What a command says as JSON."""
    assert main(["explain", "-q", *map(str, words), "--json"]) == 0
    told: Told = json.loads(capsys.readouterr().out)
    return told


def refusal(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """The one line that a command is refused with."""
    assert main(["explain", "-q", *map(str, words)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("error: ")
    assert told.err.count("\n") == 1
    return told.err.removeprefix("error: ").rstrip("\n")


def maps_of(told: Told, method: str) -> list[np.ndarray]:
    """The arrays of a method, case by case."""
    return [np.load(Path(told["folder"]) / case["folder"] / case["maps"][method]["file"]) for case in told["cases"]]


def test_heatmaps_of_chosen_cases_are_drawn(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = explain(capsys, run, "--number", 3, "--bias", "off", "--out", tmp_path)
    assert len(told["cases"]) == 3
    for case in told["cases"]:
        entry = case["maps"]["lrp"]
        picture = np.asarray(Image.open(tmp_path / case["folder"] / entry["pictures"][0]))
        assert picture.shape == (64, 64, 3)
        assert (picture[..., 0] != picture[..., 2]).any(), "there is colour"
        assert sum(case["probabilities"].values()) == pytest.approx(1)
        assert entry["class"] == max(case["probabilities"], key=case["probabilities"].get)
        assert entry["logit"] == max(case["logits"].values())
        assert 0 <= entry["relevance_inside"] <= 1
    assert len({case["label"] for case in told["cases"]}) == 3


def test_maps_are_those_of_the_library(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--method", "lrp", "grad_cam", "integrated_gradients", "--set", "integrated_gradients.steps=3"]
    words += ["--set", "lrp.epsilon=0.1", "--layer", "layer2", "--target", "label", "--maps", "npy"]
    told = explain(capsys, run, "--number", 9, *words, "--out", tmp_path)
    settings, folder = open_run(run)
    cohort = read_cohort(settings.data.cohort)
    model = load_trained(settings, folder, num_classes=cohort.num_classes)
    (first, second) = condition_batches(settings.data, cohort.split("test"), Condition("test"))
    images, labels = torch.cat([first.images, second.images]), torch.cat([first.labels, second.labels])
    row = {case: index for index, case in enumerate(first.cases + second.cases)}
    explainers = {
        "lrp": LRP(epsilon=0.1),
        "grad_cam": GradCAM("layer2"),
        "integrated_gradients": IntegratedGradients(steps=3),
    }
    for method, explainer in explainers.items():
        with torch.no_grad():
            explanation = explainer(model, images, Label(labels))
        expected = upsample_to(explanation.attribution, (32, 32)).sum(1).numpy()
        for case, drawn in zip(told["cases"], maps_of(told, method), strict=True):
            assert drawn.dtype == np.float32
            at = row[case["case"]]
            np.testing.assert_allclose(drawn, expected[at], rtol=1e-4, atol=1e-6 * np.abs(expected[at]).max())
            entry = case["maps"][method]
            assert entry["shape"] == [32, 32]
            assert entry["drawn_at"] == ([4, 4] if method == "grad_cam" else [32, 32])
            assert entry["class"] == case["label"] == cohort.classes[labels[at]]
            assert entry["logit"] == pytest.approx(float(explanation.logits[at, labels[at]]), rel=1e-5)
    assert told["cases"][0]["maps"]["grad_cam"]["options"]["layer"] == "layer2"
    assert told["cases"][0]["maps"]["integrated_gradients"]["options"]["steps"] == 3
    assert len(told["cases"][0]["maps"]["lrp"]["weights_sha256"]) == 64


def test_the_table_says_how_much_lies_inside(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["explain", "-q", str(run), "--out", str(tmp_path), "--cases", "p00024", "--target", "0"]
    assert main([*words, "--method", "lrp", "saliency"]) == 0
    head, row, *_ = capsys.readouterr().out.splitlines()
    assert head.split() == ["case", "explained", "probability", "lrp", "inside", "saliency", "inside"]
    assert row.startswith("p00024")
    assert main([*words, "--method", "lrp", "saliency", "grad_cam", "hirescam", "deconvnet"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == ["case", "explained", "probability", "method", "inside"]
    assert [line.split()[-3] for line in rows[:5]] == ["lrp", "saliency", "grad_cam", "hirescam", "deconvnet"]


def test_every_class_is_drawn_a_few_at_a_time(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--number", 2, "--target", "every", "--maps", "npy", "--method", "lrp", "occlusion"]
    one = explain(capsys, run, *words, "--batch-size", 2, "--out", tmp_path / "one")
    other = explain(capsys, run, *words, "--out", tmp_path / "other", "--sheet")
    classes = list(one["cases"][0]["probabilities"])
    for method in ("lrp", "occlusion"):
        for few, many in zip(maps_of(one, method), maps_of(other, method), strict=True):
            assert few.shape == (len(classes), 32, 32)
            np.testing.assert_allclose(few, many, rtol=1e-3, atol=1e-5 * np.abs(many).max())
        entry = one["cases"][0]["maps"][method]
        assert entry["class"] == classes
        assert entry["logit"] == list(one["cases"][0]["logits"].values())
        folder = tmp_path / "one" / one["cases"][0]["folder"]
        assert all((folder / picture).is_file() for picture in entry["pictures"])
        assert len(set(entry["pictures"])) == len(classes)
    assert "batch_size" not in one["cases"][0]["maps"]["occlusion"]["options"], "it does not change a map"


def test_files_and_folders_are_explained_as_images_of_the_cohort(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings, _ = open_run(run)
    case, other = read_cohort(settings.data.cohort).split("test").cases[:2]
    pixels = np.asarray(Image.open(case.image))
    folder = tmp_path / "images"
    folder.mkdir()
    shutil.copy(case.image, folder / "same.png")
    Image.fromarray(pixels.astype(np.uint16)).save(folder / "deep.tif")  # the cohort's white is 255
    Image.fromarray(pixels).save(folder / "lossy.jpeg", quality=95)
    words = ["--maps", "npy", "--target", 1]
    given = explain(capsys, run, folder, other.image, *words, "--out", tmp_path / "given")
    assert [Path(entry["case"]).name for entry in given["cases"]] == [
        *("deep.tif", "lossy.jpeg", "same.png"),
        other.image.name,
    ]
    assert all(entry["label"] is None for entry in given["cases"])
    deep, lossy, same, second = maps_of(given, "lrp")
    kept = explain(capsys, run, "--cases", case.id, other.id, *words, "--out", tmp_path / "kept")
    expected, expected_second = maps_of(kept, "lrp")
    np.testing.assert_allclose(same, expected, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(second, expected_second, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(deep, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())
    assert np.corrcoef(lossy.ravel(), expected.ravel())[0, 1] > 0.8
    assert given["cases"][0]["maps"]["lrp"]["relevance_inside"] is None


@pytest.fixture
def volumetric(run: Path, tmp_path: Path) -> Path:
    """A run of a model of volumes."""
    folder = tmp_path / "volumetric"
    folder.mkdir()
    text = (run / "config.yaml").read_text().replace("options: {}", "options: {dimensions: 3}")
    (folder / "config.yaml").write_text(text)
    settings, opened = open_run(folder)
    assert settings.model == ModelSettings("resnet18", in_channels=1, width=4, options={"dimensions": 3})
    classes = read_cohort(settings.data.cohort).num_classes
    save_weights(build_model(settings.model, num_classes=classes, seed=0), opened.weights)
    return folder


def test_a_volume_is_explained_by_a_model_of_volumes(
    run: Path, volumetric: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    volume = np.random.default_rng(0).integers(0, 256, (32, 32, 32)).astype(np.uint16)
    np.save(tmp_path / "v.npy", volume)
    np.save(tmp_path / "flat.npy", volume[:, :4])
    told = explain(capsys, volumetric, tmp_path / "v.npy", "--method", "lrp", "grad_cam", "--maps", "npy", "--sheet")
    settings, folder = open_run(volumetric)
    cohort = read_cohort(settings.data.cohort)
    model = load_trained(settings, folder, num_classes=cohort.num_classes)
    images = torch.from_numpy(volume.astype(np.float32) / 255)[None, None]
    expected = LRP()(model, images, Predicted()).attribution[0, 0].detach().numpy()
    (drawn,) = maps_of(told, "lrp")
    np.testing.assert_allclose(drawn, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    assert maps_of(told, "grad_cam")[0].shape == (32, 32, 32)
    assert len(told["sheets"]) == 1
    assert "v.npy: a volume, but the model takes images of 2 axes" in refusal(capsys, run, tmp_path / "v.npy")
    assert "volume must be 32 x 32 x 32, got (32, 4, 32)" in refusal(capsys, volumetric, tmp_path / "flat.npy")
    assert "takes images of 3 axes" in refusal(capsys, volumetric, "--number", 1, "--out", tmp_path / "none")


def test_a_sheet_shows_all_that_was_asked_for(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [run, "--number", 2, "--out", tmp_path, "--sheet", "--method"]
    (sheet,) = explain(capsys, *words, "saliency", "guided_backpropagation")["sheets"]
    narrow = Image.open(sheet)
    assert sheet == (tmp_path / "contact_sheet.png").as_posix()
    (sheet,) = explain(capsys, *words, "saliency", "guided_backpropagation", "grad_cam")["sheets"]
    assert Image.open(sheet).width > narrow.width


def _times(folder: Path) -> dict[str, int]:
    return {file.relative_to(folder).as_posix(): file.stat().st_mtime_ns for file in folder.rglob("*.png")}


def test_the_same_command_continues_where_it_was_stopped(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [run, "--number", 3, "--method", "saliency", "gradient_times_input", "--out", tmp_path, "--maps", "npy"]
    write, left = MapFolder.write, [4]

    def stopped(*arguments: Any) -> None:
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        write(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(MapFolder, "write", stopped)
        assert main(["explain", "-q", *map(str, words)]) == 130
    assert "the same command continues" in capsys.readouterr().err
    before = _times(tmp_path)
    assert len(before) == 3 + 3, "three images and three maps"
    assert not list(tmp_path.rglob(".*"))
    told = explain(capsys, *words)
    assert [list(case["maps"]) for case in told["cases"]] == [["saliency", "gradient_times_input"]] * 3
    after = _times(tmp_path)
    assert len(after) == 9
    assert {name: after[name] for name in before} == before
    explain(capsys, *words)
    assert _times(tmp_path) == after, "nothing is drawn twice"
    explain(capsys, *words, "--batch-size", 2)
    assert _times(tmp_path) == after


def test_maps_with_other_settings_are_refused_unless_again(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [run, "--number", 2, "--out", tmp_path, "--method", "lrp", "saliency"]
    explain(capsys, *words)
    before = _times(tmp_path)
    told = refusal(capsys, *words, "--set", "lrp.epsilon=0.5")
    assert "was drawn with options.epsilon 0.01, not 0.5 (and 1 more); replace with --again" in told
    assert _times(tmp_path) == before
    explain(capsys, *words, "--set", "lrp.epsilon=0.5", "--again")
    after = _times(tmp_path)
    changed = {name for name in after if after[name] != before[name]}
    assert {Path(name).name for name in changed} == {"lrp.png"}
    assert len(changed) == 2
    assert "target predicted, not label" in refusal(
        capsys, *words[:-1], "--target", "label", "--set", "lrp.epsilon=0.5"
    )


def test_other_weights_and_other_images_are_other_settings(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copied, image = tmp_path / "run", tmp_path / "x.png"
    shutil.copytree(run, copied)
    Image.fromarray(np.zeros((40, 30), np.uint8)).save(image)
    explain(capsys, copied, image)
    Image.fromarray(np.full((40, 30), 9, np.uint8)).save(image)
    assert "image_sha256" in refusal(capsys, copied, image)
    explain(capsys, copied, image, "--again")
    os.truncate(copied / "model.safetensors", 0)
    shutil.copy(run.parent / "plain" / "model.safetensors", copied)
    assert "weights_sha256" in refusal(capsys, copied, image)


def test_all_leaves_out_what_cannot_explain_the_model(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(*_: object) -> None:
        raise MissingExtraError("LIME finds its segments with scikit-image")

    monkeypatch.setattr(sightline.attribution.lime, "slic_segments", missing)
    monkeypatch.setattr(method_words, "ready_methods", lambda: (find_method("lime"), find_method("saliency")))
    assert main(["explain", str(run), "--number", "1", "--method", "all", "--out", str(tmp_path), "--json"]) == 0
    told = capsys.readouterr()
    assert "lime is left out: LIME finds its segments with scikit-image" in told.err
    assert list(json.loads(told.out)["cases"][0]["maps"]) == ["saliency"]
    assert "scikit-image" in refusal(capsys, run, "--number", 1, "--method", "lime", "--out", tmp_path)


def test_the_list_says_what_each_method_is_and_costs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["method", "forward", "backward"]
    by_name = {line.split()[0]: number for number, line in enumerate(lines) if line.strip()}
    assert set(methods()) <= set(by_name)
    assert lines[by_name["integrated_gradients"]].split()[1:5] == ["50", "steps", "50", "steps"]
    for name in ("deconvnet", "guided_backpropagation"):
        assert lines[by_name[name] + 1].strip().startswith("! fails sanity checks: stays almost the same when")
    assert lines[by_name["epsilon_plus"] + 1].strip().startswith("! much of its magnitude stays")
    assert main(["explain", "--list", "--json"]) == 0
    assert {each["name"] for each in json.loads(capsys.readouterr().out)} == set(methods())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--method", "gradcam"], "unknown method 'gradcam'. Did you mean grad_cam?"),
        (["--set", "lrp.epsilom=1"], "command line: lrp.epsilom: unknown setting. Did you mean lrp.epsilon?"),
        (["--set", "lpr.epsilon=1"], "command line: lpr: unknown setting. Did you mean lrp?"),
        (["--set", "lrp.epsilon=much"], "command line: lrp.epsilon: must be a valid number, got 'much'"),
        (["--set", "lrp.epsilon=-1"], "command line: lrp.epsilon: must be at least 0, got -1.0"),
        (["--set", "rise.masks=9"], "--set rise.masks: rise is not asked for; add it to --method"),
        (["--method", "epsilon_plus", "--set", "epsilon_plus.composite=epsilon"], "unknown setting"),
        (["--layer", "layer1"], "--layer: none of lrp takes a layer; those that do are cam, "),
        (["--method", "grad_cam", "--layer", "layer9"], "layer 'layer9' is not in the model; it has layer"),
        (["--target", "pneumoni"], "--target pneumoni: no such class; did you mean 'pneumonia'? It may be predicted,"),
        (["--target", "99"], "--target 99: no such class. It may be predicted, label, every,"),
        (["--batch-size", "0"], "--batch-size must be at least 1, got 0"),
        (["--number", "0"], "--number must be at least 1, got 0"),
        (["--cases", "nobody"], "no case 'nobody' among"),
        (["--split", "tset"], "no split 'tset' in the cohort; did you mean 'test'?"),
        (["nowhere.png"], "nowhere.png: no such image file or folder"),
        ([".", "--split", "test"], "--split chooses from the run's cohort; leave it out where images are given"),
        ([".", "--target", "label"], "images that are given have no label"),
        (["--labl"], "unknown option --labl."),
        (["--methods", "lrp"], "unknown option --methods. Did you mean --method?"),
    ],
)
def test_a_mistake_is_one_line(
    run: Path,
    tmp_path: Path,
    words: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Image.new("L", (4, 4)).save("x.png")
    assert message in refusal(capsys, run, *words)
    assert not (run / "maps" / "images").exists()


def test_a_run_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    told = "name a run folder, before the options: sightline explain RUN [IMAGE ...] [options]"
    assert refusal(capsys) == told
    assert refusal(capsys, "--method", "lrp", "runs/isnet") == told, "which is taken for a method"


def test_a_map_that_is_drawn_later_is_the_same_to_the_last_digit(run: Path, tmp_path: Path) -> None:
    words = ["explain", "-q", str(run), "--number", "9", "--method", "lrp", "--maps", "npy", "--out"]
    assert main([*words, str(tmp_path / "whole")]) == 0
    assert main([*words, str(tmp_path / "broken-off")]) == 0
    for folder in sorted(path for path in (tmp_path / "broken-off").iterdir() if path.is_dir())[3:4]:
        shutil.rmtree(folder)
    assert main([*words, str(tmp_path / "broken-off")]) == 0
    for file in (tmp_path / "whole").rglob("*.*"):
        assert file.read_bytes() == (tmp_path / "broken-off" / file.relative_to(tmp_path / "whole")).read_bytes()


def test_processes_share_the_batches(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = run, "--number", 9, "--batch-size", 2, "--maps", "npy"
    whole = explain(capsys, *words, "--out", tmp_path / "whole")
    parts = [explain(capsys, *words, "--out", tmp_path / "shared", "--shard", shard) for shard in ("1/2", "2/2")]
    names = [[case["case"] for case in part["cases"]] for part in parts]
    everyone = [case["case"] for case in whole["cases"]]
    assert names == [[*everyone[:2], *everyone[4:6], *everyone[8:]], [*everyone[2:4], *everyone[6:8]]]
    drawn = {file: file.stat().st_mtime_ns for file in (tmp_path / "shared").rglob("*.npy")}
    again = explain(capsys, *words, "--out", tmp_path / "shared")
    for one, other in zip(maps_of(whole, "lrp"), maps_of(again, "lrp"), strict=True):
        np.testing.assert_array_equal(one, other)
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "shared").rglob("*.npy")} == drawn
    assert explain(capsys, *words, "--out", tmp_path / "shared", "--shard", "9/9")["cases"] == []
    assert refusal(capsys, *words, "--shard", "1/2", "--sheet").startswith("--sheet shows all maps")
    assert refusal(capsys, *words, "--shard", "half") == "--shard must look like 1/3, got 'half'"
