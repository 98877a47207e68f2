import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from sightline.cli.settings import read_settings
from sightline.errors import DataError, DataNotFoundError, RunError, SettingsError
from sightline.guidance import BackgroundRelevanceSettings, Unguided
from sightline.models import ModelSettings, build_model
from sightline.runs import RunFolder
from sightline.training import TrainSettings, train
from sightline.training.data import prepare_data
from sightline.types import Guided

Make = Callable[..., TrainSettings]

STEPS = 6  # 2 epochs of 15 images in batches of 4, the last 3 left out


def steps_of(run: RunFolder) -> list[int]:
    return [line["step"] for line in run.metrics if "loss" in line]


def same(one: RunFolder, other: RunFolder) -> bool:
    a, b = load_file(one.weights), load_file(other.weights)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("guided", [False, True])
def test_a_run_holds_what_was_asked_and_what_happened(make_settings: Make, tmp_path: Path, guided: bool) -> None:
    told = []
    settings = make_settings(guided=guided)
    run = train(settings, tmp_path / "run", advance=lambda *words: told.append(words))
    assert run.status == {"state": "done", "step": STEPS, "steps": STEPS}
    assert steps_of(run) == list(range(1, STEPS + 1))
    assert [line["epoch"] for line in run.metrics] == [1] * 4 + [2] * 4
    parts = {"background", "first_layer", "foreground", "outside"} if guided else set()
    assert set(run.metrics[0]) == {"epoch", "step", "loss", "classification", "gradient_norm", "lr"} | parts
    scores = {"val_loss", "val_classification", "val_accuracy", "val_macro_f1"}
    assert set(run.metrics[3]) == {"epoch", "step"} | scores | {f"val_{part}" for part in parts}
    assert [words[:2] for words in told] == [(step, STEPS) for step in range(1, STEPS + 1)]
    assert told[0][2].startswith("epoch 1/2  loss ")
    assert read_settings(TrainSettings, [str(run.path / "config.yaml")]) == settings
    environment = json.loads((run.path / "environment.json").read_text(encoding="utf-8"))
    assert environment["torch"] == torch.__version__
    files = {file.relative_to(run.path).as_posix() for file in run.path.rglob("*") if file.is_file()}
    assert files == {
        *("config.yaml", "environment.json", "status.json", "metrics.jsonl", "model.safetensors"),
        *("checkpoints/last.pt", "checkpoints/best.safetensors"),
    }


def test_the_same_settings_give_the_same_weights(make_settings: Make, tmp_path: Path) -> None:
    one, other = (train(make_settings(), tmp_path / name) for name in ("one", "other"))
    assert same(one, other)
    assert one.metrics == other.metrics


def test_another_seed_gives_other_weights(make_settings: Make, tmp_path: Path) -> None:
    one, other = (train(make_settings(epochs=1, seed=seed), tmp_path / str(seed)) for seed in (0, 1))
    assert not same(one, other)


def test_each_epoch_sees_its_own_batches(make_settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Tensor] = []

    class Watching(Unguided):
        def forward(self, model: nn.Module, images: Tensor, labels: Tensor, regions: Tensor) -> Guided:
            if self.training:
                seen.append(images.clone())
            return super().forward(model, images, labels, regions)

    monkeypatch.setattr("sightline.training.loop.make_guidance", lambda settings: Watching())
    settings = make_settings(guided=False)
    train(settings, tmp_path / "run")
    expected = [batch.images for epoch in range(2) for batch in prepare_data(settings).train.at(epoch)]
    assert len(seen) == len(expected) == STEPS
    assert all(torch.equal(one, other) for one, other in zip(seen, expected, strict=True))
    assert not any(torch.equal(one, other) for one in seen[:3] for other in seen[3:])


def test_training_learns(make_settings: Make, tmp_path: Path) -> None:
    settings = make_settings(
        epochs=8, guided=False, optim={"lr": 1e-2}, model=ModelSettings("resnet18", in_channels=1, width=8)
    )
    settings = replace(settings, data=replace(settings.data, augmentation=None))
    run = train(settings, tmp_path / "run")
    losses = [line["loss"] for line in run.metrics if "loss" in line]
    assert sum(losses[-6:]) < 0.3 * sum(losses[:6])


def test_validation_does_not_touch_training(make_settings: Make, cohort: Path, tmp_path: Path) -> None:
    table = cohort.joinpath("cohort.csv").read_text(encoding="utf-8").replace(",val,", ",spare,")
    folder = tmp_path / "cohort"
    folder.mkdir()
    for file in cohort.glob("*.png"):
        (folder / file.name).symlink_to(file)
    (folder / "cohort.csv").write_text(table, encoding="utf-8")
    settings = make_settings(select="last")
    without = replace(settings, data=replace(settings.data, cohort=folder))
    runs = train(settings, tmp_path / "with"), train(without, tmp_path / "without")
    assert same(*runs)
    assert [line for line in runs[0].metrics if "loss" in line] == runs[1].metrics
    assert not runs[1].best_weights.exists()


def test_the_world_around_is_left_as_it_was(make_settings: Make, tmp_path: Path) -> None:
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    train(make_settings(epochs=1), tmp_path / "run")
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(("select", "epoch"), [("best", 2), ("last", 3)])
def test_the_kept_weights_are_the_best_or_the_last(
    make_settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, select: str, epoch: int
) -> None:
    seen: list[dict[str, Tensor]] = []

    def validate(model: nn.Module, *_: object) -> dict[str, float]:
        seen.append({name: value.clone() for name, value in model.state_dict().items()})
        return {"val_loss": [1.0, 0.5, 0.7][len(seen) - 1]}

    monkeypatch.setattr("sightline.training.loop.validate", validate)
    run = train(make_settings(guided=False, select=select, epochs=3), tmp_path / "run")
    assert torch.load(run.checkpoint, weights_only=True)["progress"]["best"] == 0.5
    for file, wanted in ((run.weights, seen[epoch - 1]), (run.best_weights, seen[1])):
        kept = load_file(file)
        assert all(torch.equal(kept[name], value) for name, value in wanted.items())
    assert not torch.equal(seen[1]["conv1.weight"], seen[2]["conv1.weight"])


def test_the_average_is_validated_and_kept(make_settings: Make, tmp_path: Path) -> None:
    run = train(make_settings(epochs=1), tmp_path / "run")
    state = torch.load(run.checkpoint, weights_only=True)
    kept = load_file(run.weights)
    assert all(torch.equal(kept[name], state["average"][f"module.{name}"]) for name in kept)
    assert not all(torch.equal(kept[name], state["model"][name]) for name in kept)


def test_an_existing_folder_is_refused_before_any_image_is_read(make_settings: Make, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    settings = make_settings()
    settings = replace(settings, data=replace(settings.data, cohort=tmp_path / "missing"))
    for resume in (False, True):
        with pytest.raises(RunError, match="exists already; choose another name"):
            train(settings, tmp_path, resume=resume)
    assert [file.name for file in tmp_path.iterdir()] == ["notes.txt"]


def test_an_error_and_a_second_interrupt_are_written_down(make_settings: Make, tmp_path: Path) -> None:
    for error, state in ((OSError("disk full\nat once"), "failed"), (KeyboardInterrupt(), "interrupted")):

        def fail(*_: object, error: BaseException = error) -> None:
            raise error

        with pytest.raises(type(error)):
            train(make_settings(), tmp_path / state, advance=fail)
        status = RunFolder(tmp_path / state).status
        assert (status["state"], status["reason"]) == (state, str(error).partition("\n")[0] or "KeyboardInterrupt")


def test_nothing_is_written_for_a_cohort_that_cannot_be_used(make_settings: Make, cohort: Path, tmp_path: Path) -> None:
    table = (cohort / "cohort.csv").read_text(encoding="utf-8")
    good = make_settings()
    for number, (text, error) in enumerate(
        [
            (None, DataNotFoundError),
            (table.replace("bright0.png", "missing.png"), DataError),
            (table.replace(",train,", ",other,"), DataError),
            (table.replace(",bright,", ",brigth,", 1), DataError),
        ]
    ):
        folder = tmp_path / f"cohort{number}"
        if text is not None:
            folder.mkdir()
            for file in cohort.glob("*.png"):
                (folder / file.name).symlink_to(file)
            (folder / "cohort.csv").write_text(text, encoding="utf-8")
            (folder / "cohort.yaml").write_text("classes: [bright, dark, striped]\n", encoding="utf-8")
        with pytest.raises(error):
            train(replace(good, data=replace(good.data, cohort=folder)), tmp_path / "runs" / "run")
    assert not (tmp_path / "runs").exists()


def test_nothing_is_written_for_a_model_or_device_that_is_not_there(make_settings: Make, tmp_path: Path) -> None:
    absent = ModelSettings("no_such_module:build", in_channels=1)
    unfit = ModelSettings("resnet18", in_channels=1, options={"depth": 3})
    weights = ModelSettings("resnet18", in_channels=1, weights=tmp_path / "missing.pt")
    for settings in (
        *(make_settings(model=model) for model in (absent, unfit, weights)),
        *(make_settings(device=device) for device in ("gpu", "cuda:99")),
    ):
        with pytest.raises((SettingsError, DataNotFoundError)):
            train(settings, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_model_is_given_by_its_dotted_path(
    make_settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = """
from torch import nn

def tiny(num_classes, in_channels, hidden):
    parts = nn.Conv2d(in_channels, hidden, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten()
    return nn.Sequential(*parts, nn.Linear(4 * hidden, num_classes))
"""
    (tmp_path / "my_models_for_training.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    model = ModelSettings("my_models_for_training:tiny", in_channels=1, options={"hidden": 6})
    run = train(make_settings(model=model), tmp_path / "run")
    sys.modules.pop("my_models_for_training")
    assert load_file(run.weights)["0.weight"].shape == (6, 1, 3, 3)
    assert read_settings(TrainSettings, [str(run.path / "config.yaml")]).model == model


def test_bfloat16_trains(make_settings: Make, tmp_path: Path) -> None:
    seen: list[torch.dtype] = []
    forward = nn.Linear.forward

    def watched(self: nn.Linear, x: Tensor) -> Tensor:
        out = forward(self, x)
        seen.append(out.dtype)
        return out

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nn.Linear, "forward", watched)
        half = train(make_settings(precision="bfloat16", epochs=1), tmp_path / "half")
    full = train(make_settings(epochs=1), tmp_path / "full")
    assert torch.bfloat16 in seen
    assert all(value.dtype in (torch.float32, torch.int64) for value in load_file(half.weights).values())
    one, other = (run.metrics[0]["classification"] for run in (half, full))
    assert one == pytest.approx(other, rel=0.05)
    assert one != other


def test_calibration_is_written_to_the_run_and_outlives_an_interruption(make_settings: Make, tmp_path: Path) -> None:
    settings = make_settings(guidance=BackgroundRelevanceSettings(calibrate=2))
    run = train(settings, tmp_path / "run", stop=lambda: True)
    measured = json.loads((run.path / "calibration.json").read_text(encoding="utf-8"))
    assert measured["batches"] == 2
    assert 0 < measured["least"] < measured["most"]
    train(settings, tmp_path / "run", resume=True)
    kept = torch.load(run.checkpoint, weights_only=True)["guidance"]["_extra_state"]
    kept = kept["ranges"]["map"]
    assert (kept["least"], kept["most"]) == (measured["least"], measured["most"])
    assert json.loads((run.path / "calibration.json").read_text(encoding="utf-8")) == measured


def test_a_goal_is_logged_as_strength(make_settings: Make, tmp_path: Path) -> None:
    run = train(make_settings(epochs=1, guidance=BackgroundRelevanceSettings(goal=0.01)), tmp_path / "run")
    strengths = [line["strength"] for line in run.metrics if "strength" in line]
    assert strengths[0] > 0.5
    assert strengths == sorted(strengths)


def test_several_labels_an_image_with_unknown_ones(make_settings: Make, cohort: Path, tmp_path: Path) -> None:
    lines = (cohort / "cohort.csv").read_text(encoding="utf-8").splitlines()[1:]
    rows = ["image,bright,dark,split,mask"]
    for number, (image, label, split, mask) in enumerate(line.split(",") for line in lines):
        dark = "" if number % 3 == 0 else "0.5" if number == 7 else int(label == "dark")
        rows.append(f"{cohort / image},{int(label == 'bright')},{dark},{split},{mask and cohort / mask}")
    (tmp_path / "cohort.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "cohort.yaml").write_text("task: multilabel\nclasses: [bright, dark]\n", encoding="utf-8")
    settings = make_settings(epochs=1)
    settings = replace(settings, data=replace(settings.data, cohort=tmp_path))
    run = train(settings, tmp_path / "run")
    assert 0 <= run.metrics[-1]["val_macro_f1"] <= 1


def test_data_are_prepared_as_the_settings_say(make_settings: Make) -> None:
    settings = make_settings()
    data = prepare_data(settings)
    assert len(data.train) == 3
    assert data.val is not None
    assert len(data.val) == 2
    assert sum(len(batch.images) for batch in data.val) == 6
    assert data.cohort.num_classes == 3
    large = prepare_data(replace(settings, data=replace(settings.data, batch_size=64)))
    assert [len(batch.images) for batch in large.train] == [15]  # never none at all


def test_gradients_are_clipped(make_settings: Make, tmp_path: Path) -> None:
    optim = {"name": "sgd", "momentum": 0.0, "lr": 1.0, "warmup": 0.0, "schedule": "constant", "averaging": 0.0}
    runs = {}
    for clip in (None, 1e-3):
        settings = make_settings(guided=False, optim=optim | {"clip_norm": clip})
        runs[clip] = train(settings, tmp_path / str(clip), stop=lambda: True)
    start = build_model(settings.model, num_classes=3, seed=settings.seed)
    norms = []
    for run in runs.values():
        weights = torch.load(run.checkpoint, weights_only=True)["model"]
        moved = [(weights[name] - weight.detach()).square().sum() for name, weight in start.named_parameters()]
        norms.append(float(torch.stack(moved).sum().sqrt()))
    before = runs[None].metrics[0]["gradient_norm"]
    assert norms == pytest.approx([before, 1e-3], rel=1e-3)
    assert runs[1e-3].metrics[0]["gradient_norm"] == before > 1e-2  # as it was before clipping


def test_channels_that_lie_last_give_the_same_weights_up_to_rounding(make_settings: Make, tmp_path: Path) -> None:
    optim = {"name": "sgd", "lr": 1e-3}
    plain = train(make_settings(optim=optim), tmp_path / "plain")
    last = train(make_settings(optim=optim, channels_last=True), tmp_path / "last")
    weights = load_file(plain.weights)
    for key, value in load_file(last.weights).items():
        torch.testing.assert_close(value, weights[key], rtol=1e-3, atol=1e-4, msg=key)


def test_channels_lie_last_where_asked_for(
    make_settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[bool, bool]] = []

    class Looks(Unguided):
        def forward(self, model: nn.Module, images: Tensor, labels: Tensor, regions: Tensor) -> Guided:
            kernel = next(weight for weight in model.parameters() if weight.ndim == 4 and weight.shape[1] > 1)
            channels_last = {"memory_format": torch.channels_last}
            seen.append((images.is_contiguous(**channels_last), kernel.is_contiguous(**channels_last)))
            return super().forward(model, images, labels, regions)

    monkeypatch.setattr("sightline.training.loop.make_guidance", lambda settings: Looks())
    train(make_settings(channels_last=True, epochs=1), tmp_path / "last")
    assert set(seen) == {(True, True)}
    seen.clear()
    train(make_settings(epochs=1), tmp_path / "plain")
    assert {kernel for _, kernel in seen} == {False}
