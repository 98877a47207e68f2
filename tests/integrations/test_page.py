"""What docs/integrations.md shows runs as it stands there."""

import logging
import re
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from sightline.guidance import BackgroundRelevance
from sightline.types import Explanation

from .small_training import Small, optimiser_of, some_batches

PAGE = Path(__file__).parents[2] / "docs" / "integrations.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def run(beginning: str, **names: Any) -> dict[str, Any]:
    (block,) = (block for block in BLOCKS if beginning in block)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(block, PAGE.name, "exec"), names)
    return names


def changed(model: nn.Module, before: dict[str, Tensor]) -> bool:
    return any(not torch.equal(value, before[name]) for name, value in model.state_dict().items())


def state_of(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_a_loop_of_ones_own() -> None:
    images, labels, regions = some_batches(1)[0]
    model = Small()
    run("guide(model", guide=BackgroundRelevance(), model=model, images=images, labels=labels, regions=regions)
    assert model[0].weight.grad is not None


def test_lightning(torchvision: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pl = pytest.importorskip("lightning.pytorch", reason="lightning is not installed")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    monkeypatch.chdir(tmp_path)

    class Module(pl.LightningModule):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.network = Small()

        def forward(self, images: Tensor) -> Any:
            return self.network(images)

        def training_step(self, batch: Any, batch_idx: int) -> Tensor:
            return F.cross_entropy(self(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return optimiser_of(self)

    module = Module()
    before = state_of(module)
    names = run("GuidanceCallback", module=module, loader=DataLoader(some_batches(1), batch_size=None))
    assert changed(module, before)
    assert "guidance/outside" in names["trainer"].callback_metrics
    step = run("def training_step")["training_step"]
    module.guide = BackgroundRelevance()
    assert step(module, some_batches(1)[0], 0).requires_grad


def test_monai(torchvision: ModuleType) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("monai.engines", reason="MONAI is not installed")
        pytest.importorskip("ignite", reason="pytorch-ignite is not installed")
    batches = [dict(zip(("image", "label", "region"), batch, strict=True)) for batch in some_batches(2)]
    network = Small()
    common = {"device": "cpu", "network": network}
    own = {"max_epochs": 1, "optimizer": optimiser_of(network), "loss_function": F.cross_entropy}
    before = state_of(network)
    names = run(
        "GuidanceHandler(",
        training={**common, **own, "train_data_loader": batches},
        validation={**common, "val_data_loader": batches},
    )
    assert changed(network, before)
    assert 0 < names["evaluator"].state.metrics["relevance_inside"] < 1


def test_hugging_face(torchvision: ModuleType, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        transformers = pytest.importorskip("transformers", reason="transformers is not installed")
        pytest.importorskip("accelerate", reason="accelerate is not installed")
        config = transformers.ResNetConfig(
            num_channels=1, embedding_size=6, hidden_sizes=[8], depths=[1], layer_type="basic", num_labels=3
        )
        model = transformers.ResNetForImageClassification(config)
        arguments = transformers.TrainingArguments(
            output_dir=str(tmp_path), max_steps=1, use_cpu=True, report_to=[], save_strategy="no", disable_tqdm=True
        )
    images, labels, regions = some_batches(1)[0]
    data = [
        {"pixel_values": image, "labels": label, "regions": region}
        for image, label, region in zip(images, labels, regions, strict=True)
    ]
    before = state_of(model)
    names = run("GuidedTrainer(", model=model, arguments=arguments, data=data, images=images)
    assert changed(model, before)
    assert isinstance(names["explanation"], Explanation)


def test_every_block_is_run() -> None:
    run_here = re.findall(r'run\(\s*"(.+?)"', Path(__file__).read_text(encoding="utf-8"))
    assert len(run_here) == len(BLOCKS)
