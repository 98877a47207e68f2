from collections.abc import Callable

import torch
from torch import Tensor, nn

from sightline.attribution import Class
from sightline.attribution.cam import HiResCAM, LayerCAM


def test_layer_cam_by_hand(flat: type[nn.Module]) -> None:
    features = torch.tensor([[[1.0, 3.0], [-4.0, 2.0]]])
    gradient = torch.tensor([[[4.0, -8.0], [2.0, 5.0]]])
    explanation = LayerCAM("features", rectify=False)(flat(gradient), features, Class(0))
    assert explanation.attribution.tolist() == [[[4 * 1 + 2 * -4, 5 * 2]]]
    assert LayerCAM("features")(flat(gradient), features, Class(0)).attribution.tolist() == [[[0, 10]]]


def test_with_a_gradient_that_is_not_negative_it_is_hirescam(
    flat: type[nn.Module], make_images: Callable[..., Tensor]
) -> None:
    model, images = flat(make_images(1, 2, 3, 3)), make_images(2, 2, 3, 3, seed=1)
    maps, expected = (method("features")(model, images, Class(0)).attribution for method in (LayerCAM, HiResCAM))
    torch.testing.assert_close(maps, expected)
