import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.attribution import LRP, Class, GradCAM
from sightline.errors import DataError, SettingsError
from sightline.models import HAM, ModelSettings, build_model, ham_resnet50, refine_maps, resnet50, save_weights
from sightline.models.ham import ForegroundAttention, _soft_maximum
from sightline.models.layers import layers_for
from sightline.models.resnet import Bottleneck, ResNet


def small(**options: int | None) -> HAM:
    return HAM(4, ResNet(1, Bottleneck, (1, 1, 2, 2), width=4), **options)  # type: ignore[arg-type]


def test_parameters_are_those_of_the_layer_table() -> None:
    with torch.device("meta"):
        model = ham_resnet50(14)
    backbone = 25_557_032 - 1000 * 2049  # torchvision's ResNet-50 without its last layer
    attention = 9 * 2048 * 512 + 2 * 512 + 9 * 512 * 512 + 2 * 512
    block = 512 + 2 * 512 * 64 + 512 * 512 + 512 + 9 + 2 + 1
    head = 9 * 2560 * 512 + 2 * 512 + 512 + 14 * 512
    assert sum(p.numel() for p in model.parameters()) == backbone + attention + block + head == 47_440_460


def test_the_backbone_has_the_names_and_shapes_of_a_resnet() -> None:
    with torch.device("meta"):
        ham, resnet = ham_resnet50(14), resnet50(14)
    shapes = {name: tensor.shape for name, tensor in ham.state_dict().items()}
    theirs = {name: tensor.shape for name, tensor in resnet.state_dict().items() if not name.startswith("fc.")}
    assert theirs.items() <= shapes.items()


@torch.no_grad()
def test_logits_and_maps_are_the_source_written_out(
    images: Tensor, weights: Callable[[nn.Module], Callable[[str], list[Tensor]]]
) -> None:
    model = small()
    norm = weights(model)
    state = model.state_dict()

    def conv_norm(x: Tensor, conv: str, bn: str, **geometry: int) -> Tensor:
        return F.batch_norm(F.conv2d(x, state[f"{conv}.weight"], **geometry), *norm(bn))

    x = F.max_pool2d(conv_norm(images.double(), "conv1", "bn1", stride=2, padding=3).clamp(min=0), 3, 2, 1)
    blocks = [("layer1.0", 1, 1), ("layer2.0", 2, 1)]
    blocks += [("layer3.0", 1, 2), ("layer3.1", 1, 2), ("layer4.0", 1, 4), ("layer4.1", 1, 4)]
    for name, stride, dilation in blocks:
        h = conv_norm(x, f"{name}.conv1", f"{name}.bn1").clamp(min=0)
        h = conv_norm(h, f"{name}.conv2", f"{name}.bn2", stride=stride, padding=dilation, dilation=dilation)
        h = conv_norm(h.clamp(min=0), f"{name}.conv3", f"{name}.bn3")
        if f"{name}.downsample.0.weight" in state:
            x = conv_norm(x, f"{name}.downsample.0", f"{name}.downsample.1", stride=stride)
        x = (h + x).clamp(min=0)
    a = model.attention[2](conv_norm(x, "attention.0", "attention.1", padding=1))
    a = conv_norm(a, "attention.3", "attention.4", padding=1)
    features = conv_norm(torch.cat((x, a), 1), "head.0", "head.1", padding=1).clamp(min=0)
    assert features.shape == (2, 32, 8, 8)
    vectors = torch.log(torch.exp(6 * features).mean((2, 3))) / 6
    answer = model.answer(images.double())
    for logits, maps, head in (
        (answer.classes, answer.class_maps, model.classes),
        (answer.anomaly, answer.anomaly_map, model.anomaly),
    ):
        torch.testing.assert_close(logits, vectors @ head.weight.T)
        torch.testing.assert_close(maps, torch.einsum("kc,nchw->nkhw", head.weight, features).clamp(min=0))
    torch.testing.assert_close(model(images.double()), answer.classes)
    assert answer.logits is answer.classes


@torch.no_grad()
def test_the_foreground_attention_is_the_source_written_out(
    weights: Callable[[nn.Module], Callable[[str], list[Tensor]]],
) -> None:
    block = ForegroundAttention(layers_for(2), 16)
    norm = weights(block)
    x = torch.rand(2, 16, 5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    state = {name: tensor.flatten(1) for name, tensor in block.state_dict().items() if tensor.ndim > 1}
    share = torch.einsum("ic,nchw->nihw", state["weigh.weight"], x).flatten(1).softmax(1)
    pooled = torch.einsum("np,ncp->nc", share, x.flatten(2))
    gate = ((pooled @ state["squeeze.weight"].T).clamp(min=0) @ state["excite.weight"].T).sigmoid()
    p = torch.einsum("oc,nchw->nohw", state["mix.weight"], x) * gate[:, :, None, None]
    q = torch.einsum("oc,nchw->nohw", state["collapse.weight"], p)
    z = F.batch_norm(F.conv2d(q, block.smooth.weight, padding=1), *norm("norm")).sigmoid()
    assert block.gamma.item() != 0
    torch.testing.assert_close(block(x), x + block.gamma * q * z)
    block.gamma.zero_()
    assert torch.equal(block(x), x)
    assert ForegroundAttention(layers_for(2), 16).gamma.item() == 0


def test_the_pooling_lies_between_mean_and_maximum() -> None:
    features = torch.tensor([[[[0.0, 1.0], [0.0, 0.0]], [[2.0, 2.0], [2.0, 2.0]]]])
    expected = torch.tensor([[math.log((3 + math.exp(6)) / 4) / 6, 2.0]])
    torch.testing.assert_close(_soft_maximum(features), expected)
    assert 0.25 < expected[0, 0] < 1


def test_a_loss_on_the_maps_does_not_move_the_heads(images: Tensor) -> None:
    model = small()
    answer = model.answer(images)
    (answer.class_maps.sum() + answer.anomaly_map.sum()).backward()
    assert model.classes.weight.grad is None
    assert model.anomaly.weight.grad is None
    assert model.head[0].weight.grad.abs().sum() > 0
    assert model.conv1.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("normal", [0, 2, 3])
def test_the_normal_class_is_the_opposite_of_anything_abnormal(images: Tensor, normal: int) -> None:
    model = small(normal_class=normal).eval()
    answer = model.answer(images)
    assert torch.equal(answer.logits[:, normal], -answer.anomaly[:, 0])
    others = [index for index in range(4) if index != normal]
    assert model.abnormal(4) == others
    assert torch.equal(answer.logits[:, others], answer.classes)
    assert answer.classes.shape == (2, 3)
    assert torch.equal(model(images), answer.logits)


def test_a_normal_class_that_is_none_is_refused() -> None:
    with pytest.raises(SettingsError, match="normal_class must lie in 0 to 3 or be null, got 4"):
        small(normal_class=4)


def test_maps_are_refined_as_by_hand() -> None:
    maps = torch.tensor([[[[0.0, 3.0], [6.0, 9.0]], [[2.0, 2.0], [2.0, 2.0]]]], requires_grad=True)
    refined = refine_maps(maps, (2, 4))
    shares = torch.tensor([[0.0, 1.0, 2.0, 3.0], [6.0, 7.0, 8.0, 9.0]]) / 9  # corners stay corners
    torch.testing.assert_close(refined[0, 0], torch.sigmoid(100 * (shares - 0.4)), rtol=1e-4, atol=0)
    assert refined[0, 1].max() < 1e-15
    (gradient,) = torch.autograd.grad(refined.sum(), maps)
    assert gradient.isfinite().all()
    torch.testing.assert_close(refine_maps(7 * maps, (2, 4)), refined, rtol=1e-4, atol=0)


def test_it_starts_from_the_weights_of_a_resnet(tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        source = resnet50(10, width=4)
    save_weights(source, tmp_path / "resnet.safetensors")
    model = ham_resnet50(3, width=4, in_channels=1, backbone=tmp_path / "resnet.safetensors")
    torch.testing.assert_close(model.conv1.weight, source.conv1.weight.sum(1, keepdim=True))
    assert torch.equal(model.layer4[2].conv2.weight, source.layer4[2].conv2.weight)
    with pytest.raises(DataError, match="do not fit ResNet"):
        ham_resnet50(3, width=8, backbone=tmp_path / "resnet.safetensors")


@torch.no_grad()
def test_a_3d_model_sees_one_slice_as_the_middle_of_its_kernels_does(
    images: Tensor, randomise: Callable[[nn.Module], None], embed: Callable[[nn.Module, nn.Module], None]
) -> None:
    flat = HAM(3, ResNet(1, Bottleneck, (1, 1, 1, 1), width=4)).eval()
    deep = HAM(3, ResNet(1, Bottleneck, (1, 1, 1, 1), width=4, dimensions=3)).eval()
    randomise(flat)
    embed(flat, deep)
    torch.testing.assert_close(deep(images.unsqueeze(2)), flat(images), rtol=1e-4, atol=1e-4)


def test_its_last_feature_map_is_found(images: Tensor) -> None:
    assert GradCAM()(small().eval(), images, Class(1)).attribution.shape == (2, 1, 8, 8)


def test_relevance_passes_the_pooling_by_its_gradient(images: Tensor) -> None:
    model = small().double().eval()  # no layer has a bias, and those of batch normalisation start from 0
    explanation = LRP(epsilon=0, input_rule=None, unknown="gradient")(model, images.double(), Class(1))
    features = model._features(images.double()).flatten(2)
    pooled = ((6 * features).softmax(2) * features).sum(2)  # less than the soft maximum: its entropy is absorbed
    torch.testing.assert_close(explanation.attribution.sum((1, 2, 3)), pooled @ model.classes.weight[1])
    assert (explanation.attribution.sum((1, 2, 3)) - explanation.logits[:, 1]).abs().min() > 1e-6


def test_dropout_takes_whole_channels_in_training_only(images: Tensor) -> None:
    model = small(dropout=1.0)  # type: ignore[arg-type]
    assert (model(images) == 0).all()
    assert (model.eval()(images) != 0).any()


def test_it_is_built_by_its_name_with_its_options() -> None:
    settings = ModelSettings("ham_resnet50", width=4, dropout=0.1, options={"normal_class": 1})
    model = build_model(settings, num_classes=3, seed=0)
    assert isinstance(model, HAM)
    assert (model.normal_class, model.head[3].p) == (1, 0.1)
