from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from sightline.attribution import Class, EveryClass, Selective
from sightline.attribution.cam import CAM, GradCAM, HiResCAM, XGradCAM
from sightline.errors import UnsupportedOperationError
from sightline.models import DenseNet, resnet18

MakeImages = Callable[..., Tensor]


def test_cam_by_hand() -> None:
    model = nn.Sequential(nn.Conv1d(1, 2, 1), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(2, 1))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[[1.0]], [[-2.0]]]))
        model[0].bias.copy_(torch.tensor([0.0, 1.0]))
        model[3].weight.copy_(torch.tensor([[3.0, 5.0]]))
        model[3].bias.fill_(7.0)
    explanation = CAM()(model, torch.tensor([[[1.0, 2.0]]]), Class(0))  # features (1, 2) and (-1, -3)
    assert explanation.attribution.tolist() == [[[3 * 1 + 5 * -1, 3 * 2 + 5 * -3]]]
    assert explanation.attribution.mean() + 7 == explanation.logits.item() == 1.5


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_behind_pooling_cam_is_the_number_of_places_times_grad_cam_and_hirescam(
    pooled: type[nn.Module], make_images: MakeImages, dimensions: int
) -> None:
    model, images = pooled(dimensions), make_images(2, 2, *(7, 6, 5)[:dimensions])
    cam = CAM()(model, images, EveryClass())
    places = cam.attribution[0, 0, 0].numel()
    weighted = torch.einsum("kf,nf...->nk...", model.fc.weight, model.features(images))
    torch.testing.assert_close(cam.attribution[:, :, 0], weighted)
    torch.testing.assert_close(cam.attribution.flatten(2).mean(2) + model.fc.bias, cam.logits)
    for method in (GradCAM, HiResCAM, XGradCAM):
        others = method(rectify=False)(model, images, EveryClass())
        torch.testing.assert_close(places * others.attribution, cam.attribution)


@pytest.mark.parametrize(
    "build", [lambda: resnet18(3, width=8), lambda: DenseNet(3, (2, 2), width=8)], ids=["resnet", "densenet"]
)
def test_architectures_of_the_form_are_recognised(build: Callable[[], nn.Module], make_images: MakeImages) -> None:
    model, images = build().double().eval(), make_images(2, 3, 64, 64)
    cam = CAM()(model, images, EveryClass()).attribution
    torch.testing.assert_close(cam, cam[0, 0, 0].numel() * HiResCAM()(model, images, EveryClass()).attribution)


class Head(nn.Module):
    """A convolution and any head."""

    def __init__(self, head: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.head, self.conv, self.norm = head, nn.Conv2d(2, 4, 3), nn.BatchNorm1d(4)
        self.fc, self.hidden, self.flat = nn.Linear(4, 3), nn.Linear(4, 4), nn.Linear(144, 3)
        self.one = nn.Conv2d(4, 3, 1)
        self.double().eval()

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self, self.conv(images))


OF_THE_FORM: dict[str, Callable[[Head, Tensor], Tensor]] = {
    "mean": lambda net, x: net.fc(x.mean((2, 3))),
    "mean of the last axis twice": lambda net, x: net.fc(x.flatten(2).mean(-1)),
    "pooling and dropout": lambda net, x: net.fc(nn.functional.dropout(nn.functional.avg_pool2d(x, 6).flatten(1), 0.5)),
    "channels last": lambda net, x: net.fc(x.permute(0, 2, 3, 1).mean((1, 2))),
    "convolution of what was pooled": lambda net, x: net.one(nn.functional.adaptive_avg_pool2d(x, 1)).flatten(1),
    "matrix product": lambda net, x: x.mean((2, 3)) @ net.fc.weight.T,
}


@pytest.mark.parametrize("head", OF_THE_FORM)
def test_the_form_is_recognised_in_every_spelling(make_images: MakeImages, head: str) -> None:
    model, images = Head(OF_THE_FORM[head]).train(head == "pooling and dropout"), make_images()
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(1)
        cam = CAM()(model, images, Class(1)).attribution
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(1)
        torch.testing.assert_close(cam, 36 * HiResCAM("conv")(model, images, Class(1)).attribution)
    if head == "mean":
        assert torch.equal(CAM("conv")(model, images, Class(1)).attribution, cam)


NOT_OF_THE_FORM: dict[str, tuple[Callable[[Head, Tensor], Tensor], str]] = {
    "two layers": (lambda net, x: net.fc(net.hidden(x.mean((2, 3)))), "2 linear layers follow"),
    "hidden layer": (lambda net, x: net.fc(net.hidden(x.mean((2, 3))).relu()), "calls 'relu'"),
    "no pooling": (lambda net, x: net.flat(x.flatten(1)), "nothing averages it"),
    "no layer": (lambda net, x: x.mean((2, 3)), "0 linear layers follow"),
    "maximum": (lambda net, x: net.fc(x.amax((2, 3))), "calls 'amax'"),
    "normalised": (lambda net, x: net.fc(net.norm(x.mean((2, 3)))), "calls 'batch_norm'"),
    "part of it": (lambda net, x: net.fc(nn.functional.avg_pool2d(x, 4).flatten(1)), "does not take all places"),
    "averaged over channels": (lambda net, x: net.fc(x.mean(1)[:, :4, 0]), "does not take all places"),
}


@pytest.mark.parametrize("head", NOT_OF_THE_FORM)
def test_models_of_another_form_are_refused(make_images: MakeImages, head: str) -> None:
    model, why = NOT_OF_THE_FORM[head]
    with pytest.raises(UnsupportedOperationError, match=rf"the last feature map: .*{why}.*; use HiResCAM"):
        CAM()(Head(model), make_images(), Class(0))


def test_a_layer_that_is_not_the_last_feature_map_is_refused(make_images: MakeImages) -> None:
    model = Head(lambda net, x: net.fc(x.relu_().mean((2, 3))))
    with pytest.raises(
        UnsupportedOperationError, match="of layer 'conv': other features are between it and the logits"
    ):
        CAM("conv")(model, make_images(), Class(0))


def test_any_score_is_weighed_by_its_gradient(pooled: type[nn.Module], make_images: MakeImages) -> None:
    model, images = pooled(), make_images()
    explanation = CAM()(model, images, Selective())
    scores = Selective().select(explanation.logits).scores
    (slopes,) = torch.autograd.grad(scores.sum(), explanation.logits)
    weights = slopes @ model.fc.weight
    torch.testing.assert_close(
        explanation.attribution[:, 0], torch.einsum("nf,nfhw->nhw", weights, model.features(images))
    )
