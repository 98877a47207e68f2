"""The handlers in MONAI's trainers: the weights of the loop by hand, and a network that is left as it was."""

import copy
import logging
import warnings
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.attribution import LRP, GradCAM, Predicted
from sightline.errors import DataError, SettingsError
from sightline.guidance import BackgroundRelevance, MapSupervision, RightReasons
from sightline.metrics import relevance_share_inside

from .small_training import Small, assert_same_weights, hooks_on, optimiser_of, some_batches, train_by_hand


@pytest.fixture
def monai(torchvision: ModuleType) -> Iterator[SimpleNamespace]:
    """MONAI and our handlers; it warns of what it uses itself."""
    pytest.importorskip("ignite", reason="pytorch-ignite is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        engines = pytest.importorskip("monai.engines", reason="MONAI is not installed")
        import monai.data
        import monai.inferers

        from sightline.integrations import monai as ours

        for name in ("monai", "ignite"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        yield SimpleNamespace(
            Trainer=engines.SupervisedTrainer,
            Evaluator=engines.SupervisedEvaluator,
            MetaTensor=monai.data.MetaTensor,
            SimpleInferer=monai.inferers.SimpleInferer,
            Guidance=ours.GuidanceHandler,
            RelevanceInside=ours.RelevanceInside,
        )


def named(batches: list[tuple[Tensor, Tensor, Tensor]]) -> list[dict[str, Tensor]]:
    return [dict(zip(("image", "label", "region"), batch, strict=True)) for batch in batches]


def trainer_of(monai: SimpleNamespace, network: nn.Module, batches: list[Any], *handlers: Any, **options: Any) -> Any:
    return monai.Trainer(
        **{
            "device": "cpu",
            "max_epochs": 1,
            "train_data_loader": batches,
            "network": network,
            "optimizer": optimiser_of(network),
            "loss_function": F.cross_entropy,
            "train_handlers": handlers,
            **options,
        }
    )


@pytest.mark.parametrize("accumulated", [1, 2])
@pytest.mark.parametrize("guide", [BackgroundRelevance(strength=0.6), RightReasons(strength=0.1)])
def test_weights_are_those_of_the_loop_by_hand(monai: SimpleNamespace, accumulated: int, guide: Any) -> None:
    batches = some_batches(4)
    by_hand = Small()
    network = copy.deepcopy(by_hand)
    losses = train_by_hand(by_hand, guide, batches, accumulated=accumulated)
    trainer = trainer_of(
        monai,
        network,
        named(batches),
        monai.Guidance(copy.deepcopy(guide)),
        accumulation_steps=accumulated,
        decollate=False,
    )
    trainer.run()
    assert_same_weights(network, by_hand)
    assert float(trainer.state.output["loss"]) == pytest.approx(losses[-1], rel=1e-5)
    assert trainer.state.metrics["guidance_classification"] > 0


def test_a_network_that_monai_compiles_is_guided_and_explained_as_the_plain_one(monai: SimpleNamespace) -> None:
    torch._dynamo.reset()
    batches, guide = some_batches(3), BackgroundRelevance(strength=0.6, every=2)
    by_hand = Small()
    network = copy.deepcopy(by_hand)
    train_by_hand(by_hand, guide, batches)
    compiled = {"compile": True, "compile_kwargs": {"backend": "aot_eager"}}
    handler = monai.Guidance(copy.deepcopy(guide))
    trainer = trainer_of(monai, network, named(batches), handler, decollate=False, **compiled)
    trainer.run()
    assert isinstance(trainer.network, torch._dynamo.OptimizedModule)
    assert_same_weights(network, by_hand)
    found, expected = (LRP()(model, batches[0][0], Predicted()) for model in (trainer.network, by_hand))
    torch.testing.assert_close(found.attribution, expected.attribution, rtol=1e-4, atol=1e-6)


def test_meta_tensors_and_the_trainers_own_inferer_and_loss(monai: SimpleNamespace) -> None:
    class Doubled(monai.SimpleInferer):  # type: ignore[name-defined, misc]
        def __call__(self, inputs: Tensor, network: nn.Module, *args: Any, **kwargs: Any) -> Any:
            return super().__call__(2 * inputs, network, *args, **kwargs)

    def smooth(logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits, labels.as_subclass(Tensor), label_smoothing=0.2, reduction="none")

    class Twice(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, images: Tensor) -> Tensor:
            logits: Tensor = self.inner(2 * images)
            return logits

    batches, guide = some_batches(3), BackgroundRelevance(strength=0.6, input_rule=None)
    by_hand = Small()
    network = copy.deepcopy(by_hand)
    own = copy.deepcopy(guide)
    with own.classified_by(lambda logits, labels: smooth(logits, labels).mean()):
        train_by_hand(Twice(by_hand), own, batches)
    of_monai = [{name: monai.MetaTensor(part) for name, part in batch.items()} for batch in named(batches)]
    trainer_of(monai, network, of_monai, monai.Guidance(guide), inferer=Doubled(), loss_function=smooth).run()
    assert_same_weights(network, by_hand)


def test_parts_are_means_of_the_epoch(monai: SimpleNamespace) -> None:
    batches, guide = some_batches(3), BackgroundRelevance(strength=0.6)
    network = Small()
    own, copied, optimiser, outside = copy.deepcopy(guide), copy.deepcopy(network), None, []
    optimiser = optimiser_of(copied)
    for batch in batches:
        guided = own(copied, *batch)
        guided.loss.backward()
        optimiser.step()
        optimiser.zero_grad()
        outside.append(float(guided.parts["outside"]))
    trainer = trainer_of(monai, network, named(batches), monai.Guidance(guide))
    trainer.run()
    assert trainer.state.metrics["guidance_outside"] == pytest.approx(sum(outside) / 3, rel=1e-5)


def test_a_trainer_that_runs_again_is_guided_once(monai: SimpleNamespace) -> None:
    batches, guide = some_batches(2), BackgroundRelevance(strength=0.6)
    by_hand = Small()
    network = copy.deepcopy(by_hand)
    train_by_hand(by_hand, guide, batches + batches)
    trainer = trainer_of(monai, network, named(batches), monai.Guidance(guide))
    trainer.run()
    trainer.state.max_epochs = 2
    trainer.run()
    assert_same_weights(network, by_hand)
    assert hooks_on(network) == 0


def test_relevance_inside_is_measured_over_the_images_that_have_a_region(monai: SimpleNamespace) -> None:
    batches, network = some_batches(3), Small().eval()
    shares = torch.cat(
        [
            relevance_share_inside(LRP()(network, images, Predicted()).attribution.detach(), regions)
            for images, _, regions in batches
        ]
    )
    options = {"device": "cpu", "val_data_loader": named(batches), "network": network}
    evaluator = monai.Evaluator(**options, val_handlers=[monai.RelevanceInside()])
    for _ in range(2):  # the second epoch starts anew
        evaluator.run()
        assert evaluator.state.metrics["relevance_inside"] == pytest.approx(float(shares.nanmean()), rel=1e-5)
    assert hooks_on(network) == 0
    coarse = monai.Evaluator(**options, val_handlers=[monai.RelevanceInside(GradCAM(), name="grad_cam_inside")])
    coarse.run()
    assert 0 <= coarse.state.metrics["grad_cam_inside"] <= 1


def test_a_batch_without_regions_is_one_clear_line(monai: SimpleNamespace) -> None:
    batches = [{"image": batch[0], "label": batch[1]} for batch in some_batches(1)]
    trainer = trainer_of(monai, Small(), batches, monai.Guidance(BackgroundRelevance()))
    with pytest.raises(DataError, match="must hold the regions as 'region', got image, label; add them") as told:
        trainer.run()
    assert "\n" not in str(told.value)
    batches = [{**batch, "region": "nowhere"} for batch in batches]
    trainer = trainer_of(monai, Small(), batches, monai.Guidance(BackgroundRelevance()))
    with pytest.raises(DataError, match="must be a tensor, got str"):
        trainer.run()


def test_regions_may_be_found_by_a_function(monai: SimpleNamespace) -> None:
    batches, guide = some_batches(1), BackgroundRelevance(strength=0.6)
    by_hand = Small()
    network = copy.deepcopy(by_hand)
    train_by_hand(by_hand, guide, batches)
    handler = monai.Guidance(guide, region=lambda batch: 1 - batch["forbidden"])
    elsewhere = [{"image": images, "label": labels, "forbidden": 1 - regions} for images, labels, regions in batches]
    trainer_of(monai, network, elsewhere, handler).run()
    assert_same_weights(network, by_hand)


def test_what_cannot_be_guided_from_outside_is_refused(monai: SimpleNamespace) -> None:
    batches = named(some_batches(1))
    with pytest.raises(SettingsError, match="MapSupervision has parameters of its own"):
        trainer_of(monai, Small(), batches, monai.Guidance(MapSupervision(uncertainty="learned"))).run()
    options = {"device": "cpu", "val_data_loader": batches, "network": Small()}
    evaluator = monai.Evaluator(**options, val_handlers=[monai.Guidance(BackgroundRelevance())])
    with pytest.raises(SettingsError, match="got SupervisedEvaluator"):
        evaluator.run()
    own = {"iteration_update": lambda engine, batch: {}}
    trainer = trainer_of(monai, Small(), batches, monai.Guidance(BackgroundRelevance()), **own)
    with pytest.raises(SettingsError, match=r"does not ask engine\.inferer"):
        trainer.run()
