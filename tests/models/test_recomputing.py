from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn

from sightline.attribution import LRP, Class, Explainer, Saliency
from sightline.models.densenet import DenseNet
from sightline.models.recomputing import _segments, run_recomputing
from sightline.models.resnet import resnet18
from sightline.models.slice_trunk import SliceTrunk, build_trunk

SIZE = (9, 32, 32)
SMALL = {"size": SIZE, "width": 4}


class Dropping(nn.Module):
    """Random numbers and buffers in one block."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm, self.relu = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()
        self.dropout, self.conv2 = nn.Dropout(0.5), nn.Conv2d(4, 4, 3, stride=4)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.dropout(self.relu(self.norm(self.conv1(x)))))


TRUNKS: dict[str, Callable[[bool], SliceTrunk]] = {
    "resnet": lambda again: build_trunk(**SMALL, checkpointing=again),
    "in parts": lambda again: build_trunk(**SMALL, checkpointing=again, slices_at_once=2),
    "densenet": lambda again: SliceTrunk(DenseNet(1, (1, 2), width=4).features, SIZE, checkpointing=again),
    "vgg": lambda again: build_trunk(**SMALL, checkpointing=again, trunk="vgg11_bn"),
    "dropout": lambda again: SliceTrunk(Dropping(), SIZE, checkpointing=again),
}


@pytest.fixture
def volumes() -> Tensor:
    return torch.rand(2, 1, *SIZE, generator=torch.Generator().manual_seed(1))


def pair(build: Callable[[bool], SliceTrunk]) -> tuple[SliceTrunk, SliceTrunk]:
    """Two of the same weights: one computes again, one keeps."""
    made = []
    for again in (True, False):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            made.append(build(again))
    return made[0], made[1]


def step(trunk: nn.Module, volumes: Tensor, between: Callable[[nn.Module], object] = lambda _: None) -> list[Tensor]:
    """Maps, gradients of volumes and weights, and buffers after one training step without the optimiser."""
    volumes = volumes.clone().requires_grad_()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        maps = trunk(volumes)
        between(trunk)
        maps.square().mean().backward()
    gradients = [parameter.grad for parameter in trunk.parameters()]
    return [maps.detach(), volumes.grad, *gradients, *(buffer.clone() for buffer in trunk.buffers())]


@contextmanager
def kept() -> Iterator[list[int]]:
    """Bytes of each tensor that is kept for the backward pass."""
    sizes: list[int] = []

    def pack(tensor: Tensor) -> Tensor:
        sizes.append(tensor.numel() * tensor.element_size())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        yield sizes


@pytest.mark.parametrize("build", TRUNKS.values(), ids=TRUNKS)
@pytest.mark.parametrize("training", [True, False])
def test_all_is_the_same_to_the_bit(build: Callable[[bool], SliceTrunk], training: bool, volumes: Tensor) -> None:
    found, expected = (step(trunk.train(training), volumes) for trunk in pair(build))
    assert len(found) == len(expected)
    assert all(map(torch.equal, found, expected))
    assert found[1].any()


def test_running_statistics_are_moved_once(volumes: Tensor) -> None:
    trunk, _ = pair(TRUNKS["resnet"])
    norm = trunk.net.bn1
    found = step(trunk, volumes)
    images = volumes.view(-1, 3, *SIZE[1:])
    mean = nn.functional.conv2d(images, trunk.net.conv1.weight, stride=2, padding=3).mean((0, 2, 3))
    torch.testing.assert_close(norm.running_mean, 0.1 * mean)
    assert norm.num_batches_tracked == 1
    assert norm.running_mean is dict(trunk.named_buffers())["net.bn1.running_mean"]
    assert len(found) > 2


@pytest.mark.parametrize(
    "between",
    [
        lambda trunk: trunk.eval(),  # as a second pass does, whose loss is added
        lambda trunk: [buffer.add_(3) for buffer in trunk.buffers()],
    ],
)
@pytest.mark.parametrize("training", [True, False])
def test_what_is_changed_between_the_passes_is_not_seen(
    between: Callable[[nn.Module], object], training: bool, volumes: Tensor
) -> None:
    trunk, other = pair(TRUNKS["dropout"])
    found, expected = step(trunk.train(training), volumes, between), step(other.train(training), volumes)
    assert torch.equal(found[0], expected[0])
    count = 2 + len(list(trunk.parameters()))
    assert all(map(torch.equal, found[:count], expected[:count]))
    trunk.train()
    between(trunk)
    assert trunk.net.norm.training == trunk.training


def test_a_gradient_can_be_differentiated_again(volumes: Tensor) -> None:
    found = []
    for trunk in pair(TRUNKS["resnet"]):
        given = volumes.clone().requires_grad_()
        (slope,) = torch.autograd.grad(trunk(given).square().mean(), given, create_graph=True)
        slope.square().sum().backward()
        found.append([slope.detach(), *(parameter.grad for parameter in trunk.parameters()), *trunk.buffers()])
    assert all(map(torch.equal, *found))
    assert found[0][1].any()


def test_less_is_kept(volumes: Tensor) -> None:
    sizes = []
    for trunk in pair(TRUNKS["resnet"]):
        with kept() as bytes_of:
            trunk(volumes)
        sizes.append(sum(bytes_of))
    assert sizes[0] < 0.25 * sizes[1]


def test_a_resnet_is_cut_after_its_stem_and_around_each_block() -> None:
    trunk, _ = pair(TRUNKS["resnet"])
    segments = list(_segments(trunk.net))
    assert [len(segment) for segment in segments] == [4] + [1] * 8
    assert [module for segment in segments[1:] for module in segment] == [
        block for stage in ("layer1", "layer2", "layer3", "layer4") for block in getattr(trunk.net, stage)
    ]


def test_hooks_of_a_stage_are_called(volumes: Tensor) -> None:
    trunk, _ = pair(TRUNKS["resnet"])
    seen: list[Tensor] = []
    trunk.net.layer2.register_forward_hook(lambda module, inputs, output: seen.append(output))
    maps = trunk(volumes)
    assert len(seen) == 1
    assert torch.equal(trunk.net.layer4(trunk.net.layer3(seen[0])), maps)


@torch.no_grad()
def test_nothing_is_set_up_where_nothing_is_kept(volumes: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sightline.models.slice_trunk.run_recomputing", lambda *_: pytest.fail("it was"))
    trunk, _ = pair(TRUNKS["resnet"])
    trunk(volumes)


class Pooled(nn.Module):
    """A classifier of the maps of a trunk."""

    def __init__(self, trunk: SliceTrunk) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, volumes: Tensor) -> Tensor:
        return self.trunk(volumes).mean((2, 3)).view(len(volumes), -1)


@pytest.mark.parametrize("explain", [LRP(), LRP(input_rule="zb"), Saliency()], ids=["LRP", "z^B", "gradient"])
@pytest.mark.parametrize("case", ["resnet", "in parts"])
def test_an_explanation_through_the_trunk_is_that_of_one_that_keeps_all(
    explain: Explainer, case: str, volumes: Tensor
) -> None:
    """What is computed again is not watched, and the engine refuses it: while it watches, nothing is."""
    found = []
    for trunk in pair(TRUNKS[case]):
        explanation = explain(Pooled(trunk), volumes, Class(2))
        (explanation.attribution.square().sum() + explanation.logits.square().sum()).backward()
        gradients = [parameter.grad for parameter in trunk.parameters()]
        found.append([explanation.logits, explanation.attribution, *gradients, *trunk.buffers()])
    assert all(map(torch.equal, *found))
    assert found[0][1].any()


def test_an_explanation_keeps_all_also_where_the_caller_moves_what_is_kept(volumes: Tensor) -> None:
    trunk, _ = pair(TRUNKS["resnet"])
    model = Pooled(trunk.eval())
    expected = LRP()(model, volumes, Class(2)).attribution
    with torch.autograd.graph.save_on_cpu():
        found = LRP()(model, volumes, Class(2)).attribution
    assert torch.equal(found, expected)


def test_a_device_as_context_is_no_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    monkeypatch.setattr(
        "sightline.models.slice_trunk.run_recomputing", lambda *given: called.append(1) or run_recomputing(*given)
    )
    with torch.device("meta"):
        trunk = build_trunk(**SMALL)
        assert trunk(torch.rand(1, 1, *SIZE)).shape == (3, 32, 1, 1)
    assert called


def test_where_hooks_are_forbidden_all_is_kept(volumes: Tensor) -> None:
    trunk, other = pair(TRUNKS["resnet"])
    with torch.autograd.graph.disable_saved_tensors_hooks("not here"):
        found = trunk(volumes)
    assert torch.equal(found, other(volumes))


def test_any_module_is_one_segment() -> None:
    network = resnet18(2, width=2)
    assert list(_segments(network)) == [[network]]
