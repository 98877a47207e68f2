"""The four stages of the recipe `dual-encoder`: each moves its own part, weights and statistics, and nothing else."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from sightline.cli.settings import read_settings
from sightline.data import read_cohort
from sightline.models import build_model
from sightline.runs import RunFolder
from sightline.training import TrainSettings, train

UNET = ("encoder.", "decoder.", "saliency.")
SMALL = (
    *("data.preprocessing.regions=mask", "data.preprocessing.size=32", "data.preprocessing.channels=1"),
    *("model.in_channels=1", "model.width=4", "model.name=sightline.models.dual_encoder:DualEncoder"),
    *("model.options.block_config=[1, 1, 1, 1]", "optim.lr=0.01", "device=cpu"),
    *(f"stages.{name}.epochs=1" for name in ("contrastive", "classification", "saliency", "fusion")),
)


@pytest.fixture(scope="module")
def settings(cohort: Path) -> TrainSettings:
    return read_settings(TrainSettings, ["dual-encoder"], [*SMALL, f"data.cohort={cohort}"])


@pytest.fixture(scope="module")
def run(settings: TrainSettings, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return train(settings, tmp_path_factory.mktemp("runs") / "run")


def moved(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_each_stage_moves_its_own_part_and_leaves_the_others_bitwise_as_they_were(
    settings: TrainSettings, run: RunFolder
) -> None:
    num_classes = read_cohort(settings.data.cohort).num_classes
    start = dict(build_model(settings.model, num_classes=num_classes, seed=settings.seed).state_dict())
    contrastive, classification, saliency, fusion = (load_file(run.best_of(name)) for name in settings.stages)

    first = moved(start, contrastive)
    assert all(name.startswith("densenet.features.") for name in first)
    untouched = ("densenet.features.norm5.weight", "densenet.features.norm5.bias")  # behind what is compared
    assert {name for name in start if name.startswith("densenet.features.")} - first == set(untouched)

    second = moved(contrastive, classification)
    assert all(name.startswith("densenet.") for name in second)
    assert {"densenet.classifier.weight", "densenet.features.norm5.weight", "densenet.features.conv0.weight"} <= second

    third = moved(classification, saliency)
    assert all(name.startswith(UNET) for name in third)  # neither weights nor statistics of the DenseNet
    assert {name.partition(".")[0] for name in third} == {"encoder", "decoder", "saliency"}
    assert any(name.endswith("running_mean") for name in third)

    assert moved(saliency, fusion) == {name for name in start if name.startswith("classifier.")}
    assert not moved(fusion, load_file(run.weights))


def test_the_log_has_the_loss_of_each_stage(run: RunFolder) -> None:
    steps = [line for line in run.metrics if "loss" in line]
    told = {line["stage"]: line.keys() for line in steps}
    assert list(told) == ["contrastive", "classification", "saliency", "fusion"]
    assert "triplet" in told["contrastive"]
    assert "maps" in told["saliency"]
    assert all("classification" in keys for keys in told.values())
    for line in steps:
        if line["stage"] == "saliency":
            assert line["loss"] == pytest.approx(line["maps"])  # the classes cost nothing here
