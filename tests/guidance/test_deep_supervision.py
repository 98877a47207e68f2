from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.errors import SettingsError
from sightline.guidance import DeepSupervision, DeepSupervisionSettings
from sightline.models import AttentionGatedSononet, ag_sononet

LABELS = torch.tensor([0, 2])
REGIONS = torch.ones(2, 1, 16, 16)


def drawn(aggregation: str) -> tuple[AttentionGatedSononet, Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model = ag_sononet(3, width=4, in_channels=1, aggregation=aggregation)
        images = torch.rand(2, 1, 16, 16)
    return model.eval(), images


@pytest.mark.parametrize(
    ("aggregation", "weights"),
    [("deep_sup", (1.0, 0.1, 0.1, 0.1)), ("mean", (1.0, 1.0, 1.0)), ("concat", (1.0,)), ("ft", (1.0,))],
)
@pytest.mark.parametrize("given", [True, False])
def test_the_loss_is_the_weighted_sum_over_the_predictions(
    aggregation: str, weights: tuple[float, ...], given: bool
) -> None:
    model, images = drawn(aggregation)
    weights = tuple(3 * weight + 0.1 * m for m, weight in enumerate(weights)) if given else weights
    guided = DeepSupervision(weights=weights if given else None)(model, images, LABELS, REGIONS)
    answer = model.answer(images)
    losses = [F.cross_entropy(prediction, LABELS) for prediction in answer.predictions]
    torch.testing.assert_close(guided.loss, sum(w * part for w, part in zip(weights, losses, strict=True)))
    torch.testing.assert_close(guided.logits, answer.logits)
    torch.testing.assert_close(guided.parts["classification"], F.cross_entropy(answer.logits, LABELS).detach())
    torch.testing.assert_close(guided.parts[f"prediction_{len(weights)}"], losses[-1].detach())


def test_each_prediction_trains_its_own_layer() -> None:
    model, images = drawn("deep_sup")
    DeepSupervision(weights=(1.0, 0.0, 0.1, 0.1))(model, images, LABELS, REGIONS).loss.backward()
    reached = [head.weight.grad is not None and bool(head.weight.grad.any()) for head in model.classifiers]
    assert reached == [False, True, True]
    assert model.classifier.weight.grad.any()


def test_weights_and_models_that_do_not_fit_are_refused() -> None:
    model, images = drawn("concat")
    with pytest.raises(SettingsError, match="weights must be 1 for this model, got"):
        DeepSupervision(weights=(1.0, 0.1))(model, images, LABELS, REGIONS)
    with pytest.raises(SettingsError, match="needs a model whose answer"):
        DeepSupervision()(nn.Flatten(), images, LABELS, REGIONS)


@pytest.mark.parametrize("weights", [(), (0.0, 0.0), (1.0, -1.0)])
def test_weights_out_of_range_are_refused(weights: Any) -> None:
    with pytest.raises(SettingsError, match="weights must be numbers of at least 0, one of them above"):
        DeepSupervisionSettings(weights=weights)
