from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.attribution import LRP, Class
from sightline.errors import SettingsError, UnsupportedOperationError
from sightline.models import AttentionGatedSononet, ModelSettings, ag_sononet, build_model

AGGREGATIONS = ("concat", "mean", "deep_sup", "ft")
STAGES = ((3, 64, 3), (64, 128, 3), (128, 256, 3), (256, 512, 2), (512, 512, 2))  # inputs, outputs, convolutions


def layer_table(classes: int, scale: int) -> dict[str, int]:
    """Parameters of the source's layers: convolutions with bias, batch normalisation, gates, linear layers."""
    stages = 0
    for inputs, outputs, count in STAGES:
        first, planes = inputs if inputs == 3 else inputs // scale, outputs // scale
        stages += sum(9 * before * planes + planes + 2 * planes for before in (first, *(planes,) * (count - 1)))
    c3, c4, c5 = 256 // scale, 512 // scale, 512 // scale
    gates = sum(channels * c5 + c5 * c5 + c5 + 1 for channels in (c3, c4))
    single = sum(channels * classes + classes for channels in (c3, c4, c5))
    joint = (c3 + c4 + c5) * classes + classes
    heads = {"concat": joint, "mean": single, "deep_sup": joint + single, "ft": single + 3 * classes**2 + classes}
    return {name: stages + gates + head for name, head in heads.items()}


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
@pytest.mark.parametrize("scale", [1, 4, 8])
def test_parameters_are_those_of_the_layer_table(aggregation: str, scale: int) -> None:
    with torch.device("meta"):
        model = ag_sononet(14, feature_scale=scale, aggregation=aggregation)
    assert sum(p.numel() for p in model.parameters()) == layer_table(14, scale)[aggregation]
    if (aggregation, scale) == ("concat", 1):
        assert layer_table(14, 1)["concat"] == 11_122_832


@torch.no_grad()
def test_logits_are_the_source_written_out(
    images: Tensor, weights: Callable[[nn.Module], Callable[[str], list[Tensor]]]
) -> None:
    model = ag_sononet(4, width=8, feature_scale=2)
    norm = weights(model)
    state = model.state_dict()
    x, kept = images.double(), []
    for stage, (_, _, count) in enumerate(STAGES, start=1):
        if kept:
            x = F.max_pool2d(x, 2)
        for i in range(0, 3 * count, 3):
            name = f"conv{stage}.{{}}".format
            x = F.conv2d(x, state[name(f"{i}.weight")], state[name(f"{i}.bias")], padding=1)
            x = F.batch_norm(x, *norm(name(i + 1))).clamp(min=0)
        kept.append(x)
    vectors = []
    for gate, y in (("gate1", kept[2]), ("gate2", kept[3])):
        signal = F.interpolate(F.conv2d(kept[4], state[f"{gate}.phi.weight"]), y.shape[2:], mode="bilinear")
        inner = (F.conv2d(y, state[f"{gate}.theta.weight"]) + signal).clamp(min=0)
        scores = F.conv2d(inner, state[f"{gate}.psi.weight"]).flatten(2)
        share = scores - scores.amin(2, keepdim=True)
        vectors.append((y.flatten(2) * share / share.sum(2, keepdim=True)).sum(2))
    vectors.append(kept[4].mean((2, 3)))
    logits = torch.cat(vectors, 1) @ state["classifier.weight"].T + state["classifier.bias"]
    torch.testing.assert_close(model(images.double()), logits)


@torch.no_grad()
@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_the_decision_follows_from_the_predictions(aggregation: str, images: Tensor) -> None:
    model = ag_sononet(4, width=8, aggregation=aggregation).eval()
    answer = model.answer(images)
    torch.testing.assert_close(model(images), answer.logits)
    pooled, _ = model._pooled(images)
    joint = torch.cat(pooled, 1)
    if aggregation in ("concat", "deep_sup"):
        torch.testing.assert_close(answer.logits, F.linear(joint, model.classifier.weight, model.classifier.bias))
    single = [head(vector) for head, vector in zip(getattr(model, "classifiers", ()), pooled, strict=False)]
    if aggregation == "mean":
        torch.testing.assert_close(answer.logits, sum(single) / 3)
    if aggregation == "ft":
        torch.testing.assert_close(answer.logits, model.classifier(torch.cat(single, 1)))
    asked = {"mean": single, "deep_sup": [answer.logits, *single]}.get(aggregation, [answer.logits])
    assert len(answer.predictions) == len(asked)
    for prediction, expected in zip(answer.predictions, asked, strict=True):
        torch.testing.assert_close(prediction, expected)
    assert [tuple(map_.shape) for map_ in answer.attention] == [(2, 1, 16, 16), (2, 1, 8, 8)]


def without_biases(**options: Any) -> AttentionGatedSononet:
    model = ag_sononet(3, width=4, **options).double().eval()
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
    return model


@pytest.mark.parametrize("normalisation", ["mean_flow", "range_normalise", "softmax", "sigmoid"])
@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_relevance_passes_the_gates_and_is_conserved_where_nothing_has_a_bias(
    images: Tensor, normalisation: str, aggregation: str
) -> None:
    model = without_biases(normalisation=normalisation, aggregation=aggregation)
    explanation = LRP(epsilon=0, input_rule=None)(model, images.double(), Class(1))
    torch.testing.assert_close(explanation.attribution.sum((1, 2, 3)), explanation.logits[:, 1])


def test_half_of_the_relevance_goes_through_the_coefficients(images: Tensor) -> None:
    model = without_biases()
    nn.init.zeros_(model.classifier.weight[:, 4 * 4 :])  # the first gate alone
    layers = LRP(epsilon=0, input_rule=None, layers=("gate1.psi",))(model, images.double(), Class(1))
    torch.testing.assert_close(layers.layers["gate1.psi"].sum((1, 2, 3)), layers.logits[:, 1] / 2)


def test_a_loss_on_the_relevance_reaches_the_gates(images: Tensor) -> None:
    model = ag_sononet(3, width=8)
    attribution = LRP()(model, images, Class(1)).attribution
    for weight in (model.gate1.theta.weight, model.gate2.phi.weight, model.conv1[0].weight):
        (gradient,) = torch.autograd.grad(attribution.abs().sum(), weight, retain_graph=True)
        assert gradient.abs().sum() > 0


def test_relevance_is_refused_where_scores_are_divided_by_their_sum(images: Tensor) -> None:
    model = ag_sononet(3, width=8, normalisation="mean").eval()
    with pytest.raises(UnsupportedOperationError, match="'div' of two activations"):
        LRP()(model, images, Class(1))
    assert LRP(unknown="gradient")(model, images, Class(1)).attribution.isfinite().all()


@torch.no_grad()
def test_a_3d_model_sees_equal_slices_as_the_2d_one_sees_a_slice(
    images: Tensor, randomise: Callable[[nn.Module], None], embed: Callable[[nn.Module, nn.Module], None]
) -> None:
    flat, deep = ag_sononet(4, width=4).eval(), ag_sononet(4, width=4, dimensions=3).eval()
    randomise(flat)
    embed(flat, deep)
    volumes = images.unsqueeze(2).expand(-1, -1, 16, -1, -1)
    torch.testing.assert_close(deep(volumes), flat(images), rtol=1e-4, atol=1e-4)


def test_it_is_built_by_its_name_with_its_options() -> None:
    settings = ModelSettings("ag_sononet", width=8, options={"aggregation": "deep_sup", "feature_scale": 2})
    model = build_model(settings, num_classes=3, seed=0)
    assert isinstance(model, AttentionGatedSononet)
    assert model.conv1[0].out_channels == 4


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"aggregation": "sum"}, "aggregation must be one of concat, mean, deep_sup, ft, got 'sum'"),
        ({"feature_scale": 0}, "feature_scale must be at least 1 and divide the width 64, got 0"),
        ({"feature_scale": 5}, "divide the width 64, got 5"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        ag_sononet(3, **options)
