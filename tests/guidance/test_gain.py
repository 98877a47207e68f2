from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.errors import DataError, SettingsError, ShapeError
from sightline.guidance import AttentionMining, AttentionMiningSettings
from sightline.guidance.gain import classify_again, present_classes

NAN = float("nan")
LABELS = torch.tensor([0, 2, 1, 2])
SEVERAL = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0], [NAN, 1.0, NAN], [1.0, 1.0, 1.0]], dtype=torch.float64)
EXTENDED = {"supervision_weight": 10.0}


@pytest.fixture
def network() -> nn.Module:
    """Convolution, pooling, global mean, linear: its Grad-CAM weights are those of the linear layer over the places."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model = nn.Sequential(
            *(nn.Conv2d(1, 5, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 3)),
        ).double()
        nn.init.uniform_(model[5].weight, 0.1, 1)  # no class without a map
        return model


@pytest.fixture
def normalised() -> nn.Module:
    """The same with batch normalisation, in training mode."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model = nn.Sequential(
            *(nn.Conv2d(1, 5, 3, padding=1), nn.BatchNorm2d(5), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(5, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)),
        ).double()
        nn.init.uniform_(model[8].weight, 0.1, 1)
        return model


def drawn() -> tuple[Tensor, Tensor]:
    """Images, and regions of each of three classes."""
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(4, 1, 8, 8, generator=generator, dtype=torch.float64)
    return images, torch.rand(4, 3, 8, 8, generator=generator, dtype=torch.float64)


def written_out(
    first: nn.Module, second: nn.Module, labels: Tensor, *, constant: bool = True, scale: bool = True
) -> dict[str, Tensor]:
    """The three losses from the formulas, the passes by one model each, image after image."""
    images, regions = drawn()
    features = F.max_pool2d(first[0](images).relu(), 2)
    weights = first[5].weight / 16  # the gradient at each of 4 x 4 places
    weights = weights.detach() if constant else weights
    mining, supervision = [], []
    for i in range(len(images)):
        present = [int(labels[i])] if labels.ndim == 1 else [k for k in range(3) if labels[i, k] == 1]
        for k in present:
            cam = torch.einsum("f,fhw->hw", weights[k], features[i]).relu()[None, None]
            cam = F.interpolate(cam, (8, 8), mode="bilinear", align_corners=False)
            cam = (cam - cam.min()) / (cam.max() - cam.min()) if scale else cam
            logits = second(images[i : i + 1] - torch.sigmoid(10 * (cam - 0.5)) * images[i : i + 1])
            mining.append((logits.softmax(1) if labels.ndim == 1 else logits.sigmoid())[0, k])
            supervision.append(((cam[0, 0] - regions[i, k]) ** 2).mean())
    logits = first(images)
    if labels.ndim == 1:
        classification = F.cross_entropy(logits, labels)
    else:
        seen = ~labels.isnan()
        classification = F.binary_cross_entropy_with_logits(logits[seen], labels[seen])
    return {
        "classification": classification,
        "mining": torch.stack(mining).mean(),
        "supervision": torch.stack(supervision).mean(),
    }


def gradients(loss: Tensor, model: nn.Module) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(model.parameters()), retain_graph=True, materialize_grads=True))


@pytest.mark.parametrize("labels", [LABELS, SEVERAL], ids=["one", "several"])
@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("second_order", [True, False])
def test_loss_and_gradients_are_the_paper_written_out(
    network: nn.Module, labels: Tensor, scale: bool, second_order: bool
) -> None:
    images, regions = drawn()
    guided = AttentionMining(**EXTENDED, mining_weight=2.0, scale=scale, second_order=second_order)(
        network, images, labels, regions
    )
    parts = written_out(network, network, labels, constant=not second_order, scale=scale)
    for name, part in parts.items():
        torch.testing.assert_close(guided.parts[name], part.detach(), rtol=1e-12, atol=0)
        assert not guided.parts[name].requires_grad
    expected = parts["classification"] + 2 * parts["mining"] + 10 * parts["supervision"]
    torch.testing.assert_close(guided.loss, expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(guided.logits, network(images))
    for ours, theirs in zip(gradients(guided.loss, network), gradients(expected, network), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


def test_mining_reaches_the_weights_through_both_passes(network: nn.Module) -> None:
    images, regions = drawn()
    without, with_ = (
        gradients(AttentionMining(mining_weight=weight)(network, images, LABELS, regions).loss, network)
        for weight in (0.0, 1.0)
    )
    mining = [b - a for a, b in zip(without, with_, strict=True)]
    by_mask = gradients(written_out(network, deepcopy(network), LABELS)["mining"], network)
    by_answer = gradients(written_out(deepcopy(network), network, LABELS)["mining"], network)
    for ours, one, other in zip(mining, by_mask, by_answer, strict=True):
        torch.testing.assert_close(ours, one + other, rtol=1e-9, atol=1e-12)
    assert all(part.abs().sum() > 0 for part in by_answer)
    assert [bool(part.abs().sum() > 0) for part in by_mask] == [True, True, False, False]  # not the last layer: w_c


@pytest.mark.parametrize("part", ["mining_weight", "supervision_weight"])
@pytest.mark.parametrize("where", ["0.weight", "1.weight", "4.bias", "8.weight"])
@pytest.mark.parametrize("training", [True, False])
def test_the_gradient_of_second_order_is_exact(normalised: nn.Module, part: str, where: str, training: bool) -> None:
    images, regions = drawn()
    guidance = AttentionMining(**{"mining_weight": 0.0, part: 20.0}, second_order=True)
    normalised.train(training)
    weight = normalised.get_parameter(where)

    def loss() -> Tensor:
        return guidance(normalised, images, LABELS, regions).loss

    (gradient,) = torch.autograd.grad(loss(), weight)
    place = int(gradient.abs().argmax())
    assert gradient.view(-1)[place] != 0
    with torch.no_grad():
        flat, step = weight.view(-1), 1e-6
        flat[place] += step
        above = loss()
        flat[place] -= 2 * step
        below = loss()
    torch.testing.assert_close(gradient.view(-1)[place], (above - below) / (2 * step), rtol=1e-5, atol=1e-8)


def test_the_second_pass_uses_the_statistics_of_its_batch_and_does_not_move_the_running_ones(
    normalised: nn.Module,
) -> None:
    images, regions = drawn()
    plain = deepcopy(normalised)
    plain(images)
    AttentionMining()(normalised, images, LABELS, regions).loss.backward()
    for name, value in plain.named_buffers():
        torch.testing.assert_close(normalised.get_buffer(name), value)
    assert normalised[1].num_batches_tracked == 1
    torch.testing.assert_close(classify_again(normalised, images), deepcopy(normalised)(images))
    frozen = deepcopy(normalised).eval()
    assert not torch.allclose(classify_again(normalised, images), frozen(images))


def test_in_evaluation_mode_nothing_moves_and_the_loss_is_the_same_without_a_graph(normalised: nn.Module) -> None:
    images, regions = drawn()
    normalised.eval()
    before = {name: value.clone() for name, value in normalised.state_dict().items()}
    guidance = AttentionMining(**EXTENDED).eval()
    graph = guidance(normalised, images, LABELS, regions)
    with torch.no_grad():
        none = guidance(normalised, images, LABELS, regions)
    torch.testing.assert_close(none.loss, graph.loss.detach())
    assert not none.loss.requires_grad
    assert all(torch.equal(value, before[name]) for name, value in normalised.state_dict().items())


class Counting(nn.Module):
    """Notes how many images come at a time."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model, self.seen = model, []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(len(images))
        logits: Tensor = self.model(images)
        return logits


def test_each_present_class_has_a_masked_image_and_all_come_in_one_batch(network: nn.Module) -> None:
    images, regions = drawn()
    model = Counting(network)
    AttentionMining()(model, images, SEVERAL, regions)
    assert model.seen == [4, 6]
    rows, classes = present_classes(SEVERAL)
    assert list(zip(rows.tolist(), classes.tolist(), strict=True)) == [(0, 0), (0, 2), (2, 1), (3, 0), (3, 1), (3, 2)]


def test_without_a_present_class_images_are_classified_only(network: nn.Module) -> None:
    images, regions = drawn()
    labels = torch.tensor([[0.0, NAN, 0.0]] * 4, dtype=torch.float64)
    guided = AttentionMining(**EXTENDED)(network, images, labels, regions)
    torch.testing.assert_close(guided.loss.detach(), guided.parts["classification"])
    assert guided.parts["mining"].isnan()
    assert guided.parts["supervision"].isnan()


def test_one_region_for_all_classes_serves_each(network: nn.Module) -> None:
    images, regions = drawn()
    one, each = (
        AttentionMining(**EXTENDED)(network, images, SEVERAL, given)
        for given in (regions[:, :1], regions[:, :1].expand(-1, 3, -1, -1))
    )
    torch.testing.assert_close(one.loss, each.loss)


def test_only_the_regions_of_present_classes_count(network: nn.Module) -> None:
    images, regions = drawn()
    before = AttentionMining(**EXTENDED)(network, images, LABELS, regions).loss
    absent = F.one_hot(LABELS, 3) == 0
    after = AttentionMining(**EXTENDED)(network, images, LABELS, torch.where(absent[..., None, None], NAN, regions))
    torch.testing.assert_close(after.loss, before)


def test_an_unknown_region_weighs_nothing(network: nn.Module) -> None:
    images, regions = drawn()
    errors = [
        AttentionMining()(network, images[i : i + 1], LABELS[i : i + 1], regions[i : i + 1]).parts["supervision"]
        for i in range(4)
    ]
    regions[1] = NAN
    parts = AttentionMining(**EXTENDED)(network, images, LABELS, regions).parts
    torch.testing.assert_close(parts["supervision"], (errors[0] + errors[2] + errors[3]) / 3)
    guided = AttentionMining(**EXTENDED)(network, images, LABELS, NAN * regions)
    assert guided.parts["supervision"].isnan()
    torch.testing.assert_close(guided.loss.detach(), guided.parts["classification"] + guided.parts["mining"])


def test_the_order_of_the_images_does_not_matter(network: nn.Module) -> None:
    images, regions = drawn()
    order = torch.tensor([2, 0, 3, 1])
    one = AttentionMining(**EXTENDED)(network, images, SEVERAL, regions)
    other = AttentionMining(**EXTENDED)(network, images[order], SEVERAL[order], regions[order])
    torch.testing.assert_close(one.loss, other.loss)


def test_the_layer_may_be_named(normalised: nn.Module) -> None:
    images, regions = drawn()
    normalised.eval()
    found, last, earlier = (
        AttentionMining(layer=layer)(normalised, images, LABELS, regions).parts["mining"] for layer in (None, "5", "2")
    )
    torch.testing.assert_close(last, found)
    assert not torch.allclose(earlier, found)


def test_a_single_masked_image_of_one_place_can_be_normalised() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 4), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(2, 3))
    logits = classify_again(model, torch.rand(1, 1, 4, 4))
    assert logits.shape == (1, 3)
    assert logits.isfinite().all()
    images = torch.rand(1, 1, 7, 7)
    model[3] = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    torch.testing.assert_close(classify_again(model, images), model(images))  # the same image twice changes nothing


def test_volumes_are_mined_as_images_are() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model = nn.Sequential(nn.Conv3d(1, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool3d(1), nn.Flatten())
        model.append(nn.Linear(4, 2))
    images = torch.rand(2, 1, 4, 6, 6, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 1])
    guided = AttentionMining(**EXTENDED)(model, images, labels, torch.ones_like(images))
    weights = model[4].weight[labels] / images[0].numel()
    cam = torch.einsum("nf,nfdhw->ndhw", weights, model[0](images).relu()).relu().unsqueeze(1)
    least, most = (reduce((1, 2, 3, 4), keepdim=True) for reduce in (cam.amin, cam.amax))
    cam = (cam - least) / (most - least)
    torch.testing.assert_close(guided.parts["supervision"], ((cam - 1) ** 2).mean().detach())
    logits = model(images * (1 - torch.sigmoid(10 * (cam - 0.5))))
    torch.testing.assert_close(guided.parts["mining"], logits.softmax(1)[[0, 1], labels].mean().detach())


def test_maps_keep_their_digits_under_bfloat16(normalised: nn.Module) -> None:
    images, regions = (part.float() for part in drawn())
    model = normalised.float().eval()
    with torch.autocast("cpu", torch.bfloat16):
        guided = AttentionMining(**EXTENDED)(model, images, LABELS, regions)
    assert guided.loss.dtype == guided.parts["supervision"].dtype == torch.float32
    exact = AttentionMining(**EXTENDED)(model, images, LABELS, regions)
    torch.testing.assert_close(guided.loss, exact.loss, rtol=0.05, atol=0)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"mining_weight": -1.0}, "mining_weight must be at least 0, got -1"),
        ({"supervision_weight": NAN}, "supervision_weight must be at least 0, got nan"),
        ({"slope": 0.0}, "slope must be positive, got 0"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        AttentionMiningSettings(**options)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (lambda regions: regions[:, :2], ShapeError, "one for all or one for each of 3 classes, got 2"),
        (lambda regions: 2 + regions, DataError, r"regions must lie in \[0, 1\]"),
    ],
)
def test_regions_that_do_not_fit_are_refused(
    network: nn.Module, change: Callable[[Tensor], Tensor], error: type[Exception], says: str
) -> None:
    images, regions = drawn()
    with pytest.raises(error, match=says):
        AttentionMining()(network, images, LABELS, change(regions))
