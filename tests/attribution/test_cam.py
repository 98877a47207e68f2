from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.attribution import Class, EveryClass, Explainer, GradCAM, HiResCAM, Predicted, upsample_to
from sightline.errors import LayerNotFoundError, ShapeError, SightlineError
from sightline.models import DenseNet, resnet18, vgg11_bn


class Paper(nn.Module):
    """Two feature maps of two places, flattened into one linear layer of whole numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Conv1d(1, 2, 1)
        self.fc = nn.Linear(4, 2)
        with torch.no_grad():
            self.features.weight.copy_(torch.tensor([[[1.0]], [[-2.0]]]))
            self.features.bias.copy_(torch.tensor([0.0, 1.0]))
            self.fc.weight.copy_(torch.tensor([[1.0, 3.0, 2.0, -4.0], [0.0, 0.0, 0.0, 0.0]]))
            self.fc.bias.copy_(torch.tensor([5.0, 7.0]))

    def forward(self, images: Tensor) -> Tensor:
        return self.fc(self.features(images).flatten(1))


IMAGE = torch.tensor([[[1.0, 2.0]]])  # features ((1, 2), (-1, -3)), gradient ((1, 3), (2, -4)), mean gradient (2, -1)


def test_cams_by_hand() -> None:
    grad_cam = GradCAM("features", rectify=False)(Paper(), IMAGE, Class(0))
    assert grad_cam.attribution.tolist() == [[[2 * 1 + -1 * -1, 2 * 2 + -1 * -3]]]
    hires = HiResCAM("features")(Paper(), IMAGE, Class(0))
    assert hires.attribution.tolist() == [[[1 * 1 + 2 * -1, 3 * 2 + -4 * -3]]]
    assert hires.attribution.sum() + 5 == hires.logits[0, 0]
    assert HiResCAM("features", rectify=True)(Paper(), IMAGE, Class(0)).attribution.tolist() == [[[0, 18]]]
    assert GradCAM("features")(Paper(), -10 * IMAGE, Class(0)).attribution.tolist() == [[[0, 0]]]


def torch_cam(features: Tensor, gradient: Tensor) -> Tensor:
    """Grad-CAM as torch-cam 0.5 has it: weights are means over the places, the map is the rectified weighted sum."""
    weights = gradient.flatten(2).mean(-1)
    weights = weights[(...,) + (None,) * (features.ndim - 2)]
    return torch.nansum(weights * features, dim=1).relu()


MODELS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "resnet": (lambda: resnet18(3, width=8), "layer4"),
    "densenet": (lambda: DenseNet(3, (2, 2), width=8), "relu"),
    "vgg": (lambda: vgg11_bn(3, width=4), "avgpool"),
}


@pytest.fixture(params=MODELS)
def named(request: pytest.FixtureRequest, random_norms: Callable[[nn.Module], None]) -> tuple[nn.Module, str]:
    build, layer = MODELS[request.param]
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        model = build()
        random_norms(model)
    return model.double().eval(), layer


def test_grad_cam_equals_the_formula_of_torch_cam(
    named: tuple[nn.Module, str], make_images: Callable[..., Tensor]
) -> None:
    model, layer = named
    images = make_images(2, 3, 64, 64)
    kept: list[Tensor] = []
    hook = model.get_submodule(layer).register_forward_hook(lambda module, inputs, output: kept.append(output))
    logits = model(images)
    hook.remove()
    (gradient,) = torch.autograd.grad(logits[:, 2].sum(), kept[0])
    expected = torch_cam(kept[0], gradient)
    torch.testing.assert_close(GradCAM(layer)(model, images, Class(2)).attribution[:, 0], expected)


@pytest.mark.parametrize("method", [GradCAM, HiResCAM])
def test_the_layer_found_is_the_last_one_before_the_head(
    named: tuple[nn.Module, str], make_images: Callable[..., Tensor], method: type[GradCAM] | type[HiResCAM]
) -> None:
    model, layer = named
    images = make_images(2, 3, 64, 64)
    found, by_name = (method(name, rectify=False)(model, images, EveryClass()) for name in (None, layer))
    assert found.attribution.any()
    assert torch.equal(found.attribution, by_name.attribution)


def test_hirescam_sums_to_the_logit_where_the_head_is_linear(make_images: Callable[..., Tensor]) -> None:
    model = resnet18(3, width=8).double().eval()
    explanation = HiResCAM()(model, make_images(2, 3, 64, 64), EveryClass())
    sums = explanation.attribution.sum((2, 3, 4)) + model.fc.bias
    torch.testing.assert_close(sums, explanation.logits)


def test_volumes_have_maps_of_three_axes() -> None:
    model = resnet18(2, in_channels=1, width=4, dimensions=3).eval()
    volumes = torch.rand(1, 1, 48, 40, 48)
    explanation = HiResCAM()(model, volumes, Predicted())
    assert explanation.attribution.shape == (1, 1, 2, 2, 2)
    k = explanation.target[0]
    torch.testing.assert_close(explanation.attribution.sum() + model.fc.bias[k], explanation.logits[0, k])
    assert upsample_to(explanation.attribution, (48, 40, 48)).shape == (1, 1, 48, 40, 48)


def test_a_computed_kernel_is_not_taken_for_a_feature_map(make_images: Callable[..., Tensor]) -> None:
    class Late(nn.Module):
        """Computes a kernel of four axes after the last feature map."""

        def __init__(self) -> None:
            super().__init__()
            self.conv, self.kernel = nn.Conv2d(2, 3, 3), nn.Parameter(torch.ones(4, 3, 6, 6))
            self.double()

        def forward(self, images: Tensor) -> Tensor:
            x = self.conv(images).relu()
            return F.conv2d(x, self.kernel * 2).flatten(1)

    model, images = Late(), make_images()
    found, by_name = (HiResCAM(layer)(model, images, Class(1)).attribution for layer in (None, "conv"))
    torch.testing.assert_close(found, by_name)  # the ReLU keeps feature times gradient


@pytest.mark.parametrize("method", [GradCAM, HiResCAM])
def test_batch_norm_behind_the_layer_does_not_mix_samples(
    make_net: Callable[..., nn.Module], make_images: Callable[..., Tensor], method: type[Explainer]
) -> None:
    net, images = make_net().train(), make_images()
    maps = method("0", rectify=False)(net, images, Class(0)).attribution
    kept: list[Tensor] = []
    hook = net[0].register_forward_hook(lambda module, inputs, output: kept.append(output))
    logits = net(images)
    hook.remove()
    (mixed,) = torch.autograd.grad(logits[0, 0], kept[0])
    assert mixed[1:].any()

    class One(Class):
        def select(self, logits: Tensor) -> object:
            selection = super().select(logits)
            return type(selection)(selection.scores * torch.eye(len(logits), dtype=logits.dtype)[0])

    alone = method("0", rectify=False)(net, images, One(0)).attribution
    assert not alone[1:].any()
    torch.testing.assert_close(alone[0], maps[0])


def test_batch_norm_in_the_head_does_not_mix_samples(make_images: Callable[..., Tensor]) -> None:
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.BatchNorm1d(108), nn.Linear(108, 2)).double()
    images = make_images()
    weight = net[4].weight[0] * net[3].weight / (net[:3](images).var(0, unbiased=False) + net[3].eps).sqrt()
    features = net[:2](images)
    expected = (weight.view(3, 6, 6) * features).sum(1, keepdim=True)  # the statistics are constants
    torch.testing.assert_close(HiResCAM()(net, images, Class(0)).attribution, expected)


@pytest.mark.parametrize("method", [GradCAM, HiResCAM])
def test_layers_that_cannot_be_watched_are_named(make_images: Callable[..., Tensor], method: type[GradCAM]) -> None:
    model, images = resnet18(3, width=4).double().eval(), make_images(1, 3, 32, 32)
    with pytest.raises(LayerNotFoundError, match=r"layer 'layer5' is not in the model; it has conv1, bn1"):
        method("layer5")(model, images, Class(0))
    with pytest.raises(ShapeError, match="layer 'fc' must give one feature map of 4 axes"):
        method("fc")(model, images, Class(0))
    with pytest.raises(LayerNotFoundError, match="no feature map"):
        method()(nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 2)).double(), images, Class(0))
    assert not any(module._forward_hooks for module in model.modules())


def test_a_layer_aside_of_the_logits_is_refused(make_images: Callable[..., Tensor]) -> None:
    class Aside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.aside = nn.Conv2d(2, 2, 3).double(), nn.Conv2d(2, 2, 3).double()

        def forward(self, images: Tensor) -> Tensor:
            self.aside(images)
            return self.conv(images).mean((2, 3))

    with pytest.raises(SightlineError, match="do not depend on what is to be explained"):
        GradCAM("aside")(Aside(), make_images(), Class(0))


def test_upsampling_keeps_a_linear_ramp_and_refuses_other_axes() -> None:
    ramp = torch.linspace(0, 1, 4).expand(1, 1, 4, 4)
    up = upsample_to(ramp, (4, 8))
    torch.testing.assert_close(up[0, 0, 0, 1:-1].diff(), torch.full((5,), 1 / 6))
    with pytest.raises(ShapeError, match="maps must have 3 spatial axes"):
        upsample_to(ramp, (4, 4, 4))
