"""The maps of torch-cam 0.5, before it scales them; where we differ, a case worked by hand says who is right."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.attribution import Class, Explainer
from sightline.attribution.cam import CAM, GradCAM, GradCAMPlusPlus, LayerCAM, ScoreCAM, XGradCAM
from sightline.models import resnet18


@pytest.fixture(scope="module")
def theirs() -> Callable[..., Tensor]:
    methods: ModuleType = pytest.importorskip("torchcam.methods")

    def maps(name: str, model: nn.Module, images: Tensor, layer: str, **options: Any) -> Tensor:
        with getattr(methods, name)(model, layer, **options) as extractor:
            scores = model(images)
            (cam,) = extractor(1, *([] if name == "CAM" else [scores]), normalized=False)
        return cam

    return maps


@pytest.fixture
def model(random_norms: Callable[[nn.Module], None]) -> nn.Module:
    model = resnet18(3, width=8).double()
    random_norms(model)
    return model.eval()


@pytest.mark.parametrize(
    ("name", "explainer"),
    [
        ("CAM", CAM),
        ("GradCAM", GradCAM),
        ("SmoothGradCAMpp", GradCAMPlusPlus),  # of one image without noise is Grad-CAM++
        ("LayerCAM", LayerCAM),
        ("XGradCAM", XGradCAM),
    ],
)
def test_maps_are_those_of_torchcam(
    theirs: Callable[..., Tensor],
    model: nn.Module,
    make_images: Callable[..., Tensor],
    name: str,
    explainer: type[Explainer],
) -> None:
    with torch.no_grad():
        model.fc.weight.abs_().mul_(1e3)  # their guards of 1e-8 against 0/0 are beside gradients, squared, and sums
    images = make_images(2, 3, 64, 64)
    options = {"num_samples": 1, "std": 1e-12} if name == "SmoothGradCAMpp" else {}
    for layer in ("layer4",) if name in ("CAM", "SmoothGradCAMpp") else ("layer2", "layer4"):
        expected = theirs(name, model, images, layer, **options)
        assert expected.any()
        maps = explainer(layer)(model, images, Class(1)).attribution[:, 0]
        torch.testing.assert_close(maps, expected, rtol=1e-6, atol=1e-6 * expected.abs().max().item())


def test_score_cam_is_that_of_torchcam_where_nothing_is_enlarged(
    theirs: Callable[..., Tensor], make_images: Callable[..., Tensor]
) -> None:
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 5, 3, padding=1), nn.ReLU(), nn.Flatten(),
        nn.Linear(320, 3),
    ).double()  # fmt: skip
    images = make_images()
    expected = theirs("ScoreCAM", net, images, "3")
    maps = ScoreCAM("3")(net, images, Class(1)).attribution[:, 0]
    torch.testing.assert_close(maps, expected, rtol=1e-6, atol=1e-7)  # their guard of 1e-8 in the range of a mask


def test_score_cam_sees_the_image_through_masks_that_reach_1(
    theirs: Callable[..., Tensor],
) -> None:
    """Theirs are scaled before they are enlarged, which blurs their peaks; the paper has it the other way round."""

    class Asks(nn.Module):
        """Keeps what it is shown."""

        def __init__(self) -> None:
            super().__init__()
            self.pool, self.fc, self.seen = nn.AvgPool2d(2), nn.Linear(18, 2).double(), []

        def forward(self, images: Tensor) -> Tensor:
            self.seen.append(images.detach().clone())
            return self.fc(self.pool(images).flatten(1))

    images = torch.ones(1, 2, 6, 6, dtype=torch.float64)
    images[:, :, 2:4, 2:4] = 3
    model = Asks()
    ScoreCAM("pool")(model, images, Class(1))
    ours = model.seen[1] / images
    enlarged = F.interpolate(F.avg_pool2d(images, 2), (6, 6), mode="bilinear")
    expected = (enlarged - enlarged.min()) / (enlarged.max() - enlarged.min())
    torch.testing.assert_close(ours, expected.expand(2, 2, 6, 6))
    assert ours.max() == 1
    model.seen.clear()
    theirs("ScoreCAM", model, images, "pool")
    assert (model.seen[-1] / images).max() < 0.6


def test_the_alphas_of_grad_cam_plus_plus_are_those_of_the_paper(
    theirs: Callable[..., Tensor], flat: type[nn.Module], make_images: Callable[..., Tensor]
) -> None:
    """Theirs divide a copy of the squared gradients and go on with what was not divided.

    Their smooth variant divides, but the sum in the denominator is of features times the cubed gradient of each place,
    where the paper has the sum of features times that of the place which alpha is for. Both are the same where the
    gradient is.
    """
    features, gradient = make_images(1, 2, 2, 2), make_images(2, 2, 2, 2, seed=1)
    g, places = gradient[1:], (2, 3)
    cubed = ((g**3).sum(places, keepdim=True) * features).sum(1)
    torch.testing.assert_close(theirs("GradCAMpp", flat(gradient), features, "features"), cubed)

    def cam(total: Tensor) -> Tensor:
        alpha = g**2 / (2 * g**2 + total)
        return ((alpha * g).sum(places, keepdim=True) * features).sum(1)

    smooth = theirs("SmoothGradCAMpp", flat(gradient), features, "features", num_samples=1, std=1e-12)
    torch.testing.assert_close(smooth, cam((features * g**3).sum(places, keepdim=True)), rtol=1e-6, atol=1e-7)
    exact = cam(features.sum(places, keepdim=True) * g**3)  # eq. 19
    ours = GradCAMPlusPlus("features")(flat(gradient), features, Class(1)).attribution[:, 0]
    torch.testing.assert_close(ours, exact)
    assert not torch.allclose(smooth, exact, rtol=1e-3)


def test_volumes_too(
    theirs: Callable[..., Tensor], pooled: type[nn.Module], make_images: Callable[..., Tensor]
) -> None:
    model, volumes = pooled(3), make_images(2, 2, 6, 5, 4)
    expected = theirs("GradCAM", model, volumes, "features")
    torch.testing.assert_close(GradCAM("features")(model, volumes, Class(1)).attribution[:, 0], expected)
