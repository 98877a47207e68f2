import csv
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from sightline.data import read_cohort, write_cohort
from sightline.errors import DataError, RunError
from sightline.runs import RunFolder
from sightline.segmenting import (
    SegmenterSettings,
    chosen_threshold,
    load_segmenter,
    overlap,
    train_segmenter,
    true_mask,
)

Make = Callable[..., SegmenterSettings]

KILLED = """
import os, signal, sys, torch
from dataclasses import replace
from pathlib import Path
from sightline.data import Augmentation
from sightline.segmenting import NetworkSettings, SegmenterSettings, train_segmenter
from sightline.training import OptimSettings

torch.set_num_threads(int(sys.argv[4]))

def advance(step, steps, words):
    if step == int(sys.argv[3]):
        os.kill(os.getpid(), signal.SIGKILL)

settings = eval(sys.argv[1], vars() | {"PosixPath": Path})
train_segmenter(settings, Path(sys.argv[2]), resume=True, advance=advance)
"""


def same(one: RunFolder, other: RunFolder) -> bool:
    a, b = load_file(one.weights), load_file(other.weights)
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_eight_films_are_enough_to_find_these_lungs(make_settings: Make, tmp_path: Path) -> None:
    run = train_segmenter(make_settings(epochs=25), tmp_path / "run")
    choice = chosen_threshold(run.path)
    assert choice["iou"] > 0.93
    assert choice["iou"] >= choice["iou_at_half"] > 0.9
    assert choice["images"] == 4
    assert [line["val_iou"] for line in run.metrics if "val_iou" in line][-1] > 0.9


def test_the_written_scores_are_those_of_the_written_segmenter(make_settings: Make, tmp_path: Path) -> None:
    settings = make_settings(epochs=6)
    run = train_segmenter(settings, tmp_path / "run")
    segmenter, choice = load_segmenter(run.path, device="cpu"), chosen_threshold(run.path)
    assert segmenter.threshold == choice["threshold"]
    val = read_cohort(settings.cohort).split("val")
    found = {
        case.id: overlap(p, true_mask(val, case, p.shape), [segmenter.threshold])
        for case, p in segmenter.probabilities(val)
    }
    with (run.path / "validation.csv").open(newline="") as file:
        rows = {row["case"]: row for row in csv.DictReader(file)}
    assert rows.keys() == found.keys()
    for name, counted in found.items():
        assert float(rows[name]["iou"]) == pytest.approx(counted.iou[0], abs=1e-4)
        assert float(rows[name]["dice"]) == pytest.approx(counted.dice[0], abs=1e-4)
    assert choice["iou"] == pytest.approx(np.mean([counted.iou[0] for counted in found.values()]))
    assert choice["quantiles"]["iou"]["0"] == pytest.approx(min(counted.iou[0] for counted in found.values()))


def test_kept_are_the_weights_of_the_lowest_validation_loss(
    make_settings: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "sightline.segmenting.loop.learning_rate", lambda _, step, steps, **__: 9.0 if step >= 8 else 0.02
    )
    settings = make_settings(epochs=6, optim=replace(make_settings().optim, averaging=0.0))
    run = train_segmenter(settings, tmp_path / "run")
    losses = [line["val_loss"] for line in run.metrics if "val_loss" in line]
    assert losses[-1] > 2 * min(losses)
    val = read_cohort(settings.cohort).split("val")
    found = []
    for case, p in load_segmenter(run.path, device="cpu").probabilities(val):
        found.append(-np.log(np.where(true_mask(val, case, p.shape), p, 1 - p)).mean())
    assert np.mean(found) == pytest.approx(min(losses), rel=1e-3)


def test_kept_is_the_running_average(make_settings: Make, tmp_path: Path) -> None:
    run = train_segmenter(make_settings(epochs=1), tmp_path / "run")
    kept, state = load_file(run.weights), torch.load(run.checkpoint, weights_only=True)
    assert all(torch.equal(value, state["average"][f"module.{name}"]) for name, value in kept.items())
    assert not torch.equal(kept["head.weight"], state["network"]["head.weight"])


def test_a_killed_training_ends_with_the_same_weights(make_settings: Make, tmp_path: Path) -> None:
    settings = make_settings(checkpoint_seconds=0)
    whole = train_segmenter(settings, tmp_path / "whole")
    run = RunFolder(tmp_path / "killed")
    words = [repr(settings), str(run.path), "3", str(torch.get_num_threads())]  # within the second epoch
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *words], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert run.status["state"] == "running"
    assert [line["step"] for line in run.metrics if "loss" in line] == [1, 2, 3]
    assert torch.load(run.checkpoint, weights_only=True)["progress"]["step"] == 2
    assert not run.weights.exists()
    with pytest.raises(RunError, match="holds no trained segmenter; finish it with"):
        load_segmenter(run.path)
    (run.path / "checkpoints" / ".last.pt.abc.part").touch()  # a write cut off
    train_segmenter(settings, run.path, resume=True)
    assert same(run, whole)
    assert run.metrics == whole.metrics
    assert run.status == whole.status == {"state": "done", "step": 6, "steps": 6}
    assert chosen_threshold(run.path) == chosen_threshold(whole.path)
    assert not list(run.path.rglob("*.part"))


def test_a_training_killed_while_the_threshold_is_chosen_chooses_it_again(make_settings: Make, tmp_path: Path) -> None:
    settings = make_settings(epochs=1)
    run = train_segmenter(settings, tmp_path / "run")
    before = chosen_threshold(run.path)
    (run.path / "threshold.json").unlink()
    (run.path / "status.json").write_text('{"state": "running"}', encoding="utf-8")
    train_segmenter(settings, run.path, resume=True)
    assert chosen_threshold(run.path) == before
    assert run.status["state"] == "done"


def test_a_finished_run_is_returned_as_it_is(make_settings: Make, tmp_path: Path) -> None:
    run = train_segmenter(make_settings(epochs=1), tmp_path / "run")
    times = {file: file.stat().st_mtime_ns for file in run.path.rglob("*")}
    assert train_segmenter(make_settings(epochs=1), tmp_path / "run", resume=True) == run
    assert {file: file.stat().st_mtime_ns for file in run.path.rglob("*")} == times


def test_other_settings_and_taken_folders_are_refused(make_settings: Make, tmp_path: Path) -> None:
    train_segmenter(make_settings(epochs=1), tmp_path / "run")
    with pytest.raises(RunError, match="was begun with other settings: epochs was 1 and is now 2; keep them"):
        train_segmenter(make_settings(epochs=2), tmp_path / "run", resume=True)
    with pytest.raises(RunError, match="exists already; choose another name, or continue it with --resume"):
        train_segmenter(make_settings(epochs=1), tmp_path / "run")


def test_random_numbers_of_others_are_left_alone(make_settings: Make, tmp_path: Path) -> None:
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    one = train_segmenter(make_settings(epochs=1), tmp_path / "one")
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(4)
    assert same(one, train_segmenter(make_settings(epochs=1), tmp_path / "two"))
    other = train_segmenter(make_settings(epochs=1, seed=1), tmp_path / "three")
    assert not same(one, other)


def test_images_without_masks_are_left_out(make_settings: Make, films: Path, tmp_path: Path) -> None:
    cohort = read_cohort(films)
    without = [replace(case, id=f"{case.id}-2", mask=None) for case in cohort.cases]
    write_cohort(replace(cohort, cases=(*cohort.cases, *without)), tmp_path / "more")
    run = train_segmenter(make_settings(epochs=1, cohort=tmp_path / "more"), tmp_path / "run")
    assert run.status["steps"] == 2
    assert chosen_threshold(run.path)["images"] == 4


def test_cohorts_that_cannot_be_used_are_named_before_anything_is_written(
    make_settings: Make, films: Path, tmp_path: Path
) -> None:
    cohort = read_cohort(films)
    bare = tuple(replace(case, mask=None) for case in cohort.cases)
    unsplit = tuple(replace(case, split="") for case in cohort.cases)
    wrong = (replace(cohort.cases[0], mask=films / "none.png"), *cohort.cases[1:])
    for name, cases, says in (
        ("bare", bare, "no image of the cohort has a mask to learn from"),
        ("unsplit", unsplit, "no split 'train' in the cohort; .*see 'sightline prepare split'"),
        ("wrong", wrong, "none.png: no such"),
    ):
        write_cohort(replace(cohort, cases=cases), tmp_path / name)
        with pytest.raises((DataError, FileNotFoundError), match=says):
            train_segmenter(make_settings(cohort=tmp_path / name), tmp_path / "run")
        assert not (tmp_path / "run").exists()


def test_a_loss_that_leaves_all_bounds_ends_the_run(make_settings: Make, tmp_path: Path) -> None:
    settings = make_settings(optim=replace(make_settings().optim, lr=1e30, warmup=0.0, clip_norm=None))
    with pytest.raises(RunError, match=r"the loss is no longer finite at step \d; lower the learning rate"):
        train_segmenter(settings, tmp_path / "run")
    assert RunFolder(tmp_path / "run").status["state"] == "failed"
