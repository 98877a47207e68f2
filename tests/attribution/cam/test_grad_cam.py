from collections.abc import Callable

import torch
from torch import Tensor, nn

from sightline.attribution import Class
from sightline.attribution.cam import GradCAM

FEATURES = torch.tensor([[[1.0, 2.0], [-1.0, -3.0]]])  # two feature maps of two places
WEIGHT = torch.tensor([[[1.0, 3.0], [2.0, -4.0]]])  # means 2 and -1


def test_grad_cam_by_hand(flat: type[nn.Module]) -> None:
    model = flat(WEIGHT, torch.tensor([5.0]))
    unrectified = GradCAM("features", rectify=False)(model, FEATURES, Class(0)).attribution
    assert unrectified.tolist() == [[[2 * 1 + -1 * -1, 2 * 2 + -1 * -3]]]
    assert GradCAM("features")(model, -FEATURES, Class(0)).attribution.tolist() == [[[0, 0]]]


def test_grad_cam_is_the_formula(named: tuple[nn.Module, str], make_images: Callable[..., Tensor]) -> None:
    model, layer = named
    images = make_images(2, 3, 64, 64)
    kept: list[Tensor] = []
    hook = model.get_submodule(layer).register_forward_hook(lambda module, inputs, output: kept.append(output))
    logits = model(images)
    hook.remove()
    (gradient,) = torch.autograd.grad(logits[:, 2].sum(), kept[0])
    expected = torch.einsum("nf,nf...->n...", gradient.flatten(2).mean(2), kept[0]).relu()
    torch.testing.assert_close(GradCAM(layer)(model, images, Class(2)).attribution[:, 0], expected)
