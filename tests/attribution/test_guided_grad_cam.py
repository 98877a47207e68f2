"""Guided Grad-CAM: the product it is defined as, by hand, and captum's."""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.attribution import (
    Class,
    EveryClass,
    GradCAM,
    GuidedBackpropagation,
    Label,
    LogOdds,
    Predicted,
    RandomClass,
    Selection,
    Selective,
    Target,
)
from sightline.attribution.guided_grad_cam import GuidedGradCAM
from sightline.errors import LayerNotFoundError, SettingsError, ShapeError

MakeNet = Callable[..., nn.Module]
MakeImages = Callable[..., Tensor]


class OneToOne(nn.Module):
    """Two feature maps of the pixels, a ReLU, and a sum of each that is weighted: 2 and -1."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv1d(1, 2, 1, bias=False)
        self.relu, self.fc = nn.ReLU(), nn.Linear(2, 1, bias=False)
        with torch.no_grad():
            self.features.weight.copy_(torch.tensor([1.0, 3.0]).view(2, 1, 1))
            self.fc.weight.copy_(torch.tensor([[2.0, -1.0]]))

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(self.relu(self.features(images)).sum(2))


def test_guided_grad_cam_by_hand() -> None:
    # At the ReLU's output, pixels of 4 and -1 give features (4, 0) and (12, 0); the gradients are 2 and -1.
    image = torch.tensor([[[4.0, -1.0]]])
    explanation = GuidedGradCAM("relu")(OneToOne(), image, Class(0))
    assert explanation.logits.item() == 2 * 4 - 12
    assert explanation.attribution.tolist() == [[[0, 0]]]  # Grad-CAM is relu(8 - 12)
    # At its input the gradients of the second pixel are 0, so their means are 1 and -1/2: relu(1 * 4 - 6) is 0 again
    # at the first place and relu(-1 + 1.5) at the second, where guided backpropagation passes nothing.
    assert GradCAM("features")(OneToOne(), image, Class(0)).attribution.tolist() == [[[0, 0.5]]]
    assert GuidedGradCAM("features")(OneToOne(), image, Class(0)).attribution.tolist() == [[[0, 0]]]
    model = OneToOne()
    with torch.no_grad():
        model.fc.weight.copy_(torch.tensor([[2.0, 1.0]]))
    # Grad-CAM is 2 * 4 + 12 at the first place; guided backpropagation 2 * 1 + 1 * 3
    assert GuidedGradCAM("relu")(model, image, Class(0)).attribution.tolist() == [[[20 * 5, 0]]]


@pytest.mark.parametrize("layer", [None, "3", ("0", "4")])
@pytest.mark.parametrize("target", [Predicted(), Label(torch.tensor([2, 0, 1])), Selective(), LogOdds(Class(0))])
def test_it_is_enlarged_grad_cam_times_guided_backpropagation(
    make_net: MakeNet, make_images: MakeImages, layer: str | tuple[str, ...] | None, target: Target
) -> None:
    net, images = make_net(seed=4), make_images()  # whose coarse maps are not rectified to nothing
    cam = GradCAM(layer)(net, images, target)
    guided = GuidedBackpropagation()(net, images, target)
    explanation = GuidedGradCAM(layer)(net, images, target)
    enlarged = F.interpolate(cam.attribution, (8, 8), mode="bilinear", align_corners=False)
    torch.testing.assert_close(explanation.attribution, enlarged * guided.attribution)
    torch.testing.assert_close(explanation.logits, net(images))
    assert torch.equal(explanation.target, cam.target)
    assert explanation.attribution.any()


@pytest.mark.parametrize("shape", [(2, 2, 12), (2, 2, 6, 4), (2, 2, 6, 4, 4)])
def test_images_of_any_dimension_and_every_class(make_images: MakeImages, shape: tuple[int, ...]) -> None:
    convolution, pool = {1: (nn.Conv1d, nn.MaxPool1d), 2: (nn.Conv2d, nn.MaxPool2d), 3: (nn.Conv3d, nn.MaxPool3d)}[
        len(shape) - 2
    ]
    net = nn.Sequential(convolution(2, 4, 3, padding=1), nn.ReLU(), pool(2), convolution(4, 4, 1), nn.ReLU())
    net = nn.Sequential(net, nn.Flatten(2), Mean(), nn.Linear(4, 3)).double()
    images = make_images(*shape)
    every = GuidedGradCAM("0.3")(net, images, EveryClass())
    assert every.attribution.shape == (2, 3, *shape[1:])
    assert every.target is None
    for k in range(3):
        torch.testing.assert_close(every.attribution[:, k], GuidedGradCAM("0.3")(net, images, Class(k)).attribution)


class Mean(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean(2)


@pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU")
@pytest.mark.parametrize("layer", ["3", "5"])
def test_equals_captum(make_images: MakeImages, layer: str) -> None:
    """Captum enlarges by `F.interpolate` with corners not aligned, as we do, where it is told to do so linearly."""
    attr = pytest.importorskip("captum.attr")
    parts = [nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 5, 3, padding=1), nn.ReLU()]
    net = nn.Sequential(*parts, nn.AvgPool2d(2), nn.Flatten(), nn.Linear(20, 3)).double()
    images, target = make_images(), [2, 0, 1]
    ours = GuidedGradCAM(layer)(net, images, Label(torch.tensor(target)))
    theirs = attr.GuidedGradCam(net, net.get_submodule(layer)).attribute(
        images.clone().requires_grad_(), target, interpolate_mode="bilinear"
    )
    assert theirs.any()
    torch.testing.assert_close(ours.attribution, theirs.detach(), rtol=1e-9, atol=1e-12)


@dataclass(frozen=True)
class Counting(Target):
    """Counts how often it is asked."""

    calls: list[Selection] = field(default_factory=list)

    def select(self, logits: Tensor) -> Selection:
        self.calls.append(RandomClass(torch.Generator().manual_seed(len(self.calls))).select(logits))
        return self.calls[-1]


@pytest.mark.parametrize("training", [False, True])
def test_the_class_is_chosen_once_from_the_logits_of_the_model_as_it_is(
    make_net: MakeNet, make_images: MakeImages, training: bool
) -> None:
    net, images, target = make_net(seed=4).train(training), make_images(), Counting()
    logits = copy.deepcopy(net)(images)
    explanation = GuidedGradCAM()(net, images, target)
    assert len(target.calls) == 1
    assert torch.equal(explanation.target, target.calls[0].classes)
    torch.testing.assert_close(explanation.logits, logits)
    assert all(part.training == training for part in net.modules())
    again = GuidedGradCAM()(net.eval(), images, Label(explanation.target))  # the function of evaluation mode
    torch.testing.assert_close(explanation.attribution, again.attribution)
    assert again.attribution.any()


class Tokens(nn.Module):
    """Patches of 4 x 8 pixels, cut without a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.relu, self.fc = nn.Linear(32, 8), nn.ReLU(), nn.Linear(8, 3)
        self.double()

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(self.relu(self.embed(F.unfold(images, (4, 8), stride=(4, 8)).mT)).mean(1))


def test_tokens_lie_on_the_grid_that_is_named(make_images: MakeImages) -> None:
    model, images = Tokens(), make_images(2, 1, 16, 24)
    with pytest.raises(ShapeError, match="grid="):
        GuidedGradCAM("relu")(model, images, Class(0))
    cam = GradCAM("relu", grid=(4, 3))(model, images, Class(0)).attribution
    assert cam.shape == (2, 1, 4, 3)
    enlarged = F.interpolate(cam, (16, 24), mode="bilinear", align_corners=False)
    expected = enlarged * GuidedBackpropagation()(model, images, Class(0)).attribution
    assert expected.any()
    torch.testing.assert_close(GuidedGradCAM("relu", (4, 3))(model, images, Class(0)).attribution, expected)


def test_wrong_layers_are_refused(make_net: MakeNet, make_images: MakeImages) -> None:
    with pytest.raises(SettingsError, match="layer must be a name"):
        GuidedGradCAM(3)
    with pytest.raises(SettingsError, match="grid must be a tuple"):
        GuidedGradCAM(grid=14)
    with pytest.raises(LayerNotFoundError, match="layer 'head' is not in the model"):
        GuidedGradCAM("head")(make_net(), make_images(), Class(0))
