"""Training in stages: what is frozen, what is handed on, when a stage ends, and that a kill changes nothing."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from sightline.cli.settings import read_settings, to_yaml
from sightline.errors import SettingsError
from sightline.guidance import BackgroundRelevanceSettings, MapSupervisionSettings, Unguided
from sightline.runs import RunFolder
from sightline.training import OptimSettings, Stage, TrainSettings, only_training, train, training_mode
from sightline.types import Guided

from .test_resume import same, train_until_killed

Make = Callable[..., TrainSettings]

PLAIN = OptimSettings(averaging=0.0, warmup=0.0)


def staged(make_settings: Make, **stages: Stage) -> TrainSettings:
    return make_settings(guidance=None, stages=stages, guided=False)


def states(run: RunFolder, stage: str) -> dict[str, Tensor]:
    return load_file(run.best_of(stage))


def small() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.BatchNorm1d(2), nn.Dropout(0.5)), nn.Linear(2, 2))


def test_only_the_named_parts_ask_for_gradients_and_all_is_as_before_afterwards() -> None:
    model = small()
    model[2].bias.requires_grad_(False)
    with only_training(model, ["1", "2"]):
        asking = {name for name, weight in model.named_parameters() if weight.requires_grad}
        assert asking == {"1.0.weight", "1.0.bias", "2.weight"}  # the bias was frozen by its owner
    assert {name for name, weight in model.named_parameters() if not weight.requires_grad} == {"2.bias"}
    with only_training(model, []):
        assert model[0].weight.requires_grad


def test_frozen_parts_answer_as_in_evaluation_mode() -> None:
    model = small().eval()
    training_mode(model, ["1.0", "2"])
    assert {name for name, part in model.named_modules() if part.training} == {"1.0", "2"}
    training_mode(model, [])
    assert all(part.training for part in model.modules())


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        (["3"], "trains must name parts of the model, got '3'; its parts are 0, 1, 2"),
        (["1.1"], "nothing would be trai"),
    ],
)
def test_a_part_that_is_not_there_or_has_no_weights_is_refused(parts: list[str], words: str) -> None:
    model = small()
    with pytest.raises(SettingsError, match=words), only_training(model, parts):
        pass
    assert all(weight.requires_grad for weight in model.parameters())


def test_what_is_frozen_stays_bitwise_the_same_with_its_buffers(make_settings: Make, tmp_path: Path) -> None:
    settings = staged(
        make_settings,
        first=Stage(1, optim=PLAIN),
        last=Stage(1, trains=("fc", "layer4.1"), optim=replace(PLAIN, lr=0.1), guidance=BackgroundRelevanceSettings()),
    )
    run = train(replace(settings, select="last"), tmp_path / "run")
    start = train(replace(settings, stages={"first": settings.stages["first"]}, select="last"), tmp_path / "start")
    before, after = load_file(start.weights), load_file(run.weights)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert all(name.startswith(("fc.", "layer4.1.")) for name in moved)
    assert {"fc.weight", "layer4.1.bn1.running_mean", "layer4.1.conv2.weight"} <= moved


def test_each_stage_starts_from_what_the_one_before_kept(
    make_settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Tensor]] = []

    class Watching(Unguided):
        def forward(self, model: nn.Module, images: Tensor, labels: Tensor, regions: Tensor) -> Guided:
            if self.training:
                seen.append({name: value.clone() for name, value in model.state_dict().items()})
            return super().forward(model, images, labels, regions)

    losses = iter([0.5, 0.7, 0.9])  # the first epoch of the first stage is its best
    monkeypatch.setattr("sightline.training.loop.make_guidance", lambda settings: Watching())
    monkeypatch.setattr("sightline.training.loop.validate", lambda *_: {"val_loss": next(losses)})
    settings = staged(make_settings, one=Stage(2, optim=PLAIN), two=Stage(1, optim=PLAIN))
    run = train(settings, tmp_path / "run")
    assert len(seen) == 9
    kept = states(run, "one")
    for step, equal in ((3, True), (6, True), (5, False)):  # numbered from 0: 6 is the first of the second stage
        assert all(torch.equal(seen[step][name], kept[name]) for name in kept) == equal
    assert not (run.path / "checkpoints" / "best.safetensors").exists()
    assert all(torch.equal(load_file(run.weights)[name], value) for name, value in states(run, "two").items())


def test_the_log_counts_on_and_names_the_stage(make_settings: Make, tmp_path: Path) -> None:
    told: list[tuple[int, int | None, str]] = []
    settings = staged(make_settings, one=Stage(2), two=Stage(1, batch_size=8))
    run = train(settings, tmp_path / "run", advance=lambda *words: told.append(words))
    steps = [line for line in run.metrics if "loss" in line]
    assert [(line["stage"], line["epoch"], line["step"]) for line in steps] == [
        *(("one", 1 + step // 3, step + 1) for step in range(6)),
        ("two", 3, 7),  # 15 images make one batch of 8
    ]
    assert [words[:2] for words in told] == [(step, 7) for step in range(1, 8)]
    assert told[-1][2].startswith("two: epoch 1/1  loss ")
    assert run.status == {"state": "done", "step": 7, "steps": 7}


def test_a_stage_ends_when_nothing_gets_better(
    make_settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = iter([0.5, 0.4, 0.4, 0.6, 0.3, 0.2])
    monkeypatch.setattr("sightline.training.loop.validate", lambda *_: {"val_loss": next(losses)})
    run = train(staged(make_settings, one=Stage(9, patience=2), two=Stage(2)), tmp_path / "run")
    epochs = [(line["stage"], line["epoch"]) for line in run.metrics if "val_loss" in line]
    assert epochs == [("one", 1), ("one", 2), ("one", 3), ("one", 4), ("two", 5), ("two", 6)]
    assert run.status == {"state": "done", "step": 18, "steps": 18}


def test_the_rate_falls_on_a_plateau_and_the_best_weights_come_back(
    make_settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[Tensor] = []

    class Watching(Unguided):
        def forward(self, model: nn.Module, images: Tensor, labels: Tensor, regions: Tensor) -> Guided:
            if self.training:
                starts.append(model.get_parameter("fc.weight").detach().clone())
            return super().forward(model, images, labels, regions)

    losses = iter([0.5, 0.6, 0.7, 0.4, 0.8, 0.9])
    monkeypatch.setattr("sightline.training.loop.make_guidance", lambda settings: Watching())
    monkeypatch.setattr("sightline.training.loop.validate", lambda *_: {"val_loss": next(losses)})
    optim = {"lr": 1e-2, "warmup": 0.0, "averaging": 0.0, "schedule": "plateau", "plateau": 2}
    run = train(make_settings(guided=False, epochs=6, optim=optim), tmp_path / "run")
    rates = [line["lr"] for line in run.metrics if "lr" in line][::3]
    assert rates == pytest.approx([1e-2, 1e-2, 1e-2, 1e-3, 1e-3, 1e-3])
    assert torch.equal(starts[9], starts[3])  # the fourth epoch starts from the end of the first
    assert not torch.equal(starts[6], starts[3])


@pytest.mark.slow
@pytest.mark.parametrize("kills", [[2, 5], [4, 8]])  # stages begin with the fourth and with the seventh step
def test_a_kill_in_any_stage_changes_nothing(make_settings: Make, tmp_path: Path, kills: list[int]) -> None:
    settings = staged(
        make_settings,
        one=Stage(1),
        two=Stage(1, trains=("layer4", "fc"), guidance=BackgroundRelevanceSettings(calibrate=1)),
        three=Stage(1, trains=("fc",), optim=OptimSettings(name="sgd", lr=1e-2)),
    )
    settings = replace(settings, checkpoint_seconds=0)
    whole = train(settings, tmp_path / "whole")
    run = RunFolder(tmp_path / "killed")
    for at in kills:
        train_until_killed(settings, run.path, at=at)
    train(settings, run.path, resume=True)
    assert same(whole, run)
    assert whole.metrics == run.metrics
    assert json.loads((run.path / "calibration-two.json").read_text()) == json.loads(
        (whole.path / "calibration-two.json").read_text()
    )


def test_a_stop_between_two_stages_goes_on_with_the_next(make_settings: Make, tmp_path: Path) -> None:
    settings = staged(make_settings, one=Stage(1), two=Stage(1))
    done: list[int] = []
    run = train(settings, tmp_path / "run", advance=lambda step, *_: done.append(step), stop=lambda: len(done) == 3)
    assert run.status["state"] == "interrupted"
    train(settings, tmp_path / "run", resume=True)
    assert same(run, train(settings, tmp_path / "whole"))


def test_a_guidance_may_measure_before_and_settle_afterwards(
    make_settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Settling(Unguided):
        def prepare(self, model: nn.Module, batches: object) -> dict[str, float]:
            return {"batches": float(sum(1 for _ in batches))}  # type: ignore[attr-defined]

        def finish(self, model: nn.Module, batches: object) -> dict[str, float]:
            with torch.no_grad():
                model.get_parameter("fc.bias").fill_(7)
            return {"images": float(sum(len(batch.images) for batch in batches))}  # type: ignore[attr-defined]

    monkeypatch.setattr("sightline.training.loop.make_guidance", lambda settings: Settling())
    run = train(staged(make_settings, one=Stage(1)), tmp_path / "run")
    assert json.loads((run.path / "calibration-one.json").read_text()) == {"batches": 3.0}
    assert json.loads((run.path / "settled-one.json").read_text()) == {"images": 6.0}
    assert load_file(run.weights)["fc.bias"].tolist() == [7, 7, 7]


def test_weights_of_a_guidance_are_trained_too(
    make_settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Weighing(Unguided):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(()))

        def forward(self, model: nn.Module, images: Tensor, labels: Tensor, regions: Tensor) -> Guided:
            guided = super().forward(model, images, labels, regions)
            return Guided(guided.logits, guided.loss + (self.weight - 1) ** 2, guided.parts)

    monkeypatch.setattr("sightline.training.loop.make_guidance", lambda settings: Weighing())
    run = train(make_settings(guided=False, optim={"lr": 1e-2}), tmp_path / "run")
    assert torch.load(run.checkpoint, weights_only=True)["guidance"]["weight"] > 0.01


def test_stages_are_read_from_a_file_and_written_back(make_settings: Make, tmp_path: Path) -> None:
    text = """
stages:
  look: {epochs: 2, trains: [layer4], guidance: {method: isnet, strength: 0.25}, optim: {lr: 0.5}}
  answer: {epochs: 1, patience: 3}
"""
    (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
    settings = read_settings(TrainSettings, [str(tmp_path / "s.yaml")], ["data.cohort=c", "stages.answer.batch_size=2"])
    assert list(settings.stages) == ["look", "answer"]
    assert settings.stages["look"] == Stage(
        2, ("layer4",), BackgroundRelevanceSettings(strength=0.25), OptimSettings(lr=0.5)
    )
    assert settings.stages["answer"] == Stage(1, batch_size=2, patience=3)
    (tmp_path / "again.yaml").write_text(to_yaml(settings), encoding="utf-8")
    assert read_settings(TrainSettings, [str(tmp_path / "again.yaml")]) == settings


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("stages.one.epoch=1", "stages.one.epoch: unknown setting. Did you mean stages.one.epochs?"),
        ("stages.one.epochs=0", "stages.one.epochs: must be at least 1, got 0"),
        ("stages.one=3", "stages: holds groups of settings (epochs, trains, guidance"),
        ("stages.one.guidance.method=isnt", "must be one of .*, isnet, .*, got 'isnt'; did you mean isnet?"),
        ("stages.one.guidance.strength=2", "stages.one.guidance.strength: must lie in"),
        ("guidance.strength=0.5", "guidance: must be null where there are stages"),
    ],
)
def test_a_wrong_stage_is_said_by_its_place(word: str, message: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read_settings(TrainSettings, [], ["data.cohort=c", "stages.one.epochs=1", word])
    assert re.search(re.escape(message).replace(r"\.\*", ".*"), str(raised.value)), raised.value


def test_nothing_is_written_for_a_model_that_cannot_be_guided(make_settings: Make, tmp_path: Path) -> None:
    stages = {"one": Stage(1), "two": Stage(1, guidance=MapSupervisionSettings())}
    with pytest.raises(SettingsError, match=r"needs a model with answer\(images\)"):
        train(staged(make_settings, **stages), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_nothing_is_written_for_a_part_that_the_model_does_not_have(make_settings: Make, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="got 'head'; its parts are conv1, "):
        train(staged(make_settings, one=Stage(1), two=Stage(1, trains=("head",))), tmp_path / "run")
    assert not (tmp_path / "run").exists()
