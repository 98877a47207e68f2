"""Explanations of compiled models are those of the models that were compiled."""

import copy
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from sightline.attribution import (
    CAM,
    LIME,
    LRP,
    RISE,
    AttentionRollout,
    DeepLIFT,
    ExpectedGradients,
    Explainer,
    GradCAM,
    GradientAttentionRollout,
    GuidedBackpropagation,
    IntegratedGradients,
    Label,
    Occlusion,
    ScoreCAM,
    SmoothGrad,
)

from .test_explainer_contract import explainers

MakeNet = Callable[..., nn.Module]
MakeImages = Callable[..., Tensor]

FEW = {
    ExpectedGradients: {"samples": 2},
    IntegratedGradients: {"steps": 2},
    RISE: {"masks": 4},
    SmoothGrad: {"samples": 2},
}
LABELS = torch.tensor([0, 2, 1])

# torch's compiler looks at the `grad` of what it is given, and would show no warning
pytestmark = pytest.mark.filterwarnings("ignore:The .grad attribute")


class Whole(nn.Module):
    """A network as one frame: `compile()` of a bare `nn.Sequential` compiles nothing."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, images: Tensor) -> Tensor:
        return self.net(images)


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def in_place(net: nn.Module, backend: str = "aot_eager") -> nn.Module:
    net.compile(backend=backend)
    return net


def traced(net: nn.Module) -> nn.Module:
    return in_place(net, "eager")


def wrapped(net: nn.Module) -> nn.Module:
    return torch.compile(net, backend="aot_eager")


def trained_on_map(explainer: Explainer, net: nn.Module, images: Tensor) -> list[Tensor]:
    """Logits, map, and the gradients that a loss on both has."""
    explanation = explainer(net, images, Label(LABELS))
    loss = explanation.logits.square().sum()
    if explanation.attribution.requires_grad:
        loss = loss + explanation.attribution.square().sum()
    loss.backward()
    grads = [weight.grad for weight in net.parameters()]
    return [explanation.logits, explanation.attribution, *(grad for grad in grads if grad is not None)]


WRAPPED = {LRP, GradCAM, GuidedBackpropagation, AttentionRollout}
ALSO_UNWATCHED = {
    DeepLIFT,
    ExpectedGradients,
    IntegratedGradients,
    RISE,
    ScoreCAM,
}  # passes of them are compiled, for seconds
AS_RISE = {LIME, Occlusion}
CASES = [
    *((kind, traced if kind in ALSO_UNWATCHED else in_place) for kind in explainers() if kind not in AS_RISE),
    *((kind, wrapped) for kind in explainers() if kind in WRAPPED),
]


@pytest.mark.parametrize(("kind", "compiled"), CASES)
def test_map_and_gradient_are_those_of_the_plain_model(
    kind: type[Explainer], compiled: Callable[[nn.Module], nn.Module], make_net: MakeNet, make_images: MakeImages
) -> None:
    attends = kind in (AttentionRollout, GradientAttentionRollout)
    net, images = Whole(make_net(pooled=kind is CAM, attends=attends)).train(), make_images()
    explainer = kind(**FEW.get(kind, {}))
    expected = trained_on_map(explainer, copy.deepcopy(net), images)
    found = trained_on_map(explainer, compiled(net), images)
    assert len(found) == len(expected)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("compiled", [in_place, wrapped])
def test_layers_are_found_by_their_names(
    compiled: Callable[[nn.Module], nn.Module], make_net: MakeNet, make_images: MakeImages
) -> None:
    net, images = Whole(make_net()), make_images()
    for explainer in (GradCAM(layer="net.4"), LRP(layers=("net.4.conv1",))):
        expected = explainer(copy.deepcopy(net), images, Label(LABELS))
        found = explainer(compiled(net), images, Label(LABELS))
        torch.testing.assert_close(found.attribution, expected.attribution)
        torch.testing.assert_close(found.layers, expected.layers)
