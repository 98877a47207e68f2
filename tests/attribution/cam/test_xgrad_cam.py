import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from sightline.attribution import Class, EveryClass
from sightline.attribution.cam import GradCAM, HiResCAM, XGradCAM


def test_xgrad_cam_by_hand(flat: type[nn.Module]) -> None:
    features = torch.tensor([[[1.0, 3.0], [4.0, 0.0]]])
    gradient = torch.tensor([[[4.0, -8.0], [2.0, 100.0]]])
    weights = (1 * 4 + 3 * -8) / 4, 2
    explanation = XGradCAM("features", rectify=False)(flat(gradient), features, Class(0))
    assert explanation.attribution.tolist() == [[[weights[0] * 1 + weights[1] * 4, weights[0] * 3]]]
    assert XGradCAM("features")(flat(gradient), features, Class(0)).attribution.tolist() == [[[3, 0]]]


@given(seed=st.integers(0, 2**16))
def test_xgrad_cam_has_the_sum_of_hirescam(flat: type[nn.Module], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    features = torch.rand(2, 3, 2, 4, generator=generator, dtype=torch.float64)
    model = flat(torch.randn(2, 3, 2, 4, generator=generator, dtype=torch.float64))
    sums, expected = (
        method("features", rectify=False)(model, features, EveryClass()).attribution.sum((2, 3, 4))
        for method in (XGradCAM, HiResCAM)
    )
    torch.testing.assert_close(sums, expected)


def test_where_the_gradient_is_the_same_everywhere_it_is_grad_cam(flat: type[nn.Module]) -> None:
    features = torch.rand(2, 3, 2, 4, dtype=torch.float64)
    model = flat(torch.randn(1, 3, 1, 1, dtype=torch.float64).expand(1, 3, 2, 4))
    maps, expected = (method("features")(model, features, Class(0)).attribution for method in (XGradCAM, GradCAM))
    torch.testing.assert_close(maps, expected)


def test_a_feature_map_that_sums_to_0_weighs_nothing(flat: type[nn.Module]) -> None:
    features = torch.tensor([[[1.0, -1.0], [3.0, 1.0]]])
    model = flat(torch.tensor([[[5.0, 7.0], [4.0, 8.0]]]))
    expected = (3 * 4 + 1 * 8) / 4
    maps = XGradCAM("features", rectify=False)(model, features, Class(0)).attribution
    assert maps.tolist() == [[[expected * 3, expected * 1]]]


def test_a_silent_feature_map_weighs_nothing_and_can_be_trained(flat: type[nn.Module]) -> None:
    model = flat(torch.randn(1, 2, 2, 2))
    features = torch.rand(1, 2, 2, 2)
    features[:, 1] = 0
    maps = XGradCAM("features", rectify=False)(model, features, Class(0)).attribution
    weight = model.fc.weight.view(2, 2, 2)[0]
    share = features[0, 0] / features[0, 0].sum()
    torch.testing.assert_close(maps[0, 0], (weight * share).sum() * features[0, 0])
    maps.square().sum().backward()
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in model.parameters())
