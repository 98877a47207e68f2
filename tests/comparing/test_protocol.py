import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sightline.comparing import Condition, condition_batches, evaluate_run, load_trained, maps_folder
from sightline.data import Case, Cohort, DataSettings, PlantedBias, VolumeInput, chosen_batches, read_cohort
from sightline.errors import DataError, RunError
from sightline.evaluation import Evaluation, EvaluationSettings
from sightline.models import build_model, save_weights
from sightline.runs import RunFolder
from sightline.training import TrainSettings


def as_text(evaluation: Evaluation) -> str:
    return json.dumps(evaluation.as_dict())  # NaN is not equal to itself


TEST, OFF = Condition("test"), Condition("test", "off")


@pytest.fixture
def run(plain: TrainSettings, tmp_path: Path) -> RunFolder:
    """A run that ended with the weights that a model is born with."""
    folder = RunFolder.create(tmp_path / "run")
    save_weights(build_model(plain.model, num_classes=3, seed=5), folder.weights)
    return folder


def test_the_model_of_a_run_has_its_weights(plain: TrainSettings, run: RunFolder) -> None:
    model = load_trained(plain, run, num_classes=3)
    same = build_model(plain.model, num_classes=3, seed=5)
    assert not model.training
    for key, value in same.state_dict().items():
        torch.testing.assert_close(model.state_dict()[key], value, rtol=0, atol=0)


def test_a_run_without_weights_is_told_to_continue(plain: TrainSettings, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"run empty has no final weights .*continue it with train --resume"):
        load_trained(plain, RunFolder.create(tmp_path / "empty"), num_classes=3)


def test_test_images_come_in_order_and_as_they_are(plain: TrainSettings) -> None:
    cohort = read_cohort(plain.data.cohort)
    cases = [name for batch in condition_batches(plain.data, cohort, TEST) for name in batch.cases]
    assert cases == [case.id for case in cohort.split("test").cases]
    first, again = (next(iter(condition_batches(plain.data, cohort, TEST))).images for _ in range(2))
    torch.testing.assert_close(first, again, rtol=0, atol=0)


def test_the_bias_is_taken_away(plain: TrainSettings) -> None:
    cohort = read_cohort(plain.data.cohort)
    planted = replace(plain.data, bias=PlantedBias(side=0.2))
    on = next(iter(condition_batches(planted, cohort, Condition("ood")))).images
    off = next(iter(condition_batches(planted, cohort, Condition("ood", "off")))).images
    bare = next(iter(condition_batches(plain.data, cohort, Condition("ood")))).images
    torch.testing.assert_close(off, bare, rtol=0, atol=0)
    changed = (on != off).any(0).any(0).nonzero()
    assert len(changed) > 0
    assert int(changed.max()) < 0.25 * 32, "the polygon stands in the upper left corner"


def test_what_was_tested_is_read_until_the_weights_change(plain: TrainSettings, run: RunFolder) -> None:
    first = evaluate_run(plain, run, [TEST, OFF], evaluation=EvaluationSettings(keep=3))
    assert list(first) == [TEST, OFF]
    assert len(first[TEST].maps) == 3
    assert (maps_folder(run, OFF) / "maps.npz").is_file()
    told: list[Condition] = []

    def progress(condition: Condition):  # noqa: ANN202
        told.append(condition)
        return lambda done, total: None

    second = evaluate_run(plain, run, [TEST, OFF], progress=progress)
    assert told == []
    assert as_text(second[TEST]) == as_text(first[TEST])
    third = evaluate_run(plain, run, [TEST], again=True, progress=progress)
    assert as_text(third[TEST]) == as_text(first[TEST])
    assert told == [TEST]
    when = (run.evaluation("test") / "metrics.json").stat().st_mtime
    os.utime(run.weights, (when + 10, when + 10))
    evaluate_run(plain, run, [TEST], progress=progress)
    assert told == [TEST, TEST]


def test_weights_of_other_classes_are_refused(plain: TrainSettings, run: RunFolder) -> None:
    with pytest.raises(DataError, match="the weights of run run are not of 4 classes"):
        load_trained(plain, run, num_classes=4)


def test_where_to_look_for_an_absent_finding_is_unknown_when_a_volume_is_tested(tmp_path: Path) -> None:
    np.save(tmp_path / "scan.npy", np.zeros((3, 4, 4), np.float32))
    np.save(tmp_path / "lung.npy", np.ones((3, 4, 4), np.uint8))
    allowed = {"nodule": tmp_path / "lung.npy"}
    case = Case("a", tmp_path / "scan.npy", (1.0, 0.0), "a", split="test", class_masks=allowed)
    cohort = Cohort(tmp_path, "multilabel", ("nodule", "effusion"), (case,))
    data = DataSettings(tmp_path, volume=VolumeInput(shape=(3, 4, 4)))
    batch = next(iter(condition_batches(data, cohort, Condition("test"))))
    assert bool((batch.regions[0, 0] == 1).all())
    assert bool(batch.regions[0, 1].isnan().all())
    assert bool((next(iter(chosen_batches(data, cohort))).regions[0, 1] == 0).all())  # as it is trained on
