import pytest
import torch
from torch import Tensor, nn

from sightline.attribution import EveryClass, GradCAM, HiResCAM
from sightline.errors import ShapeError
from sightline.evaluation.attention_maps import Attention, Classes, attention_maps
from sightline.guidance import linear_attention
from sightline.types import LinearAnswer


class Slices(nn.Module):
    """Mean over slices of a linear layer on each slice's features, as AxialNet is; or a layer on all of them."""

    def __init__(self, *, every_slice_alike: bool = True) -> None:
        super().__init__()
        self.conv, self.relu = nn.Conv3d(1, 3, 3, padding=1), nn.ReLU()
        self.slices = 1 if every_slice_alike else 4
        self.head = nn.Linear(3 * self.slices * 4, 5)

    def forward(self, images: Tensor) -> Tensor:
        features = self.relu(self.conv(images))
        logits: Tensor = self.head((features if self.slices > 1 else features.mean(2)).flatten(1))
        return logits


class Linear(Slices):
    def linear_answer(self, images: Tensor) -> LinearAnswer:
        features = self.relu(self.conv(images))
        weights = self.head.weight.view(5, 3, self.slices, 2, 2)
        return LinearAnswer(self(images), features, weights, self.slices / 4, self.head.bias)


@pytest.fixture
def images() -> Tensor:
    return torch.rand(2, 1, 4, 2, 2, generator=torch.Generator().manual_seed(0))


@pytest.fixture(params=[True, False], ids=["alike", "each"])
def model(request: pytest.FixtureRequest) -> Linear:
    torch.manual_seed(0)
    return Linear(every_slice_alike=request.param)


@pytest.mark.parametrize(("attention", "explainer"), [("hirescam", HiResCAM), ("grad-cam", GradCAM)])
def test_the_closed_form_is_what_gradients_give(
    model: Linear, images: Tensor, attention: Attention, explainer: type[HiResCAM] | type[GradCAM]
) -> None:
    closed = attention_maps(model, images, [4, 1], attention)
    drawn = attention_maps(model, images, [4, 1], attention, layer="relu")
    expected = explainer("relu", rectify=False)(model, images, EveryClass()).attribution[:, [4, 1], 0]
    assert closed.shape == (2, 2, 4, 2, 2)
    torch.testing.assert_close(closed, expected.detach(), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(drawn, expected.detach(), atol=1e-6, rtol=1e-5)


def test_hirescam_and_the_bias_are_the_logit_and_carry_gradients(model: Linear, images: Tensor) -> None:
    answer = model.linear_answer(images)
    maps = linear_attention(answer)
    torch.testing.assert_close(maps.flatten(2).sum(2) + answer.bias, answer.logits)
    maps.sum().backward()
    assert model.conv.weight.grad is not None
    assert model.conv.weight.grad.abs().sum() > 0


def test_a_model_without_a_closed_form_is_drawn_by_gradients(images: Tensor) -> None:
    torch.manual_seed(0)
    net, twin = Slices(every_slice_alike=False), Linear(every_slice_alike=False)
    twin.load_state_dict(net.state_dict())
    maps = attention_maps(net, images, [0, 3], "hirescam")
    torch.testing.assert_close(maps, attention_maps(twin, images, [0, 3], "hirescam"))
    assert not maps.requires_grad


def test_classes_that_are_not_there_are_refused() -> None:
    for indices in ((), (0, 3), (-1,)):
        with pytest.raises(ShapeError, match="target classes must lie in 0 to 2, got"):
            Classes(indices).select(torch.zeros(2, 3))
