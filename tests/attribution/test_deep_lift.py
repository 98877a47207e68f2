"""DeepLIFT: on paper, complete, equal to captum's where captum can, and trainable."""

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.attribution import (
    Class,
    EveryClass,
    GradientTimesInput,
    Label,
    LogOdds,
    Predicted,
    RandomClass,
    Selective,
    Target,
)
from sightline.attribution.deep_lift import DeepLIFT
from sightline.errors import SettingsError, ShapeError, UnsupportedOperationError

MakeNet = Callable[..., nn.Module]
MakeImages = Callable[..., Tensor]


class Formula(nn.Module):
    """One logit, any function of the flattened pixels `(N, P)`."""

    def __init__(self, logit: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.logit = logit

    def forward(self, images: Tensor) -> Tensor:
        return self.logit(images.flatten(1))[:, None]


def explain(logit: Callable[[Tensor], Tensor], image: list[float], baseline: list[float]) -> tuple[list[float], float]:
    """Map and gap of one image of few pixels."""
    x, reference = (torch.tensor(pixels, dtype=torch.float64).view(1, 1, -1) for pixels in (image, baseline))
    explanation = DeepLIFT(reference)(Formula(logit), x, Class(0))
    return explanation.attribution.flatten().tolist(), explanation.gap.item()


def convolutional(activation: Callable[[], nn.Module], *, pool: nn.Module | None = None, seed: int = 0) -> nn.Module:
    """For images (N, 2, 8, 8): every activation is a module of its own."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        norm = nn.BatchNorm2d(5)
        nn.init.uniform_(norm.running_var, 0.5, 1.5)
        nn.init.normal_(norm.running_mean, 0, 0.2)
        net = nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1),
            activation(),
            pool or nn.AvgPool2d(2),
            nn.Conv2d(4, 5, 3),
            norm,
            activation(),
            nn.Flatten(),
            nn.Linear(20, 6),
            activation(),
            nn.Linear(6, 3),
        )
    with torch.no_grad():
        net[0].weight.mul_(4)  # far from linear
    return net.double().eval()


def test_a_saturated_sum_by_hand() -> None:
    # The paper's motive: the sum of two pixels, cut off at 2. At (2, 2) every gradient is 0; here each explains half.
    def cut_off(x: Tensor) -> Tensor:
        return 2 - F.relu(2 - x[:, 0] - x[:, 1])

    assert explain(cut_off, [2, 2], [0, 0]) == ([1, 1], 0)
    assert explain(cut_off, [6, 2], [0, 0]) == ([1.5, 0.5], 0)
    assert explain(cut_off, [1, 0], [3, 1]) == ([-2 / 3, -1 / 3], 0)  # of a change from 2 to 1


def test_the_minimum_by_hand() -> None:
    # The paper's minimum of two pixels, of which this rule sees the lesser alone
    def least(x: Tensor) -> Tensor:
        return x[:, 0] - F.relu(x[:, 0] - x[:, 1])

    assert explain(least, [5, 3], [0, 0]) == ([0, 3], 0)
    assert explain(least, [3, 5], [0, 0]) == ([3, 0], 0)
    # relu(x0 - x1) falls from 4 to 0 while its input falls from 4 to -4: the multiplier is 1/2
    assert explain(least, [2, 6], [4, 0]) == ([-2 + 0.5 * 2, 0.5 * 6], 0)


@pytest.mark.parametrize("shape", [(3, 2), (3, 2, 5), (3, 2, 3, 4), (3, 1, 2, 3, 2)])
def test_a_linear_model_is_gradient_times_difference_in_any_dimension(
    make_images: MakeImages, shape: tuple[int, ...]
) -> None:
    images, baseline = make_images(*shape), make_images(*shape, seed=1)
    net = nn.Sequential(nn.Flatten(), nn.Linear(images[0].numel(), 2)).double()
    explanation = DeepLIFT(baseline)(net, images, EveryClass())
    weight = net[1].weight.view(1, 2, *shape[1:])
    torch.testing.assert_close(explanation.attribution, (images - baseline)[:, None] * weight)
    assert explanation.gap.abs().max() < 1e-14


def test_from_zero_and_without_biases_relus_make_it_gradient_times_input(
    make_net: MakeNet, make_images: MakeImages
) -> None:
    net, images = make_net(norm=False, bias=False), make_images()
    ours = DeepLIFT()(net, images, EveryClass())
    torch.testing.assert_close(ours.attribution, GradientTimesInput()(net, images, EveryClass()).attribution)
    assert ours.gap.abs().max() < 1e-10


class Apply(nn.Module):
    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "in place": lambda: nn.ReLU(inplace=True),
    "gelu": nn.GELU,
    "sigmoid": nn.Sigmoid,
    "softplus": nn.Softplus,
    "leaky": lambda: nn.LeakyReLU(0.1, inplace=True),
    "prelu": nn.PReLU,
    "silu": nn.SiLU,
    "hardswish": lambda: nn.Hardswish(inplace=True),
    "method in place": lambda: Apply(lambda x: x.sigmoid_()),
    "square": lambda: Apply(torch.square),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_map_sums_to_the_change_of_the_score(make_images: MakeImages, name: str) -> None:
    net, images, baseline = convolutional(ACTIVATIONS[name]), make_images(), make_images(seed=1)
    explanation = DeepLIFT(baseline)(net, images, EveryClass())
    change = net(images) - net(baseline)
    assert change.abs().max() > 1e-3
    assert (explanation.attribution.sum((2, 3, 4)) - change).abs().max() < 1e-10
    assert explanation.gap.abs().max() < 1e-10
    assert not explanation.gap.requires_grad


def test_a_residual_dense_net_with_batch_norm_and_max_pooling_is_complete(
    make_net: MakeNet, make_images: MakeImages
) -> None:
    net, images, baseline = make_net(), make_images(), make_images(1, 2, 8, 8, seed=1)
    explanation = DeepLIFT(baseline)(net, images, EveryClass())
    change = net(images) - net(baseline)
    assert (explanation.attribution.sum((2, 3, 4)) - change).abs().max() < 1e-10
    assert change.abs().max() > 1e-3


@pytest.mark.filterwarnings("ignore:Setting forward, backward hooks")
@pytest.mark.parametrize("name", ["relu", "sigmoid", "softplus", "leaky", "tanh", "elu", "max pooling"])
@pytest.mark.parametrize("one_baseline", [True, False])
def test_equals_captum(make_images: MakeImages, name: str, one_baseline: bool) -> None:
    attr = pytest.importorskip("captum.attr")
    builders = {"tanh": nn.Tanh, "elu": nn.ELU, "leaky": lambda: nn.LeakyReLU(0.1)}
    if name == "max pooling":
        net = convolutional(nn.ReLU, pool=nn.MaxPool2d(2))
        net[1] = nn.Identity()  # where a ReLU is next to the pooling, or windows overlap, captum's map has another sum
    else:
        net = convolutional(builders.get(name) or ACTIVATIONS[name])
    images, baseline = make_images(), make_images(1 if one_baseline else 3, 2, 8, 8, seed=1)
    theirs, delta = attr.DeepLift(copy.deepcopy(net)).attribute(
        images.clone().requires_grad_(), baseline.expand_as(images), target=[2, 0, 1], return_convergence_delta=True
    )
    ours = DeepLIFT(baseline)(net, images, Label(torch.tensor([2, 0, 1])))
    torch.testing.assert_close(ours.attribution, theirs.detach(), rtol=1e-6, atol=1e-9)
    assert delta.abs().max() < 1e-9


class Reused(nn.Module):
    """One ReLU module for all, in place, beside one spelled as a function, and the same with modules of their own."""

    def __init__(self, *, own: bool, inplace: bool = False) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            self.conv1, self.conv2, self.fc = nn.Conv2d(2, 4, 3), nn.Conv2d(4, 4, 3, padding=1), nn.Linear(144, 3)
        one = nn.ReLU(inplace=inplace)
        self.relus = nn.ModuleList([nn.ReLU() if own else one for _ in range(3)])
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        first, second, third = self.relus
        a = first(self.conv1(x) - 0.2)
        return self.fc(third(second(self.conv2(a)) + a - 0.1).flatten(1))


@pytest.mark.filterwarnings("ignore:Setting forward, backward hooks")
def test_reused_and_in_place_activations_are_explained_where_captum_refuses(make_images: MakeImages) -> None:
    images, baseline = make_images(), make_images(seed=1)
    reused = DeepLIFT(baseline)(Reused(own=False), images, Class(0))
    torch.testing.assert_close(
        DeepLIFT(baseline)(Reused(own=False, inplace=True), images, Class(0)).attribution, reused.attribution
    )
    assert reused.gap.abs().max() < 1e-10
    attr = pytest.importorskip("captum.attr")
    given = images.clone().requires_grad_()
    theirs = attr.DeepLift(Reused(own=True)).attribute(given, baseline, target=0).detach()
    torch.testing.assert_close(reused.attribution, theirs, rtol=1e-6, atol=1e-9)
    with pytest.raises(RuntimeError, match="module is being used more than once"):
        attr.DeepLift(Reused(own=False)).attribute(given, baseline, target=0)


def transformer(*, batch_first: bool) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        layer = nn.TransformerEncoderLayer(4, 2, 8, activation="gelu", batch_first=batch_first)
        encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        embed, head = nn.Linear(2, 4), nn.Linear(4, 3)

    def forward(x: Tensor) -> Tensor:
        tokens = embed(x.flatten(2).mT)  # (N, T, 4)
        if batch_first:
            return head(encoder(tokens)[:, 0])
        return head(encoder(tokens.transpose(0, 1))[0])

    model = Apply(forward)
    model.parts = nn.ModuleList([encoder, embed, head])
    return model.double().eval()


def test_transformers_are_explained_where_the_batch_comes_first_and_refused_elsewhere(make_images: MakeImages) -> None:
    images, baseline = make_images(2, 2, 2, 2), make_images(2, 2, 2, 2, seed=1)
    net = transformer(batch_first=True)
    explanation = DeepLIFT(baseline)(net, images, EveryClass())
    change = net(images) - net(baseline)
    torch.testing.assert_close(explanation.gap, change - explanation.attribution.sum((2, 3, 4)))
    assert explanation.attribution.any()
    turned = transformer(batch_first=False)
    torch.testing.assert_close(turned(images), net(images))
    with pytest.raises(UnsupportedOperationError, match="put the batch first"):
        DeepLIFT(baseline)(turned, images, Class(0))
    with pytest.raises(UnsupportedOperationError, match="put the batch first"):
        DeepLIFT()(Formula(lambda x: F.relu(x.T[:1]).T.sum(1)), images, Class(0))


@pytest.mark.parametrize("grad", [True, False])
def test_neither_batch_nor_chunks_change_a_map(make_net: MakeNet, make_images: MakeImages, grad: bool) -> None:
    net, images, baseline = make_net(), make_images(), make_images(seed=1)
    seen: list[int] = []
    handle = net.register_forward_pre_hook(lambda module, inputs: seen.append(len(inputs[0])))
    with torch.set_grad_enabled(grad):
        whole = DeepLIFT(baseline)(net, images, EveryClass())
        chunked = DeepLIFT(baseline, batch_size=2)(net, images, EveryClass())
        assert seen == [3, 6, 3, 4, 2]  # images, then each beside its reference
        handle.remove()
        alone = DeepLIFT(baseline[1:2])(net, images[1:2], EveryClass())
    for other, rows in ((chunked, slice(None)), (alone, slice(1, 2))):
        torch.testing.assert_close(other.attribution, whole.attribution[rows])
        torch.testing.assert_close(other.gap, whole.gap[rows], rtol=1e-9, atol=1e-12)


def test_what_is_explained_is_chosen_once_from_the_image(make_images: MakeImages) -> None:
    net, images = convolutional(nn.GELU), make_images(12, 2, 8, 8)
    net[-1].bias.data.zero_()
    every = DeepLIFT(-1.0)(net, images, EveryClass())
    for target in (Predicted(), RandomClass(torch.Generator().manual_seed(0))):
        explanation = DeepLIFT(-1.0, batch_size=5)(net, images, target)
        torch.testing.assert_close(explanation.attribution, every.attribution[torch.arange(12), explanation.target])


@pytest.mark.parametrize("target", [Selective(), LogOdds(Class(1))])
def test_a_score_of_all_logits_passes_its_gradient_at_the_image(make_images: MakeImages, target: Target) -> None:
    net, images = convolutional(nn.ReLU), make_images()
    every = DeepLIFT(0.2)(net, images, EveryClass()).attribution
    logits = net(images).detach().requires_grad_()
    (weights,) = torch.autograd.grad(target.select(logits).scores.sum(), logits)
    explanation = DeepLIFT(0.2)(net, images, target)
    torch.testing.assert_close(explanation.attribution, torch.einsum("nk,nkchw->nchw", weights, every))
    again = target.select(net(images)).again
    change = again(net(images), torch.arange(3)) - again(net(torch.full_like(images, 0.2)), torch.arange(3))
    torch.testing.assert_close(explanation.gap, change[0] - explanation.attribution.sum((1, 2, 3)))


def test_in_training_mode_the_function_of_evaluation_mode_is_explained(
    make_net: MakeNet, make_images: MakeImages
) -> None:
    net, images = make_net().train(), make_images()
    logits = copy.deepcopy(net)(images)
    training = DeepLIFT()(net, images, Class(0))
    assert net.training
    torch.testing.assert_close(training.logits, logits)
    evaluation = DeepLIFT()(net.eval(), images, Class(0))  # the first pass moved the statistics
    torch.testing.assert_close(training.attribution, evaluation.attribution)
    assert (training.logits - evaluation.logits).abs().max() > 1e-3


def test_a_loss_on_the_map_trains_as_the_formula_does(make_images: MakeImages) -> None:
    images, baseline = make_images(3, 2, 4), make_images(3, 2, 4, seed=1)
    ours = nn.Sequential(nn.Flatten(), nn.Linear(8, 5), nn.Sigmoid(), nn.Linear(5, 2)).double()
    theirs = copy.deepcopy(ours)
    explanation = DeepLIFT(baseline)(ours, images, Class(1))
    (explanation.attribution.square().sum() + explanation.logits.square().sum()).backward()
    z, reference = (theirs[1](x.flatten(1)) for x in (images, baseline))
    multiplier = (z.sigmoid() - reference.sigmoid()) / (z - reference) * theirs[3].weight[1]
    formula = (images - baseline) * (multiplier @ theirs[1].weight).view_as(images)
    torch.testing.assert_close(explanation.attribution, formula)
    (formula.square().sum() + theirs(images).square().sum()).backward()
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-9, atol=1e-12, msg=name)


@pytest.mark.parametrize("name", ["gelu", "sigmoid", "prelu", "in place", "silu"])
def test_a_loss_on_the_map_has_the_slope_of_finite_differences(make_images: MakeImages, name: str) -> None:
    net = convolutional(ACTIVATIONS[name], pool=nn.MaxPool2d(3, stride=2, padding=1))
    net[3] = nn.Conv2d(4, 5, 3).double()
    images, baseline = make_images(), make_images(1, 2, 8, 8, seed=1)
    images[0] = baseline[0]
    images[0, 0, 0] += 0.3  # most units of this image do not change

    def loss() -> Tensor:
        return DeepLIFT(baseline)(net, images, Class(0)).attribution.square().sum()

    loss().backward()
    for key, parameter in net.named_parameters():
        direction = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        values = []
        with torch.no_grad():
            for step in (1e-6, -2e-6):
                parameter.add_(direction, alpha=step)
                values.append(loss().item())
            parameter.add_(direction, alpha=1e-6)
        slope = 0.0 if parameter.grad is None else (parameter.grad * direction).sum().item()
        assert slope == pytest.approx((values[0] - values[1]) / 2e-6, rel=1e-5, abs=1e-7), key


def test_a_baseline_is_a_constant(make_images: MakeImages) -> None:
    net, images = convolutional(nn.GELU), make_images().requires_grad_()
    baseline = make_images(1, 2, 8, 8, seed=1).float().requires_grad_()
    DeepLIFT(baseline)(net, images, Class(0)).attribution.square().sum().backward()
    assert baseline.grad is None
    assert images.grad is None


def test_wrong_settings_and_baselines_are_refused(make_images: MakeImages) -> None:
    with pytest.raises(SettingsError, match="batch_size must be at least 1, got 0"):
        DeepLIFT(batch_size=0)
    net = convolutional(nn.ReLU)
    with pytest.raises(ShapeError, match=r"baseline must be at least 1 image \(R, 2, 8, 8\), got \(1, 1, 8, 8\)"):
        DeepLIFT(torch.zeros(1, 1, 8, 8))(net, make_images(), Class(0))
    with pytest.raises(ShapeError, match="baseline must be 1 image or one for each of 3, got 2"):
        DeepLIFT(torch.zeros(2, 2, 8, 8))(net, make_images(), Class(0))
