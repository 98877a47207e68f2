"""LRP as a whole: on paper, conserved, sample by sample, differentiable, and leaving no trace."""

import copy
import threading
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from sightline.attribution import LRP, Class, CompositeLRP, EveryClass, Label, Selection, Target
from sightline.errors import SettingsError, SightlineError
from sightline.types import Explanation

MakeNet = Callable[..., nn.Module]
MakeImages = Callable[..., Tensor]
RULES = ("zb", "flat", None)


class OneSample(Target):
    """A logit of one image, whatever the others are."""

    def __init__(self, sample: int, index: int) -> None:
        self.sample, self.index = sample, index

    def select(self, logits: Tensor) -> Selection:
        return Selection(logits[None, :, self.index] * torch.eye(len(logits), dtype=logits.dtype)[self.sample])


def paper_net() -> nn.Module:
    """Two pixels, two hidden units, one logit: z = (2a - b, a + 2b - 1), y = 3 relu(z_1) + relu(z_2)."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1)).double()
    with torch.no_grad():
        net[1].weight.copy_(torch.tensor([[2.0, -1], [1, 2]]))
        net[1].bias.copy_(torch.tensor([0.0, -1]))
        net[3].weight.copy_(torch.tensor([[3.0, 1]]))
        net[3].bias.zero_()
    return net


@pytest.mark.parametrize(
    ("input_rule", "epsilon", "expected"),
    [
        # a = 2, b = 1: z = (3, 3), R = (9, 3)
        (None, 0.0, [2 * (2 * 3 + 1 * 1), 1 * (-1 * 3 + 2 * 1)]),
        (None, 1.0, [2 * (2 * 9 / 4 + 3 / 4), 1 * (-9 / 4 + 2 * 3 / 4)]),
        ("flat", 1.0, [6.0, 6.0]),
        # low 0, high 3: unit 1 divides 2*2 + (1-3)*(-1) = 6, unit 2 divides 2*1 + 1*2 = 4
        ("zb", 0.0, [2 * 2 * 9 / 6 + 2 * 3 / 4, 2 * 9 / 6 + 2 * 3 / 4]),
        ("zb", 2.0, [4 * 9 / 8 + 2 * 3 / 6, 2 * 9 / 8 + 2 * 3 / 6]),
    ],
)
def test_map_by_hand(input_rule: str | None, epsilon: float, expected: list[float]) -> None:
    images = torch.tensor([2.0, 1.0], dtype=torch.float64).view(1, 1, 1, 2)
    explanation = LRP(epsilon, input_rule, low=0, high=3)(paper_net(), images, Class(0))
    assert explanation.logits.item() == 12
    got = explanation.attribution.flatten()
    torch.testing.assert_close(got, torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=0)


@pytest.mark.parametrize("input_rule", RULES)
def test_lrp0_without_bias_conserves_relevance(
    make_net: MakeNet, make_images: MakeImages, input_rule: str | None
) -> None:
    net, images = make_net(norm=False, bias=False), make_images(4, 2, 8, 8)
    explanation = LRP(0.0, input_rule)(net, images, EveryClass())
    assert explanation.logits.abs().mean() > 1e-3
    torch.testing.assert_close(explanation.attribution.sum((2, 3, 4)), explanation.logits)


@pytest.mark.parametrize("input_rule", RULES)
def test_what_epsilon_absorbs_vanishes_with_it(
    make_net: MakeNet, make_images: MakeImages, input_rule: str | None
) -> None:
    net, images = make_net(norm=False, bias=False), make_images(4, 2, 8, 8)
    lost = []
    for epsilon in (1e-4, 1e-6, 1e-8):
        explanation = LRP(epsilon, input_rule)(net, images, Class(1))
        lost.append((explanation.attribution.sum((1, 2, 3)) - explanation.logits[:, 1]).abs().max().item())
    assert lost[0] > lost[1] > lost[2]
    assert lost[2] < 1e-5


def with_statistics_of(net: nn.Module, images: Tensor) -> nn.Module:
    """A copy in evaluation mode whose running statistics are those that the batch has in training mode."""
    frozen = copy.deepcopy(net).eval()

    def take(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        x = inputs[0].detach()
        dims = [d for d in range(x.ndim) if d != 1]
        module.running_mean, module.running_var = x.mean(dims), x.var(dims, unbiased=False)

    hooks = [m.register_forward_pre_hook(take) for m in frozen.modules() if isinstance(m, nn.BatchNorm2d)]
    with torch.no_grad():
        frozen(images)
    for hook in hooks:
        hook.remove()
    return frozen


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    samples=st.integers(2, 4),
    data=st.data(),
    input_rule=st.sampled_from(RULES),
)
def test_samples_of_a_batch_do_not_mix_in_training_mode(
    make_net: MakeNet, seed: int, samples: int, data: st.DataObject, input_rule: str | None
) -> None:
    sample = data.draw(st.integers(0, samples - 1))
    classes = data.draw(st.lists(st.integers(0, 2), min_size=samples, max_size=samples))
    net = make_net(seed=seed).train()
    images = torch.rand(samples, 2, 8, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    method = LRP(input_rule=input_rule)
    alone = method(net, images, OneSample(sample, classes[sample])).attribution
    others = [i for i in range(samples) if i != sample]
    assert not alone[others].any()
    together = method(net, images, Label(torch.tensor(classes))).attribution
    torch.testing.assert_close(alone[sample], together[sample])
    frozen = method(with_statistics_of(net, images), images[[sample]], Class(classes[sample])).attribution
    torch.testing.assert_close(alone[sample], frozen[0])


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("input_rule", RULES)
def test_gradients_of_a_loss_on_the_map_equal_finite_differences(
    make_net: MakeNet, make_images: MakeImages, training: bool, input_rule: str | None
) -> None:
    net, images = make_net(seed=1).train(training), make_images()
    # parameters move, statistics of the evaluation mode do not
    state = copy.deepcopy(net.state_dict())
    weights = torch.rand(3, 2, 8, 8, generator=torch.Generator().manual_seed(2), dtype=torch.float64)

    def loss() -> Tensor:
        net.load_state_dict({k: v for k, v in state.items() if "running" in k or "tracked" in k}, strict=False)
        explanation = LRP(0.05, input_rule)(net, images, Label(torch.tensor([0, 2, 1])))
        r = explanation.attribution
        return (weights * r).sum() + r.square().sum().sqrt() + 0.1 * explanation.logits.square().sum()

    net.zero_grad()
    loss().backward()
    generator = torch.Generator().manual_seed(3)
    for name, parameter in net.named_parameters():
        direction = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        analytic = (parameter.grad * direction).sum()
        values = []
        for step in (1e-6, -2e-6):
            with torch.no_grad():
                parameter.add_(direction, alpha=step)
            values.append(loss().item())
        with torch.no_grad():
            parameter.add_(direction, alpha=1e-6)
        numeric = (values[0] - values[1]) / 2e-6
        assert analytic.item() == pytest.approx(numeric, rel=2e-6, abs=1e-8), name


@pytest.mark.parametrize("input_rule", RULES)
def test_backward_on_another_thread_gives_the_same(make_net: MakeNet, make_images: MakeImages, input_rule: str) -> None:
    def gradients(*, elsewhere: bool) -> list[Tensor]:
        net = make_net().train()
        explanations: list[Explanation] = []

        def explain() -> None:
            explanations.append(LRP(input_rule=input_rule)(net, make_images(), Class(1)))

        def step() -> None:
            explanations[0].attribution.square().sum().backward()

        for work in (explain, step):
            if elsewhere:
                thread = threading.Thread(target=work)
                thread.start()
                thread.join()
            else:
                work()
        return [parameter.grad for parameter in net.parameters() if parameter.grad is not None]

    here, there = gradients(elsewhere=False), gradients(elsewhere=True)
    assert len(here) > 10
    for a, b in zip(here, there, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("input_rule", RULES)
@pytest.mark.parametrize("training", [False, True])
def test_bfloat16_autocast_stays_close(
    make_net: MakeNet, make_images: MakeImages, training: bool, input_rule: str | None
) -> None:
    net, images = make_net().float().train(training), make_images(4, 2, 8, 8).float()
    method = LRP(0.5, input_rule)  # a small epsilon asks for the sign of each pre-activation, which is lost in rounding
    exact = method(net, images, Class(0))
    with torch.autocast("cpu", torch.bfloat16):
        rough = method(net, images, Class(0))
        loss = rough.attribution.square().sum() + rough.logits.square().sum()
    assert rough.attribution.dtype == torch.float32
    exact_map, rough_map = exact.attribution.flatten(1), rough.attribution.flatten(1)
    assert torch.cosine_similarity(exact_map, rough_map).min() > 0.99
    assert (exact_map - rough_map).norm() < 0.1 * exact_map.norm()
    loss.backward()
    got = [parameter.grad.clone() for parameter in net.parameters()]
    net.zero_grad()
    (exact.attribution.square().sum() + exact.logits.square().sum()).backward()
    for gradient, parameter in zip(got, net.parameters(), strict=True):
        if parameter.grad.norm() > 1e-5:
            assert torch.cosine_similarity(gradient.flatten(), parameter.grad.flatten(), 0) > 0.95


@pytest.mark.parametrize("input_rule", RULES)
@pytest.mark.parametrize("factor", [1e-4, 3e3])  # gradients of a few of float16's smallest steps, and of thousands
def test_float16_autocast_keeps_relevance_that_float16_cannot_hold(
    make_net: MakeNet, make_images: MakeImages, factor: float, input_rule: str | None
) -> None:
    net, images = make_net().float(), make_images(4, 2, 8, 8).float()
    last = [layer for layer in net.modules() if isinstance(layer, nn.Linear)][-1]
    with torch.no_grad():
        last.weight.mul_(factor)
    method = LRP(0.5, input_rule)
    exact = method(net, images, Class(0)).attribution
    with torch.autocast("cpu", torch.float16):
        explanation = method(net, images, Class(0))
    assert explanation.attribution.dtype == torch.float32
    assert (explanation.attribution - exact).norm() < 0.02 * exact.norm()
    (got,) = torch.autograd.grad(explanation.attribution.abs().sum() * 100 / factor, next(net.parameters()))
    (expected,) = torch.autograd.grad(exact.abs().sum() * 100 / factor, next(net.parameters()))
    assert (got - expected).norm() < 0.1 * expected.norm()


def test_autocast_leaves_float64_alone_as_torch_does(make_net: MakeNet, make_images: MakeImages) -> None:
    convolutions = nn.Sequential(*list(make_net())[:4], nn.AdaptiveAvgPool2d(1), nn.Flatten())
    exact = LRP()(convolutions, make_images(), Class(0)).attribution
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(LRP()(convolutions, make_images(), Class(0)).attribution, exact)


@pytest.mark.parametrize("input_rule", RULES)
@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("frozen", ["first", "all"])
def test_frozen_models_have_the_same_map(
    make_images: MakeImages, frozen: str, norm: bool, inplace: bool, input_rule: str | None
) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        first = [nn.Conv2d(2, 3, 3), *([nn.BatchNorm2d(3)] if norm else []), nn.ReLU(inplace)]
        net = nn.Sequential(*first, nn.Conv2d(3, 3, 3), nn.ReLU(inplace), nn.Flatten(), nn.Linear(48, 2)).double()
    images, method = make_images(), LRP(input_rule=input_rule)
    expected = method(net.eval(), images, Class(1)).attribution
    (nn.Sequential(*first) if frozen == "first" else net).requires_grad_(False)
    explanation = method(net, images, Class(1))
    torch.testing.assert_close(explanation.attribution, expected)
    if frozen == "first":
        explanation.attribution.square().sum().backward()
        assert net[-1].weight.grad.any()
    assert all(parameter.grad is None for layer in first for parameter in layer.parameters())


@pytest.mark.parametrize("input_rule", RULES)
def test_a_model_that_cuts_its_graph_is_refused(make_images: MakeImages, input_rule: str | None) -> None:
    class Cut(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc = nn.Conv2d(2, 3, 3).double(), nn.Linear(3 * 36, 2).double()

        def forward(self, images: Tensor) -> Tensor:
            with torch.no_grad():
                x = self.conv(images).relu()
            return self.fc(x.flatten(1))

    with pytest.raises(SightlineError, match="by a path that can be differentiated"):
        LRP(input_rule=input_rule)(Cut(), make_images(), Class(0))


@pytest.mark.parametrize("build", [nn.Conv1d, nn.Conv2d, nn.Conv3d])
@pytest.mark.parametrize("input_rule", RULES)
def test_signals_images_and_volumes_conserve_alike(build: type[nn.Module], input_rule: str | None) -> None:
    axes = {nn.Conv1d: 1, nn.Conv2d: 2, nn.Conv3d: 3}[build]
    net = nn.Sequential(build(1, 2, 3, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(2 * 3**axes, 2, bias=False))
    images = torch.rand(2, 1, *(5,) * axes, dtype=torch.float64)
    explanation = LRP(0.0, input_rule)(net.double(), images, Class(0))
    torch.testing.assert_close(explanation.attribution.flatten(1).sum(1), explanation.logits[:, 0])


def test_channels_last_gives_the_same_map(make_net: MakeNet, make_images: MakeImages) -> None:
    expected = LRP()(make_net(), make_images(), Class(0)).attribution
    net, images = make_net().to(memory_format=torch.channels_last), make_images().to(memory_format=torch.channels_last)
    torch.testing.assert_close(LRP()(net, images, Class(0)).attribution, expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epsilon": -1e-3}, "epsilon must be at least 0, got -0.001"),
        ({"epsilon": float("nan")}, "epsilon must be at least 0, got nan"),
        ({"low": 1.0, "high": 1.0}, "low must be less than high, got 1.0 and 1.0"),
        ({"input_rule": "zbox"}, "input_rule must be 'zb', 'flat', 'w_square' or None, got 'zbox'"),
        ({"unknown": "Error"}, "unknown must be 'error' or 'gradient', got 'Error'"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        LRP(**options)


class Sum(nn.Module):
    """Adds two rectified layers up, and rectifies the sum; all in place, or none of it."""

    def __init__(self, *, in_place: bool) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            self.first, self.second = (nn.Conv2d(n, 3, 3, padding=1, bias=False) for n in (2, 3))
            self.norm, self.head = nn.BatchNorm2d(3), nn.Linear(3, 4, bias=False)
        self.in_place = in_place
        self.double().eval()

    def forward(self, images: Tensor) -> Tensor:
        x = self.first(images).relu()
        y = self.norm(self.second(x))
        if self.in_place:
            y += x
            y.relu_()
        else:
            y = (y + x).relu()
        return self.head(y.mean((2, 3)))


@pytest.mark.parametrize("lrp", [LRP, CompositeLRP])
def test_relevance_of_a_layer_is_that_of_its_output_though_it_is_changed_in_place(
    make_images: MakeImages, lrp: type[LRP | CompositeLRP]
) -> None:
    kept, changed = (
        lrp(layers=("norm", "second"))(Sum(in_place=in_place), make_images(), Class(1)) for in_place in (False, True)
    )
    torch.testing.assert_close(changed.attribution, kept.attribution)
    assert changed.layers.keys() == {"norm", "second"}
    for name, relevance in changed.layers.items():
        torch.testing.assert_close(relevance, kept.layers[name])
        assert relevance.abs().flatten(1).sum(1).min() > 0
    assert not torch.allclose(changed.layers["norm"].sum((1, 2, 3)), changed.logits[:, 1])  # the sum's, but for epsilon


def test_relevance_of_a_layer_that_all_goes_through_sums_to_the_logit(make_images: MakeImages) -> None:
    net = nn.Sequential(
        nn.Conv2d(2, 3, 3, bias=False), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(108, 4, bias=False)
    )
    found = LRP(0.0, None, layers=("0", "2"))(net.double(), make_images(), Class(1))
    for relevance in found.layers.values():
        torch.testing.assert_close(relevance.flatten(1).sum(1), found.logits[:, 1])
    torch.testing.assert_close(found.layers["2"], found.layers["0"].flatten(1))


def test_a_soft_maximum_shares_its_relevance_by_the_weights_of_its_places() -> None:
    class SoftMaximum(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.flatten(2).logsumexp(2)

    head = nn.Linear(2, 3, bias=False).double()
    images = torch.randn(4, 2, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    relevance = LRP(epsilon=0, input_rule=None)(nn.Sequential(SoftMaximum(), head), images, Class(1)).attribution
    weights = images.flatten(2).softmax(2).view_as(images)
    assert torch.allclose(relevance, images * weights * head.weight[1].view(1, 2, 1, 1))
