"""The mixin in a Hugging Face trainer: the weights of the loop by hand, and a model that is left as it was."""

import copy
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.attribution import LRP, GradCAM, Predicted
from sightline.errors import DataError, SettingsError
from sightline.guidance import AttentionMining, BackgroundRelevance, MapSupervision
from sightline.integrations.huggingface import GuidanceMixin, LogitsOf

from .small_training import assert_same_weights, hooks_on, optimiser_of, some_batches, train_by_hand


@pytest.fixture
def hub(torchvision: ModuleType) -> Iterator[SimpleNamespace]:
    """The library, and a trainer with our mixin."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        transformers = pytest.importorskip("transformers", reason="transformers is not installed")
        pytest.importorskip("accelerate", reason="accelerate is not installed")
        transformers.utils.logging.set_verbosity_error()

        class Guided(GuidanceMixin, transformers.Trainer):  # type: ignore[name-defined, misc]
            pass

        yield SimpleNamespace(library=transformers, Trainer=Guided, Plain=transformers.Trainer)


def vit_of(hub: SimpleNamespace) -> Any:
    config = hub.library.ViTConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        image_size=16,
        patch_size=4,
        num_channels=1,
        num_labels=3,
    )
    return hub.library.ViTForImageClassification(config)


def resnet_of(hub: SimpleNamespace) -> Any:
    config = hub.library.ResNetConfig(
        num_channels=1, embedding_size=6, hidden_sizes=[8, 12], depths=[1, 1], layer_type="basic", num_labels=3
    )
    return hub.library.ResNetForImageClassification(config)


def cases(batches: list[tuple[Tensor, Tensor, Tensor]]) -> list[dict[str, Tensor]]:
    """One record a case, as a dataset has them."""
    return [
        dict(zip(("pixel_values", "labels", "regions"), case, strict=True))
        for batch in batches
        for case in zip(*batch, strict=True)
    ]


def trainer_of(hub: SimpleNamespace, model: nn.Module, data: list[Any], folder: Path, **options: Any) -> Any:
    own = {name: options.pop(name) for name in ("compute_loss_func", "regions", "prefix") if name in options}
    arguments = hub.library.TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=4,
        num_train_epochs=1,
        max_grad_norm=options.pop("max_grad_norm", 0.0),
        train_sampling_strategy="sequential",
        use_cpu=True,
        report_to=[],
        logging_steps=1,
        save_strategy="no",
        disable_tqdm=True,
        **{name: value for name, value in options.items() if name != "guide"},
    )
    optimiser = optimiser_of(model)
    steady = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda _step: 1.0)
    return hub.Trainer(
        model=model,
        args=arguments,
        train_dataset=data,
        eval_dataset=data,
        optimizers=(optimiser, steady),
        guide=options["guide"],
        **own,
    )


@pytest.mark.parametrize("accumulated", [1, 2])
@pytest.mark.parametrize("build", [vit_of, resnet_of])
def test_weights_are_those_of_the_loop_by_hand(
    hub: SimpleNamespace, build: Any, accumulated: int, tmp_path: Path
) -> None:
    batches, guide = some_batches(4), BackgroundRelevance(strength=0.6)
    by_hand = build(hub)
    model = copy.deepcopy(by_hand)
    losses = train_by_hand(LogitsOf(by_hand), guide, batches, accumulated=accumulated)
    options = {"gradient_accumulation_steps": accumulated, "guide": guide}
    trainer = trainer_of(hub, model, cases(batches), tmp_path, **options)
    trainer.train()
    assert_same_weights(model, by_hand)
    told = [line for line in trainer.state.log_history if "loss" in line]
    last = losses[-accumulated:]
    assert told[-1]["loss"] == pytest.approx(sum(last) / accumulated, rel=1e-4)
    assert {"guidance_outside", "guidance_background", "guidance_classification"} <= told[-1].keys()


@pytest.mark.parametrize("build", [vit_of, resnet_of])
def test_a_model_that_the_trainer_compiles_is_guided_as_the_plain_one(
    hub: SimpleNamespace, build: Any, tmp_path: Path
) -> None:
    torch._dynamo.reset()
    batches, guide = some_batches(4), BackgroundRelevance(strength=0.6, every=2)
    by_hand = build(hub)
    model = copy.deepcopy(by_hand)
    train_by_hand(LogitsOf(by_hand), guide, batches)
    compiled = {"torch_compile": True, "torch_compile_backend": "aot_eager"}
    trainer = trainer_of(hub, model, cases(batches), tmp_path, guide=guide, **compiled)
    trainer.train()
    assert isinstance(trainer.model_wrapped, torch._dynamo.OptimizedModule)
    assert_same_weights(model, by_hand)


def test_gradients_are_clipped_and_losses_smoothed_as_by_hand(hub: SimpleNamespace, tmp_path: Path) -> None:
    batches, guide = some_batches(4), BackgroundRelevance(strength=0.6)
    by_hand = vit_of(hub)
    model = copy.deepcopy(by_hand)
    own = copy.deepcopy(guide)
    with own.classified_by(lambda logits, labels: F.cross_entropy(logits, labels, label_smoothing=0.2)):
        train_by_hand(LogitsOf(by_hand), own, batches, accumulated=2, clip=0.05)
    options = {"gradient_accumulation_steps": 2, "label_smoothing_factor": 0.2, "max_grad_norm": 0.05, "guide": guide}
    trainer_of(hub, model, cases(batches), tmp_path, **options).train()
    assert_same_weights(model, by_hand)


def test_a_loss_function_of_the_users_stands_for_the_classification(hub: SimpleNamespace, tmp_path: Path) -> None:
    def own_loss(outputs: Any, labels: Tensor, num_items_in_batch: Any = None) -> Tensor:
        total = 3 * F.cross_entropy(outputs.logits, labels, reduction="sum")
        return total / (len(labels) if num_items_in_batch is None else num_items_in_batch)

    batches, guide = some_batches(4), BackgroundRelevance(strength=0.6)
    by_hand = vit_of(hub)
    model = copy.deepcopy(by_hand)
    own = copy.deepcopy(guide)
    with own.classified_by(lambda logits, labels: 3 * F.cross_entropy(logits, labels)):
        train_by_hand(LogitsOf(by_hand), own, batches, accumulated=2)
    options = {"gradient_accumulation_steps": 2, "guide": guide, "compute_loss_func": own_loss}
    trainer_of(hub, model, cases(batches), tmp_path, **options).train()
    assert_same_weights(model, by_hand)


def test_mixed_precision_is_the_trainers(hub: SimpleNamespace, tmp_path: Path) -> None:
    batches, guide = some_batches(3), BackgroundRelevance(strength=0.6)
    by_hand = vit_of(hub)
    model = copy.deepcopy(by_hand)
    optimiser, own = optimiser_of(by_hand), copy.deepcopy(guide)
    for batch in batches:
        with torch.autocast("cpu", torch.bfloat16):
            loss = own(LogitsOf(by_hand.train()), *batch).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    trainer_of(hub, model, cases(batches), tmp_path, guide=guide, bf16=True).train()
    assert_same_weights(model, by_hand)


def test_guidances_of_two_passes(hub: SimpleNamespace, tmp_path: Path) -> None:
    batches = some_batches(2)
    for guide in (AttentionMining(), BackgroundRelevance(layers="auto")):
        by_hand = resnet_of(hub)
        model = copy.deepcopy(by_hand)
        train_by_hand(LogitsOf(by_hand), guide, batches)
        trainer_of(hub, model, cases(batches), tmp_path, guide=guide).train()
        assert_same_weights(model, by_hand)


def test_evaluation_is_the_trainers_own(hub: SimpleNamespace, tmp_path: Path) -> None:
    batches = some_batches(2)
    model = vit_of(hub).eval()
    trainer = trainer_of(hub, model, cases(batches), tmp_path, guide=BackgroundRelevance())
    found = trainer.evaluate()
    with torch.no_grad():
        losses = [F.cross_entropy(model(pixel_values=images).logits, labels) for images, labels, _ in batches]
    assert found["eval_loss"] == pytest.approx(float(torch.stack(losses).mean()), rel=1e-5)
    answers = trainer.predict(cases(batches)).predictions
    torch.testing.assert_close(torch.from_numpy(answers[:4]), model(pixel_values=batches[0][0]).logits.detach())


def test_outputs_are_returned_where_they_are_asked_for(hub: SimpleNamespace, tmp_path: Path) -> None:
    batches = some_batches(1)
    model = vit_of(hub).train()
    trainer = trainer_of(hub, model, cases(batches), tmp_path, guide=BackgroundRelevance(strength=0.6))
    inputs = dict(zip(("pixel_values", "labels", "regions"), batches[0], strict=True))
    before = dict(inputs)
    loss, outputs = trainer.compute_loss(model, inputs, return_outputs=True, num_items_in_batch=torch.tensor(4))
    assert loss.requires_grad
    torch.testing.assert_close(outputs.logits, model(pixel_values=batches[0][0]).logits)
    assert all(inputs[name] is value for name, value in before.items())


def test_the_model_is_left_as_it_was(hub: SimpleNamespace, tmp_path: Path) -> None:
    model = resnet_of(hub)
    names = list(model.state_dict())
    trainer_of(hub, model, cases(some_batches(2)), tmp_path, guide=BackgroundRelevance()).train()
    assert list(model.state_dict()) == names
    assert hooks_on(model) == 0


def test_a_column_of_a_table_is_kept_for_training(hub: SimpleNamespace, tmp_path: Path) -> None:
    trainer = trainer_of(hub, vit_of(hub), [], tmp_path, guide=BackgroundRelevance(), regions="mask")
    trainer._set_signature_columns_if_needed()
    assert "mask" in trainer._signature_columns
    assert "pixel_values" in trainer._signature_columns


def test_a_batch_without_regions_is_one_clear_line(hub: SimpleNamespace, tmp_path: Path) -> None:
    data = [{name: case[name] for name in ("pixel_values", "labels")} for case in cases(some_batches(1))]
    trainer = trainer_of(hub, vit_of(hub), data, tmp_path, guide=BackgroundRelevance())
    with pytest.raises(DataError, match="must hold regions as 'regions', got ") as told:
        trainer.train()
    assert "\n" not in str(told.value)


def test_what_cannot_be_guided_from_outside_is_refused(hub: SimpleNamespace, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="MapSupervision has parameters of its own"):
        trainer_of(hub, vit_of(hub), [], tmp_path, guide=MapSupervision(uncertainty="learned"))
    trainer = trainer_of(hub, vit_of(hub), [], tmp_path, guide=BackgroundRelevance())
    inputs = dict(zip(("pixel_values", "labels", "regions"), some_batches(1)[0], strict=True))
    with pytest.raises(SettingsError, match=r"nn\.DataParallel cannot be explained"):
        trainer.compute_loss(nn.DataParallel(vit_of(hub)).train(), inputs)


def test_a_model_of_the_hub_is_explained_by_the_names_of_its_layers(hub: SimpleNamespace) -> None:
    model = resnet_of(hub).eval()
    images = some_batches(1)[0][0]
    adapted = LogitsOf(model)
    assert list(dict(adapted.named_modules())) == list(dict(model.named_modules()))
    maps = GradCAM(layer="resnet.encoder.stages.0")(adapted, images, Predicted()).attribution
    assert maps.shape[:2] == (4, 1)
    explanation = LRP()(adapted, images, Predicted())
    torch.testing.assert_close(explanation.logits, model(pixel_values=images).logits)
    assert not model.training
    assert hooks_on(model) == 0


def test_a_model_without_logits_is_told() -> None:
    class Keyword(nn.Module):
        def forward(self, pixel_values: Tensor) -> Tensor:
            return pixel_values.mean((1, 2, 3))

    with pytest.raises(SettingsError, match="must answer with something that has logits"):
        LogitsOf(Keyword())(torch.rand(2, 1, 4, 4))
