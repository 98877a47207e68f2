"""The callback of both packages: the weights of the loop by hand, and a module that is left as it was."""

import copy
import importlib
import logging
import warnings
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

from sightline.errors import DataError, SettingsError
from sightline.guidance import BackgroundRelevance, HierarchicalAttention, MapSupervision, RightReasons
from sightline.types import Batch, Guided

from .small_training import Small, assert_same_weights, hooks_on, optimiser_of, some_batches, train_by_hand


@pytest.fixture(params=["lightning", "pytorch_lightning"])
def package(request: pytest.FixtureRequest, torchvision: ModuleType) -> SimpleNamespace:
    """One of the two packages, and our callback for it."""
    pytest.importorskip(request.param, reason=f"{request.param} is not installed")
    pl = importlib.import_module("lightning.pytorch" if request.param == "lightning" else request.param)
    ours = importlib.import_module(f"sightline.integrations.{request.param}")
    return SimpleNamespace(pl=pl, Callback=ours.GuidanceCallback, module=module_of(pl))


def module_of(pl: ModuleType) -> type:
    """A module as somebody would write it, with a loss of its own and no word of guidance."""

    class Classifier(pl.LightningModule):  # type: ignore[name-defined, misc]
        def __init__(self, network: nn.Module, *, smoothing: float = 0.0, record: bool = False) -> None:
            super().__init__()
            self.network, self.smoothing, self.record = network, smoothing, record

        def forward(self, images: Tensor) -> Tensor:
            logits: Tensor = self.network(images)
            return logits

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            images, labels, *_ = batch
            loss = F.cross_entropy(self(images), labels, label_smoothing=self.smoothing)
            self.log("own", loss)
            return {"loss": loss, "index": batch_idx} if self.record else loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return optimiser_of(self)

    return Classifier


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Trainers talk, and warn of how few workers load four images."""
    logs = [logging.getLogger(name) for name in ("lightning.pytorch", "pytorch_lightning", "lightning.fabric")]
    levels = [log.level for log in logs]
    for log in logs:
        log.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    for log, level in zip(logs, levels, strict=True):
        log.setLevel(level)


DOUBLE = {"precision": "64-true"}  # two forward passes add up in another order than one


def fit(package: SimpleNamespace, module: Any, batches: list[Any], *callbacks: Any, **options: Any) -> Any:
    trainer = package.pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=list(callbacks),
        **options,
    )
    trainer.fit(module, DataLoader(batches, batch_size=None))
    return trainer


@pytest.mark.parametrize("accumulated", [1, 2])
def test_weights_are_those_of_the_loop_by_hand(package: SimpleNamespace, accumulated: int) -> None:
    batches, guide = some_batches(4, dtype=torch.float64), BackgroundRelevance(strength=0.6)
    by_hand = Small().double()
    module = package.module(copy.deepcopy(by_hand))
    losses = train_by_hand(by_hand, guide, batches, accumulated=accumulated)
    trainer = fit(package, module, batches, package.Callback(guide), **DOUBLE, accumulate_grad_batches=accumulated)
    assert_same_weights(module.network, by_hand)
    assert float(trainer.callback_metrics["guidance/loss"]) == pytest.approx(losses[-1], rel=1e-5)
    assert {"own", "guidance/outside", "guidance/background"} <= trainer.callback_metrics.keys()


@pytest.mark.parametrize("accumulated", [1, 2])
def test_gradients_are_clipped_as_by_hand(package: SimpleNamespace, accumulated: int) -> None:
    batches, guide = some_batches(4, dtype=torch.float64), RightReasons(strength=0.5)
    by_hand = Small().double()
    module = package.module(copy.deepcopy(by_hand))
    train_by_hand(by_hand, guide, batches, accumulated=accumulated, clip=0.05)
    options = {"accumulate_grad_batches": accumulated, "gradient_clip_val": 0.05, **DOUBLE}
    fit(package, module, batches, package.Callback(guide), **options)
    assert_same_weights(module.network, by_hand)


def test_a_compiled_network_is_guided_as_the_plain_one(package: SimpleNamespace) -> None:
    torch._dynamo.reset()
    batches, guide = some_batches(3, dtype=torch.float64), BackgroundRelevance(strength=0.6, every=2)
    by_hand = Small().double()
    network = copy.deepcopy(by_hand)
    train_by_hand(by_hand, guide, batches)
    module = package.module(torch.compile(network, backend="aot_eager"))
    fit(package, module, batches, package.Callback(guide), **DOUBLE)
    assert_same_weights(network, by_hand)


class Recording(BackgroundRelevance):
    """Notes in which precision the guided pass answers."""

    def forward(self, model: nn.Module, images: Tensor, labels: Tensor, regions: Tensor) -> Guided:
        guided = super().forward(model, images, labels, regions)
        self.dtypes = {guided.logits.dtype, guided.loss.dtype}
        return guided


def test_mixed_precision_is_the_trainers(package: SimpleNamespace) -> None:
    guide, module = Recording(strength=0.6), package.module(Small())
    before = copy.deepcopy(module.network)
    fit(package, module, some_batches(3), package.Callback(guide), precision="bf16-mixed")
    assert guide.dtypes == {torch.bfloat16, torch.float32}
    for one, other in zip(module.network.parameters(), before.parameters(), strict=True):
        assert one.dtype == torch.float32
        assert 0 < float((one - other).detach().abs().max()) < 1


def test_the_modules_own_loss_stands_for_the_classification(package: SimpleNamespace) -> None:
    batches, guide = some_batches(3, dtype=torch.float64), BackgroundRelevance(strength=0.6)
    by_hand = Small().double()
    module = package.module(copy.deepcopy(by_hand), smoothing=0.2, record=True)
    own = copy.deepcopy(guide)
    with own.classified_by(lambda logits, labels: F.cross_entropy(logits, labels, label_smoothing=0.2)):
        train_by_hand(by_hand, own, batches)
    fit(package, module, batches, package.Callback(guide), **DOUBLE)
    assert_same_weights(module.network, by_hand)


def test_batches_of_names_and_a_part_of_the_module(package: SimpleNamespace) -> None:
    batches, guide = some_batches(2, dtype=torch.float64), BackgroundRelevance(strength=0.6)

    class Named(package.module):  # type: ignore[name-defined, misc]
        def forward(self, images: Tensor) -> Tensor:
            raise AssertionError("the network was named")

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            return F.cross_entropy(self.network(batch["x"]), batch["y"])

    by_hand = Small().double()
    module = Named(copy.deepcopy(by_hand))
    train_by_hand(by_hand, guide, batches)
    callback = package.Callback(guide, network="network", read=lambda batch: (batch["x"], batch["y"], batch["allowed"]))
    fit(
        package, module, [dict(zip(("x", "y", "allowed"), batch, strict=True)) for batch in batches], callback, **DOUBLE
    )
    assert_same_weights(module.network, by_hand)


def test_the_module_is_left_as_it_was(package: SimpleNamespace) -> None:
    module = package.module(Small())
    attributes, step = set(vars(module)), module.training_step.__func__
    fit(package, module, some_batches(2), package.Callback(BackgroundRelevance()))
    assert set(vars(module)) - {"_hparams"} == attributes  # which the trainer makes
    assert module.training_step.__func__ is step
    assert hooks_on(module) == 0


def test_the_module_is_left_as_it_was_after_an_error(package: SimpleNamespace) -> None:
    module = package.module(Small())
    own = vars(module)["training_step"] = lambda batch, batch_idx: (_ for _ in ()).throw(RuntimeError("torn cable"))
    with pytest.raises(RuntimeError, match="torn cable"):
        fit(package, module, some_batches(2), package.Callback(BackgroundRelevance()))
    assert module.training_step is own
    assert hooks_on(module) == 0


def test_running_statistics_move_once_a_step(package: SimpleNamespace) -> None:
    module = package.module(Small())
    fit(package, module, some_batches(3), package.Callback(BackgroundRelevance()))
    assert int(module.network[1].num_batches_tracked) == 3


def test_a_skipped_batch_is_skipped(package: SimpleNamespace) -> None:
    class Skipping(package.module):  # type: ignore[name-defined, misc]
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            return None if batch_idx == 0 else super().training_step(batch, batch_idx)

    batches, guide = some_batches(2, dtype=torch.float64), BackgroundRelevance(strength=0.6)
    by_hand = Small().double()
    module = Skipping(copy.deepcopy(by_hand))
    train_by_hand(by_hand, guide, batches[1:])
    fit(package, module, batches, package.Callback(guide), **DOUBLE)
    assert_same_weights(module.network, by_hand)


def test_the_draw_of_classes_goes_on_from_a_checkpoint(package: SimpleNamespace, tmp_path: Any) -> None:
    batches = some_batches(4)
    whole = package.module(Small())
    start = copy.deepcopy(whole.network)
    fit(package, whole, batches, package.Callback(BackgroundRelevance(strength=0.6)))
    first = package.module(start)
    trainer = fit(package, first, batches[:2], package.Callback(BackgroundRelevance(strength=0.6)))
    trainer.save_checkpoint(tmp_path / "half.ckpt")
    second = package.module(Small())
    again = package.pl.Trainer(
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[package.Callback(BackgroundRelevance(strength=0.6))],
    )
    again.fit(second, DataLoader(batches[2:], batch_size=None), ckpt_path=tmp_path / "half.ckpt")
    assert_same_weights(second.network, whole.network)


@pytest.mark.parametrize(
    ("batch", "words"),
    [
        (lambda images, labels: (images, labels), "got a list of 2; add the regions"),
        (lambda images, labels: (images, labels, [1.0]), "must be tensors, got Tensor, Tensor, list"),
    ],
)
def test_a_batch_without_regions_is_one_clear_line(package: SimpleNamespace, batch: Any, words: str) -> None:
    images, labels, _ = some_batches(1)[0]
    module = package.module(Small())
    with pytest.raises(DataError, match=words) as told:
        fit(package, module, [list(batch(images, labels))], package.Callback(BackgroundRelevance()))
    assert "\n" not in str(told.value)
    assert "training_step" not in vars(module)


def test_what_cannot_be_guided_from_outside_is_refused(package: SimpleNamespace) -> None:
    class Manual(package.module):  # type: ignore[name-defined, misc]
        def __init__(self, network: nn.Module) -> None:
            super().__init__(network)
            self.automatic_optimization = False

    batches = some_batches(1)
    with pytest.raises(SettingsError, match="Manual optimises manually"):
        fit(package, Manual(Small()), batches, package.Callback(BackgroundRelevance()))
    with pytest.raises(SettingsError, match="MapSupervision has parameters of its own"):
        fit(package, package.module(Small()), batches, package.Callback(MapSupervision(uncertainty="learned")))
    with pytest.raises(SettingsError, match="network must name a part of Classifier"):
        fit(package, package.module(Small()), batches, package.Callback(BackgroundRelevance(), network="net"))
    with pytest.raises(SettingsError, match="guide must be a Guidance"):
        fit(package, package.module(Small()), batches, package.Callback(nn.Identity()))
    own = package.module(Small())
    own.guide = BackgroundRelevance()
    with pytest.raises(SettingsError, match="is a part of Classifier"):
        fit(package, own, batches, package.Callback(own.guide))


def test_a_batch_of_ours_is_read(package: SimpleNamespace) -> None:
    images, labels, regions = some_batches(1)[0]
    read = package.Callback(HierarchicalAttention()).read
    assert read(Batch(images, labels, regions, ("a",) * len(images))) == (images, labels, regions)
