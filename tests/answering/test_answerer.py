import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sightline.answering import Answerer
from sightline.attribution import LRP, Class, Saliency
from sightline.cli.main import main
from sightline.data import read_cohort
from sightline.errors import DataError, DataNotFoundError, RunError, SettingsError, TimeLimitError
from sightline.training import open_run


@pytest.fixture
def pictures(images: Path, tmp_path: Path) -> list[Path]:
    """Files as they may come: a PNG, 16 bits, a JPEG in colour, an array, DICOM."""
    settings, _ = open_run(images)
    case = read_cohort(settings.data.cohort).split("test").cases[0]
    pixels = np.asarray(Image.open(case.image).convert("L"))
    Image.fromarray(pixels).save(tmp_path / "same.png")
    Image.fromarray(pixels.astype(np.uint16) * 257).save(tmp_path / "deep.tif")
    Image.fromarray(pixels).convert("RGB").save(tmp_path / "colour.jpeg", quality=95)
    np.save(tmp_path / "array.npy", pixels)
    return [case.image, *(tmp_path / name for name in ("same.png", "deep.tif", "colour.jpeg", "array.npy"))]


def explained(capsys: pytest.CaptureFixture[str], *words: object) -> list[dict]:
    """What `sightline explain` says and draws, case by case."""
    assert main(["explain", "-q", *map(str, words), "--maps", "npy", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    for case in told["cases"]:
        for entry in case["maps"].values():
            entry["map"] = np.load(Path(told["folder"]) / case["folder"] / entry["file"])
    return told["cases"]


def test_a_run_says_what_it_answers(images: Path, several: Path, cubes: Path, scans: Path) -> None:
    one, many, cube, scan = map(Answerer.open, (images, several, cubes, scans))
    assert (one.name, one.task, one.axes, one.channels) == ("plain", "multiclass", 2, 1)
    assert (many.name, many.task, many.axes, many.channels) == ("several", "multilabel", 2, 3)
    assert (cube.task, cube.axes, cube.channels) == ("binary", 3, 1)
    assert (scan.task, scan.axes, scan.channels) == ("multilabel", 3, 1)
    assert many.classes == ("nodule", "effusion", "mass")
    assert not one.model.training
    assert len(one.checksum) == 64


def test_answers_are_those_of_explain(
    images: Path, pictures: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    answerer = Answerer.open(images)
    told = explained(capsys, images, *pictures, "--out", tmp_path / "maps", "--method", "lrp", "grad_cam")
    answers = answerer.predict(pictures)
    assert [answer.name for answer in answers] == [file.name for file in pictures]
    for file, answer, case in zip(pictures, answers, sorted(told, key=lambda c: _place(c, pictures)), strict=True):
        np.testing.assert_allclose(answer.probabilities, list(case["probabilities"].values()), rtol=1e-5)
        np.testing.assert_allclose(answer.logits, list(case["logits"].values()), rtol=1e-4, atol=1e-5)
        for method in ("lrp", "grad_cam"):
            picture = answerer.explain(file, method)
            expected = case["maps"][method]
            assert picture.target == expected["class_index"]
            assert list(picture.drawn_at) == expected["drawn_at"]
            scale = np.abs(expected["map"]).max()
            np.testing.assert_allclose(picture.attribution, expected["map"], rtol=1e-4, atol=1e-5 * scale)
            np.testing.assert_allclose(picture.probabilities, answer.probabilities, rtol=1e-5)
            assert picture.image.shape == (1, 32, 32)
            assert picture.image.dtype == picture.attribution.dtype == np.float32


def _place(case: dict, files: list[Path]) -> int:
    return [file.name for file in files].index(Path(case["case"]).name)


def test_several_findings_have_a_probability_each(several: Path, pictures: list[Path]) -> None:
    answerer = Answerer.open(several)
    (answer,) = answerer.predict(pictures[:1])
    np.testing.assert_allclose(answer.probabilities, 1 / (1 + np.exp(-answer.logits)))
    for target in (1, "effusion", "1"):
        picture = answerer.explain(pictures[0], "saliency", target)
        assert picture.target == 1
        assert picture.image.shape == (3, 32, 32)
    images = answerer.read(pictures[0]).image[None]
    expected = Saliency()(answerer.model, images, Class(1)).attribution.sum(1)[0].detach().numpy()
    np.testing.assert_allclose(picture.attribution, expected, rtol=1e-4, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("kind", ["cubes", "scans"])
def test_volumes_are_answered_as_by_explain(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nibabel = pytest.importorskip("nibabel")
    folder = request.getfixturevalue(kind)
    shape = (32, 32, 32) if kind == "cubes" else (20, 22, 30)
    values = np.random.default_rng(0).integers(0, 256, shape).astype(np.int16)
    files = [tmp_path / "scan.npy", tmp_path / "scan.nii.gz"]
    np.save(files[0], values.astype(np.uint16) if kind == "cubes" else values)
    nibabel.Nifti1Image(values, np.diag([-1.0, -1, 1, 1])).to_filename(files[1])
    answerer = Answerer.open(folder)
    told = explained(capsys, folder, *files, "--out", tmp_path / "maps")
    for file, case in zip(files, sorted(told, key=lambda c: _place(c, files)), strict=True):
        picture = answerer.explain(file)
        expected = case["maps"]["lrp"]
        assert picture.target == expected["class_index"]
        scale = np.abs(expected["map"]).max()
        np.testing.assert_allclose(picture.attribution, expected["map"], rtol=1e-4, atol=1e-5 * scale)
        (answer,) = answerer.predict([file])
        np.testing.assert_allclose(answer.probabilities, list(case["probabilities"].values()), rtol=1e-5)
        assert picture.attribution.shape == picture.image.shape[1:]


def test_what_is_answered_leaves_no_trace_on_the_disk(scans: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "scan.npy", np.zeros((4, 4, 4), np.int16))
    cache = open_run(scans)[0].data.cache_dir
    assert cache is not None
    before = sorted(cache.rglob("*")) if cache.exists() else []
    Answerer.open(scans).predict([tmp_path / "scan.npy"])
    assert (sorted(cache.rglob("*")) if cache.exists() else []) == before


def test_images_together_are_answered_as_one_by_one(images: Path, pictures: list[Path]) -> None:
    answerer = Answerer.open(images)
    together = answerer.predict([*pictures, pictures[0]])
    assert len(together) == len(pictures) + 1
    for file, answer in zip(pictures, together, strict=False):
        (alone,) = answerer.predict([file])
        np.testing.assert_allclose(answer.logits, alone.logits, rtol=1e-4, atol=1e-6)
    assert answerer.predict([]) == ()
    assert answerer.classify([]) == ()


def test_options_steer_the_method(images: Path, pictures: list[Path]) -> None:
    answerer = Answerer.open(images)
    picture = answerer.explain(pictures[0], "lrp", 2, {"epsilon": 0.5})
    assert picture.options["epsilon"] == 0.5
    ready = answerer.read(pictures[0])
    expected = LRP(epsilon=0.5)(answerer.model, ready.image[None], Class(2)).attribution[0, 0].detach().numpy()
    np.testing.assert_allclose(picture.attribution, expected, rtol=1e-4, atol=1e-6 * np.abs(expected).max())
    assert not np.allclose(picture.attribution, answerer.explain(ready, "lrp", 2).attribution)


def test_what_is_odd_about_an_image_is_told(several: Path, pictures: list[Path]) -> None:
    answerer = Answerer.open(several)
    plain, deep = answerer.predict([pictures[1], pictures[2]])
    assert plain.warnings == ()
    (words,) = deep.warnings
    assert "is white by the cohort's value_range, 0 to 255" in words
    assert answerer.explain(pictures[2], "saliency").warnings == deep.warnings


def test_many_threads_get_the_answer_of_one(images: Path, pictures: list[Path]) -> None:
    answerer = Answerer.open(images)
    answers, maps = answerer.predict(pictures), [answerer.explain(file, "lrp", 1) for file in pictures]

    def ask(turn: int) -> bool:
        which = turn % len(pictures)
        if turn % 3:
            return np.allclose(answerer.predict([pictures[which]])[0].logits, answers[which].logits, rtol=1e-4)
        drawn = answerer.explain(pictures[which], "lrp", 1).attribution
        return np.allclose(drawn, maps[which].attribution, rtol=1e-3, atol=1e-5 * np.abs(drawn).max())

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(ask, range(30)))


def test_one_thread_at_a_time_comes_to_the_model(images: Path, pictures: list[Path]) -> None:
    answerer = Answerer.open(images)
    inside, most, count = threading.Lock(), [0], [0]

    def enter(*_: object) -> None:
        with inside:
            count[0] += 1
            most[0] = max(most[0], count[0])

    def leave(*_: object) -> None:
        with inside:
            count[0] -= 1

    answerer.model.register_forward_pre_hook(enter)
    answerer.model.register_forward_hook(leave)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: answerer.predict(pictures[:2]), range(8)))
    assert most[0] == 1


def test_the_model_comes_back_as_it_was(images: Path, pictures: list[Path]) -> None:
    answerer = Answerer.open(images)
    before = {key: value.clone() for key, value in answerer.model.state_dict().items()}
    answerer.explain(pictures[0], "integrated_gradients", options={"steps": 4}, within_s=60)
    with pytest.raises(TimeLimitError):
        answerer.explain(pictures[0], "integrated_gradients", within_s=0)
    assert not answerer.model._forward_pre_hooks
    assert all(torch.equal(value, before[key]) for key, value in answerer.model.state_dict().items())
    assert all(parameter.grad is None for parameter in answerer.model.parameters())
    assert np.isfinite(answerer.predict(pictures[:1])[0].logits).all()


def test_too_long_is_one_line(images: Path, pictures: list[Path]) -> None:
    message = r"^rise of same\.png took longer than 0\.01 s; ask for fewer samples or a cheaper method$"
    with pytest.raises(TimeLimitError, match=message):
        Answerer.open(images).explain(pictures[1], "rise", options={"masks": 100000, "batch_size": 8}, within_s=0.01)


@pytest.mark.parametrize(
    ("method", "target", "options", "message"),
    [
        ("gradcam", 0, {}, "unknown method 'gradcam'. Did you mean grad_cam?"),
        ("lrp", 3, {}, "no class 3; there are .*, or an index from 0 to 2"),
        ("lrp", -1, {}, "no class -1;"),
        ("lrp", "pneumoni", {}, "no class 'pneumoni'; did you mean 'pneumonia'"),
        ("lrp", 0, {"epsilom": 1}, r"lrp: epsilom: unknown setting. Did you mean epsilon\?"),
        ("lrp", 0, {"epsilon": "much"}, "lrp: epsilon: must be a valid number.*, got 'much'"),
        ("lrp", 0, {"epsilon": {"a": {"b": 1}}}, "lrp: epsilon: must be a valid number"),
        ("lrp", 0, {"epsilon": -1}, "lrp: epsilon: must be at least 0, got -1"),
        ("epsilon_plus", 0, {"composite": "epsilon"}, "composite: unknown setting"),
    ],
)
def test_a_wrong_question_is_one_line(
    images: Path, pictures: list[Path], method: str, target: int | str, options: dict, message: str
) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        Answerer.open(images).explain(pictures[0], method, target, options)
    assert "\n" not in str(caught.value)


def test_bad_files_are_one_line(images: Path, cubes: Path, pictures: list[Path], tmp_path: Path) -> None:
    answerer = Answerer.open(images)
    (tmp_path / "cut.png").write_bytes(pictures[0].read_bytes()[:200])
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    np.save(tmp_path / "volume.npy", np.zeros((8, 8, 8), np.uint16))
    (tmp_path / "notes.txt").write_text("none")
    for name, message in {
        "cut.png": "cut.png: unreadable or truncated image",
        "objects.npy": "objects.npy: unreadable or truncated image .*Python objects",
        "volume.npy": "volume.npy: a volume, but the model takes images of 2 axes",
        "notes.txt": "notes.txt is not an image file",
        ".": "a folder, not an image",
    }.items():
        with pytest.raises(DataError, match=message) as caught:
            answerer.predict([tmp_path / name])
        assert "\n" not in str(caught.value)
    with pytest.raises(DataNotFoundError, match="no such image file"):
        answerer.predict([tmp_path / "none.png"])
    with pytest.raises(DataError, match="an image, but the model takes volumes"):
        Answerer.open(cubes).predict(pictures[:1])


def test_what_cannot_answer_is_not_opened(images: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a run folder"):
        Answerer.open(tmp_path)
    (tmp_path / "config.yaml").write_bytes((images / "config.yaml").read_bytes())
    with pytest.raises(RunError, match="has no final weights"):
        Answerer.open(tmp_path)
    (tmp_path / "config.yaml").write_text("- a list\n")
    with pytest.raises(SettingsError, match=r"config.yaml:1: settings must be keys with values"):
        Answerer.open(tmp_path)
    answerer = Answerer.open(images)
    with pytest.raises(SettingsError, match="run plain sees images without their background"):
        replace(answerer, data=replace(answerer.data, erase_background=True))
