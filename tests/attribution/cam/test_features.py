"""Which feature map is explained at, whatever is done to it afterwards."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.attribution import Class, EveryClass, Explainer, Predicted
from sightline.attribution.cam import CAM, GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM, ScoreCAM, XGradCAM
from sightline.errors import LayerNotFoundError, SettingsError, ShapeError, SightlineError
from sightline.models import resnet18

ALL = [CAM, GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM, ScoreCAM, XGradCAM]
ANY_HEAD = [method for method in ALL if method is not CAM]
MakeImages = Callable[..., Tensor]
Named = tuple[nn.Module, str]


@pytest.mark.parametrize("method", ANY_HEAD)
def test_the_layer_found_is_the_last_one_before_the_head(
    named: Named, make_images: MakeImages, method: type[Explainer]
) -> None:
    model, layer = named
    images = make_images(2, 3, 64, 64)
    found, by_name = (method(name, rectify=False)(model, images, EveryClass()) for name in (None, layer))
    assert found.attribution.any()
    torch.testing.assert_close(found.attribution, by_name.attribution)


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_signals_images_and_volumes_have_maps(
    pooled: type[nn.Module], make_images: MakeImages, method: type[Explainer], dimensions: int
) -> None:
    sides = (7, 6, 5)[:dimensions]
    explanation = method()(pooled(dimensions), make_images(2, 2, *sides), Predicted())
    assert explanation.attribution.shape == (2, 1, *(side - 2 for side in sides))
    assert explanation.attribution.any()


class ChangesInPlace(nn.Module):
    """Writes over what its named layers gave, and over what they were given."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.same, self.fc = nn.Conv2d(2, 3, 3), nn.Identity(), nn.Linear(108, 2)
        self.double()

    def forward(self, images: Tensor) -> Tensor:
        x = self.conv(images)
        y = self.same(x)
        z = y * 2
        x.add_(1)
        y = y.relu_()
        return self.fc((y + z).flatten(1))


@pytest.mark.parametrize("layer", ["conv", "same"])
def test_a_layer_whose_output_is_changed_in_place_is_explained_as_it_was(make_images: MakeImages, layer: str) -> None:
    model, images = ChangesInPlace(), make_images()
    explanation = HiResCAM(layer)(model, images, Class(1))
    before = model.conv(images)
    weight = model.fc.weight[1].view(3, 6, 6)
    # named 'conv' the in-place sum reaches the ReLU; named 'same' the ReLU has a copy of its own
    active = before + (1 if layer == "conv" else 0) > 0
    torch.testing.assert_close(explanation.attribution[:, 0], (weight * (active + 2.0) * before).sum(1))


@pytest.mark.parametrize("method", ANY_HEAD)
def test_an_activation_in_place_behind_the_layer_changes_nothing(
    make_images: MakeImages, method: type[Explainer]
) -> None:
    def net(inplace: bool) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)
            parts = nn.Conv2d(2, 3, 3), nn.ReLU(inplace), nn.Conv2d(3, 3, 3), nn.ReLU(inplace), nn.Flatten()
            return nn.Sequential(*parts, nn.Linear(48, 2)).double()

    images = make_images()
    for layer in (None, "0", "2", "3", ("0", "2")):
        maps, expected = (method(layer, rectify=False)(net(inplace), images, Class(0)) for inplace in (True, False))
        assert expected.attribution.any()
        torch.testing.assert_close(maps.attribution, expected.attribution)
        torch.testing.assert_close(maps.logits, net(inplace=True)(images))


def test_maps_of_several_layers_keep_their_sums_and_are_averaged(make_images: MakeImages) -> None:
    model, images = resnet18(3, width=4).double().eval(), make_images(2, 3, 64, 64)
    layers = ("layer3", "layer4", "layer2")
    alone = [HiResCAM(layer)(model, images, EveryClass()).attribution for layer in layers]
    together = HiResCAM(layers)(model, images, EveryClass()).attribution
    assert together.shape == alone[2].shape
    sums = torch.stack([maps.sum((2, 3, 4)) for maps in alone])
    torch.testing.assert_close(together.sum((2, 3, 4)), sums.mean(0))
    fine = [F.interpolate(maps.flatten(0, 1), (8, 8), mode="bilinear") for maps in alone]
    expected = (fine[0] / 4 + fine[1] / 16 + fine[2]) / 3
    torch.testing.assert_close(together.flatten(0, 1), expected)


def test_each_of_several_maps_is_rectified_by_itself(make_images: MakeImages) -> None:
    model, images = resnet18(3, width=4).double().eval(), make_images(2, 3, 64, 64)
    layers = ("layer2", "layer4")
    one, other = (GradCAM(layer)(model, images, Class(0)).attribution for layer in layers)
    expected = (one + F.interpolate(other, (8, 8), mode="bilinear") / 16) / 2
    torch.testing.assert_close(GradCAM(layers)(model, images, Class(0)).attribution, expected)
    expected = (ScoreCAM("layer2")(model, images, Class(0)).attribution, ScoreCAM("layer4")(model, images, Class(0)))
    torch.testing.assert_close(
        ScoreCAM(layers)(model, images, Class(0)).attribution,
        (expected[0] + F.interpolate(expected[1].attribution, (8, 8), mode="bilinear")) / 2,
    )


def test_a_computed_kernel_is_not_taken_for_a_feature_map(make_images: MakeImages) -> None:
    class Late(nn.Module):
        """Computes a kernel of four axes after the last feature map."""

        def __init__(self) -> None:
            super().__init__()
            self.conv, self.kernel = nn.Conv2d(2, 3, 3), nn.Parameter(torch.ones(4, 3, 6, 6))
            self.scale = nn.Conv2d(3, 3, 1)
            self.double()

        def forward(self, images: Tensor) -> Tensor:
            x = self.conv(images).relu()
            kernel = self.scale(self.kernel[: len(images)])  # looks as a feature map, and the logits depend on it
            return F.conv2d(x, kernel).flatten(1)

    model, images = Late(), make_images()
    found, by_name = (HiResCAM(layer)(model, images, Class(1)).attribution for layer in (None, "conv"))
    torch.testing.assert_close(found, by_name)  # the ReLU keeps feature times gradient


def test_a_feature_map_aside_of_the_logits_is_passed_over(make_images: MakeImages) -> None:
    class Aside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.aside = nn.Conv2d(2, 2, 3).double(), nn.Conv2d(2, 2, 3).double()

        def forward(self, images: Tensor) -> Tensor:
            logits = self.conv(images).mean((2, 3))
            self.aside(images)
            return logits

    model, images = Aside(), make_images()
    found, by_name = (GradCAM(layer)(model, images, Class(0)).attribution for layer in (None, "conv"))
    assert torch.equal(found, by_name)
    with pytest.raises(SightlineError, match="do not depend on what is to be explained"):
        GradCAM("aside")(model, images, Class(0))
    with pytest.raises(SightlineError, match="logits do not depend on layer 'aside'; name another one"):
        GradCAM(("conv", "aside"))(model, images, Class(0))


def test_what_reads_a_tensor_tells_where_its_channels_are(make_images: MakeImages) -> None:
    class Windows(nn.Module):
        """Cuts the map into windows, works on their places with the channels last, and puts them together again."""

        def __init__(self) -> None:
            super().__init__()
            self.conv, self.mix, self.whole = nn.Conv2d(2, 4, 1), nn.Linear(4, 4), nn.Identity()
            self.pool, self.fc = nn.AdaptiveAvgPool2d(1), nn.Linear(4, 3)
            self.double()

        def forward(self, images: Tensor) -> Tensor:
            x = self.conv(images).view(-1, 4, 2, 4, 2, 4).permute(0, 2, 4, 3, 5, 1).reshape(-1, 16, 4)
            x = self.mix(x).relu().view(-1, 2, 2, 4, 4, 4).permute(0, 5, 1, 3, 2, 4).reshape(-1, 4, 8, 8)
            return self.fc(self.pool(self.whole(x)).flatten(1))

    model, images = Windows(), make_images()
    every = HiResCAM()(model, images, EveryClass())
    assert every.attribution.shape == (3, 3, 1, 8, 8)
    torch.testing.assert_close(every.attribution.sum((2, 3, 4)) + model.fc.bias, every.logits)
    torch.testing.assert_close(every.attribution, HiResCAM("whole")(model, images, EveryClass()).attribution)


@pytest.mark.parametrize("method", ANY_HEAD)
def test_layers_that_cannot_be_watched_are_named(make_images: MakeImages, method: type[Explainer]) -> None:
    model, images = resnet18(3, width=4).double().eval(), make_images(1, 3, 32, 32)
    with pytest.raises(LayerNotFoundError, match=r"layer 'layer5' is not in the model; it has layer\d"):
        method("layer5")(model, images, Class(0))
    with pytest.raises(ShapeError, match=r"layer 'fc' must give a feature map of the 1 images, got \(1, 3\)"):
        method("fc")(model, images, Class(0))
    with pytest.raises(LayerNotFoundError, match="no feature map"):
        method()(nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 2)).double(), images, Class(0))
    with pytest.raises(ShapeError, match=r"must have a spatial axis for a class activation map, got \(1, 3\)"):
        method()(nn.Linear(3, 2).double(), images[..., 0, 0], Class(0))
    assert not any(module._forward_hooks for module in model.modules())


class Calls(nn.Module):
    """Has layers that are called never and twice, and one that gives two tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.relu, self.spare = nn.Conv2d(2, 2, 3), nn.Conv2d(2, 2, 3), nn.ReLU(), nn.ReLU()
        self.attention = nn.MultiheadAttention(2, 1, batch_first=True)
        self.double()

    def forward(self, images: Tensor) -> Tensor:
        tokens = self.relu(self.second(self.relu(self.first(images)))).flatten(2).mT
        return self.attention(tokens, tokens, tokens)[0].mean(1)


@pytest.mark.parametrize(
    ("layer", "error", "message"),
    [
        ("spare", LayerNotFoundError, "layer 'spare' is not called in the forward pass, so it names no feature map"),
        ("relu", LayerNotFoundError, "layer 'relu' is called 2 times in the forward pass, so it names no feature map"),
        ("attention", ShapeError, "layer 'attention' must give a feature map of the 3 images, got tuple"),
        (("first", "spare"), LayerNotFoundError, "layer 'spare' is not called"),
        (("first", "thrid"), LayerNotFoundError, "layer 'thrid' is not in the model"),
    ],
)
def test_layers_without_one_feature_map_are_refused(
    make_images: MakeImages, layer: str, error: type[Exception], message: str
) -> None:
    model = Calls()
    with pytest.raises(error, match=message):
        GradCAM(layer)(model, make_images(), Class(0))
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("method", ALL)
def test_options_of_another_kind_are_refused(method: type[Explainer]) -> None:
    for layer in (["layer3", "layer4"], (), 4):
        with pytest.raises(SettingsError, match="layer must be a name, a tuple of names or None, got"):
            method(layer)
    for grid in ((7, 0), 7, (7.0, 7)):
        with pytest.raises(SettingsError, match="grid must be a tuple of whole numbers above 0 or None, got"):
            method(grid=grid)
    hash(method(("layer3", "layer4"), (7, 7)))


@pytest.mark.parametrize("method", [GradCAM, HiResCAM, LayerCAM])
def test_batch_norm_behind_the_layer_does_not_mix_samples(
    make_net: Callable[..., nn.Module], make_images: MakeImages, method: type[Explainer]
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


def test_a_loss_on_maps_of_several_layers_trains_the_weights(make_images: MakeImages) -> None:
    model, images = resnet18(3, width=2).double().eval(), make_images(1, 3, 48, 48)
    for explainer in (GradCAMPlusPlus(("layer3", "layer4")), XGradCAM(("layer3", "layer4")), LayerCAM()):

        def loss(explainer: Explainer = explainer) -> Tensor:
            return explainer(model, images, Class(0)).attribution.square().sum()

        weight = model.layer3[0].conv1.weight
        (gradient,) = torch.autograd.grad(loss(), weight)
        direction = torch.randn(weight.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        with torch.no_grad():
            weight.add_(direction, alpha=1e-6)
            above = loss()
            weight.sub_(direction, alpha=2e-6)
            slope = (above - loss()) / 2e-6
            weight.add_(direction, alpha=1e-6)
        torch.testing.assert_close((gradient * direction).sum(), slope, rtol=1e-5, atol=1e-9)
