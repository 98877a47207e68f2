import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.errors import DataError, LayerNotFoundError, SettingsError, ShapeError
from sightline.guidance import MaskLoss, classification_loss, forbidden_attention
from sightline.models import ModelSettings, build_model
from sightline.types import LinearAnswer

NAN = float("nan")
CLASSES, SLICES = 3, 2


class Groups(nn.Module):
    """Volumes to features `(N, F, S, h, w)`, three slices at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3, stride=2), nn.BatchNorm2d(4)

    def forward(self, volumes: Tensor) -> Tensor:
        groups = volumes.reshape(-1, 3, *volumes.shape[3:])
        return self.norm(self.conv(groups)).relu().unflatten(0, (len(volumes), -1)).transpose(1, 2)


class Axial(nn.Module):
    """As AxialNet: the mean over slices of one fully connected layer of their features."""

    def __init__(self) -> None:
        super().__init__()
        self.features, self.head = Groups(), nn.Linear(4 * 3 * 2, CLASSES)

    def forward(self, volumes: Tensor) -> Tensor:
        return self.linear_answer(volumes).logits

    def linear_answer(self, volumes: Tensor) -> LinearAnswer:
        features = self.features(volumes)
        logits = self.head(features.transpose(1, 2).flatten(2)).mean(1)
        weights = self.head.weight.view(CLASSES, 4, 1, 3, 2)
        return LinearAnswer(logits, features, weights, 1 / features.shape[2], self.head.bias)


class Unknown(nn.Module):
    """The same without a word on how it answers."""

    def __init__(self, net: Axial) -> None:
        super().__init__()
        self.features, self.head = net.features, net.head

    def forward(self, volumes: Tensor) -> Tensor:
        logits: Tensor = self.head(self.features(volumes).mean(2).flatten(1))
        return logits


@pytest.fixture
def net() -> Axial:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = Axial().double()
        net(volumes(8))  # statistics that are not the initial ones
        return net.eval()


def volumes(count: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(count)
    return torch.rand(count, 1, 3 * SLICES, 8, 6, generator=generator, dtype=torch.float64)


def batch() -> tuple[Tensor, Tensor, Tensor]:
    """Volumes, labels and regions: an organ for a present class, nothing for an absent one, NaN for an unknown one."""
    labels = torch.tensor([[1.0, 0.0, NAN], [1.0, 1.0, 0.0]], dtype=torch.float64)
    organs = torch.rand(2, CLASSES, SLICES, 3, 2, generator=torch.Generator().manual_seed(5)).double().round()
    regions = labels[:, :, None, None, None] * organs
    assert 0 < regions[0, 0].mean() < 1
    return volumes(), labels, regions


def by_hand(net: Axial, regions: Tensor) -> Tensor:
    """The mean over volumes of the mean over known and forbidden elements."""
    answer = net.linear_answer(volumes())
    attention = (answer.weights[None] * answer.features[:, None]).sum(2)  # (N, K, S, h, w)
    losses = []
    for each, allowed in zip(attention, regions, strict=True):
        forbidden = each[allowed == 0]
        losses.append(F.binary_cross_entropy_with_logits(forbidden, torch.zeros_like(forbidden)))
    return torch.stack(losses).mean()


def test_the_loss_is_classification_and_a_third_of_the_mask_loss(net: Axial) -> None:
    images, labels, regions = batch()
    guided = MaskLoss()(net, images, labels, regions)
    classification, mask = classification_loss(net(images), labels), by_hand(net, regions)
    torch.testing.assert_close(guided.logits, net(images))
    torch.testing.assert_close(guided.loss, classification + mask / 3)
    assert guided.parts.keys() == {"classification", "mask"}
    torch.testing.assert_close(guided.parts["classification"], classification.detach())
    torch.testing.assert_close(guided.parts["mask"], mask.detach())
    assert not any(part.requires_grad for part in guided.parts.values())


@pytest.mark.parametrize("layer", [None, "features"])
@pytest.mark.parametrize("kind", ["hirescam", "grad_cam"])
@pytest.mark.parametrize("penalty", ["log", "l2"])
def test_the_engine_draws_what_the_closed_form_says(net: Axial, kind: Any, layer: str | None, penalty: Any) -> None:
    images, labels, regions = batch()
    closed = MaskLoss(map=kind, penalty=penalty, scaled=True, weight=3.0)
    drawn = MaskLoss(map=kind, penalty=penalty, layer=layer, weight=3.0)
    model = Unknown(net)
    for one, other in zip(closed.attention(net, images), drawn.attention(model, images), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-12)
    losses = [closed(net, images, labels, regions).loss, drawn(model, images, labels, regions).loss]
    torch.testing.assert_close(*losses, rtol=1e-6, atol=0)
    gradients = [torch.autograd.grad(loss, list(net.parameters())) for loss in losses]
    for mine, engines in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, engines, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("kind", ["hirescam", "grad_cam"])
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("axialnet", {"channels": [5, 4]}),
        ("axialnet", {"channels": []}),
        ("axialnet", {"channels": [4], "final_3d": True}),
        ("axialnet", {"channels": [4], "offset": 0.449, "slices_at_once": 1, "checkpointing": True}),
        ("body_cam", {"channels": [4]}),
    ],
)
def test_the_closed_form_of_our_models_is_the_engine_s_map(name: str, options: dict[str, Any], kind: Any) -> None:
    options = {"size": (9, 24, 16), "padding": 1, "trunk_stages": 2, **options}
    model = build_model(ModelSettings(name, in_channels=1, width=8, options=options), num_classes=CLASSES, seed=0)
    model, generator = model.double().eval(), torch.Generator().manual_seed(0)
    images = torch.rand(2, 1, 9, 24, 16, generator=generator, dtype=torch.float64)
    closed, drawn = MaskLoss(map=kind, scaled=True), MaskLoss(map=kind, layer="features")
    for one, other in zip(closed.attention(model, images), drawn.attention(model, images), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-14)
    assert closed.attention(model, images)[1].std() > 1e-6
    labels = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, NAN]], dtype=torch.float64)
    regions = labels[:, :, None, None, None] * torch.tensor([1.0, 0.0, 1.0]).double()[:, None, None]
    losses = [guidance(model, images, labels, regions).loss for guidance in (closed, drawn)]
    gradients = [torch.autograd.grad(loss, list(model.parameters())) for loss in losses]
    for mine, engines in zip(*gradients, strict=True):
        torch.testing.assert_close(mine, engines, rtol=1e-6, atol=1e-12)


def test_a_named_layer_is_explained_by_the_engine_also_where_a_closed_form_is_there(net: Axial) -> None:
    images = volumes()
    named, closed = MaskLoss(layer="features"), MaskLoss(scaled=True)
    torch.testing.assert_close(named.attention(net, images), closed.attention(net, images))
    with pytest.raises(LayerNotFoundError, match="layer 'body' is not in the model"):
        MaskLoss(layer="body").attention(net, images)


def test_attention_is_without_the_mean_over_slices_unless_scaled(net: Axial) -> None:
    plain, scaled = (MaskLoss(scaled=scaled).attention(net, volumes())[1] for scaled in (False, True))
    torch.testing.assert_close(plain, SLICES * scaled)
    torch.testing.assert_close(scaled.flatten(2).sum(2) + net.head.bias, net(volumes()))


@pytest.mark.parametrize("options", [{}, {"map": "grad_cam"}, {"penalty": "l2", "reduction": "sum"}])
@pytest.mark.parametrize("where", ["features.conv.weight", "features.conv.bias", "features.norm.weight", "head.weight"])
def test_the_gradient_reaches_features_and_weights(net: Axial, options: dict[str, Any], where: str) -> None:
    images, labels, regions = batch()
    guidance, weight = MaskLoss(weight=5.0, **options), net.get_parameter(where)

    def loss() -> Tensor:
        return guidance(net, images, labels, regions).loss

    (gradient,) = torch.autograd.grad(loss(), weight)
    (plain,) = torch.autograd.grad(classification_loss(net(images), labels), weight)
    place, step = int((gradient - plain).abs().argmax()), 1e-6
    with torch.no_grad():
        flat = weight.view(-1)
        flat[place] += step
        above = loss()
        flat[place] -= 2 * step
        below = loss()
    torch.testing.assert_close(gradient.view(-1)[place], (above - below) / (2 * step), rtol=1e-5, atol=1e-8)
    assert abs(gradient.view(-1)[place] - plain.view(-1)[place]) > 1e-3


def test_the_bias_of_the_last_layer_has_no_part_in_the_attention(net: Axial) -> None:
    images, labels, regions = batch()
    guided = MaskLoss(weight=100.0)(net, images, labels, regions)
    (gradient,) = torch.autograd.grad(guided.loss, net.head.bias)
    (plain,) = torch.autograd.grad(classification_loss(net(images), labels), net.head.bias)
    torch.testing.assert_close(gradient, plain)


def test_the_closed_form_needs_one_forward_pass_and_no_backward_pass(
    net: Axial, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*arguments: object, **options: object) -> None:
        raise AssertionError("a backward pass")

    calls = []
    net.features.register_forward_hook(lambda *_: calls.append(1))
    monkeypatch.setattr(torch.autograd, "grad", refused)
    assert MaskLoss()(net, *batch()).loss.isfinite()
    assert calls == [1]


@pytest.mark.parametrize("options", [{}, {"penalty": "l2"}, {"reduction": "sum"}])
def test_a_volume_whose_regions_are_unknown_is_only_classified(net: Axial, options: dict[str, Any]) -> None:
    images, labels, regions = batch()
    missing = regions.clone()
    missing[0] = NAN
    guidance = MaskLoss(**options)
    alone = guidance(net, images[1:], labels[1:], regions[1:])
    guided = guidance(net, images, labels, missing)
    torch.testing.assert_close(guided.parts["mask"], alone.parts["mask"])
    none = guidance(net, images, labels, torch.full_like(regions, NAN))
    torch.testing.assert_close(none.loss, classification_loss(net(images), labels))
    assert none.parts["mask"].isnan()


def test_where_nothing_is_forbidden_the_loss_is_that_of_the_classification(net: Axial) -> None:
    images, labels, _ = batch()
    guided = MaskLoss()(net, images, labels, torch.ones(2, 1, 1, 1, 1, dtype=torch.float64))
    assert guided.parts["mask"] == 0
    assert guided.loss == classification_loss(net(images), labels)


def test_regions_of_the_size_of_the_volume_come_to_the_grid_of_the_features(net: Axial) -> None:
    images, labels, regions = batch()
    small = regions[..., :1].nan_to_num()  # no column is like another along this axis of three places for eight voxels
    fine = small.repeat_interleave(3, 2).repeat_interleave(8, 3).repeat_interleave(6, 4)
    parts = [MaskLoss()(net, images, labels, each).parts["mask"] for each in (small, fine)]
    torch.testing.assert_close(*parts)


def test_running_statistics_move_once_a_step_and_training_can_go_on(net: Axial) -> None:
    images, labels, regions = batch()
    net.train()
    for layer in (None, "features"):
        before = int(net.features.norm.num_batches_tracked)
        MaskLoss(layer=layer)(net, images, labels, regions).loss.backward()
        assert int(net.features.norm.num_batches_tracked) == before + 1


def test_one_label_an_image_and_one_region_for_all_classes_will_do() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, CLASSES)
        )
    images = torch.rand(2, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    labels, regions = torch.tensor([0, 2]), torch.zeros(2, 1, 6, 6)
    regions[..., :3] = 1
    guided = MaskLoss(weight=2.0)(model, images, labels, regions)
    # of a network that ends in a mean over 4 x 4 places, class k has the map w_k z / 16
    maps = torch.einsum("kf,nfhw->nkhw", model[4].weight, model[1](model[0](images))) / 16
    expected = F.softplus(maps[..., 2:]).mean()
    torch.testing.assert_close(guided.parts["mask"], expected.detach())
    torch.testing.assert_close(guided.loss, F.cross_entropy(model(images), labels) + 2 * expected)
    assert forbidden_attention(maps, regions).mean() == guided.parts["mask"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight": -1.0}, "weight must be at least 0, got -1.0"),
        ({"weight": math.nan}, "weight must be at least 0"),
        ({"map": "cam"}, "map must be one of hirescam, grad_cam, got 'cam'"),
        ({"penalty": "l1"}, "penalty must be one of log, l2, got 'l1'"),
        ({"reduction": "max"}, "reduction must be one of mean, sum, got 'max'"),
    ],
)
def test_wrong_settings_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        MaskLoss(**options)


def test_regions_that_do_not_fit_are_refused(net: Axial) -> None:
    images, labels, regions = batch()
    with pytest.raises(ShapeError, match="one for all or one for each of 3 classes, got 2"):
        MaskLoss()(net, images, labels, regions[:, :2].nan_to_num())
    with pytest.raises(ShapeError, match=r"regions must be \(2, 1 or K, .*got \(2, 3, 2, 3\)"):
        MaskLoss()(net, images, labels, regions[..., 0])
    with pytest.raises(DataError, match=r"regions must lie in \[0, 1\], got values from 0 to 3"):
        MaskLoss()(net, images, labels, 3 * regions)
