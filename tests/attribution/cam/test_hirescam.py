from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from sightline.attribution import Class, EveryClass, Predicted
from sightline.attribution.cam import GradCAM, HiResCAM, upsample_to
from sightline.models import resnet18


def test_hirescam_by_hand(flat: type[nn.Module]) -> None:
    model = flat(torch.tensor([[[1.0, 3.0], [2.0, -4.0]]]), torch.tensor([5.0]))
    features = torch.tensor([[[1.0, 2.0], [-1.0, -3.0]]])
    explanation = HiResCAM("features")(model, features, Class(0))
    assert explanation.attribution.tolist() == [[[1 * 1 + 2 * -1, 3 * 2 + -4 * -3]]]
    assert explanation.attribution.sum() + 5 == explanation.logits[0, 0]
    assert HiResCAM("features", rectify=True)(model, features, Class(0)).attribution.tolist() == [[[0, 18]]]


def test_grad_cam_blurs_what_hirescam_shows(flat: type[nn.Module]) -> None:
    """After figures 3 and 7 of the HiResCAM paper: an L of equal features, of which the model uses two corners."""
    features = torch.tensor([[[[2.0, 2.0, 2.0], [2.0, 0.0, 0.0], [2.0, 0.0, 0.0]]]])
    gradient = torch.tensor([[[[-1.0, 0.0, 1.0], [0.0, 5.0, -5.0], [3.0, 0.0, 6.0]]]])  # mean 1
    model = flat(gradient, torch.tensor([7.0]))
    grad_cam = GradCAM("features", rectify=False)(model, features, Class(0))
    assert torch.equal(grad_cam.attribution, features)  # the L again, though the model uses little of it
    hirescam = HiResCAM("features")(model, features, Class(0))
    assert hirescam.attribution.tolist() == [[[[-2, 0, 2], [0, 0, 0], [6, 0, 0]]]]
    assert hirescam.logits.item() == 13
    assert hirescam.attribution.sum() + 7 == 13
    assert grad_cam.attribution.sum() + 7 != 13


@settings(max_examples=25)
@given(
    sides=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    channels=st.integers(1, 3),
    seed=st.integers(0, 2**16),
)
def test_hirescam_sums_to_the_logit_less_the_bias_behind_one_linear_layer(
    flat: type[nn.Module], sides: list[int], channels: int, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    weight, images = (torch.randn(2, channels, *sides, generator=generator, dtype=torch.float64) for _ in range(2))
    bias = torch.randn(2, generator=generator, dtype=torch.float64)
    explanation = HiResCAM("features")(flat(weight, bias), images, EveryClass())
    torch.testing.assert_close(explanation.attribution.flatten(2).sum(2) + bias, explanation.logits)


def test_hirescam_sums_to_the_logit_less_the_bias_behind_pooling(make_images: Callable[..., Tensor]) -> None:
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


def test_batch_norm_in_the_head_does_not_mix_samples(make_images: Callable[..., Tensor]) -> None:
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.BatchNorm1d(108), nn.Linear(108, 2)).double()
    images = make_images()
    weight = net[4].weight[0] * net[3].weight / (net[:3](images).var(0, unbiased=False) + net[3].eps).sqrt()
    features = net[:2](images)
    expected = (weight.view(3, 6, 6) * features).sum(1, keepdim=True)  # the statistics are constants
    torch.testing.assert_close(HiResCAM()(net, images, Class(0)).attribution, expected)


def test_hirescam_depends_on_no_place_that_the_model_does_not_use(flat: type[nn.Module]) -> None:
    weight = torch.zeros(1, 2, 4, 4)
    weight[..., 2:, 2:] = torch.randn(1, 2, 2, 2)
    images = torch.randn(1, 2, 4, 4)
    used = torch.zeros(4, 4, dtype=torch.bool)
    used[2:, 2:] = True
    assert torch.equal(HiResCAM("features")(flat(weight), images, Class(0)).attribution[0, 0] != 0, used)
    assert GradCAM("features", rectify=False)(flat(weight), images, Class(0)).attribution.count_nonzero() == 16


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_at_the_pixels_hirescam_is_gradient_times_input(
    flat: type[nn.Module], make_images: Callable[..., Tensor], dimensions: int
) -> None:
    images = make_images(2, 3, *[3] * dimensions)
    weight = make_images(1, 3, *[3] * dimensions, seed=1)
    expected = (weight * images).sum(1, keepdim=True)
    torch.testing.assert_close(HiResCAM("features")(flat(weight), images, Class(0)).attribution, expected)
