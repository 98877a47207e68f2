from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from sightline.attribution import Class, EveryClass, GradientTimesInput, Predicted, Target
from sightline.attribution.cam import GradCAM
from sightline.models import resnet18

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


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("target", [Predicted(), EveryClass()], ids=["predicted", "every"])
def test_two_passes_give_both_what_each_method_gives(
    named: tuple[nn.Module, str], make_images: Callable[..., Tensor], target: Target, training: bool
) -> None:
    model, layer = named
    model.train(training)
    images = make_images(2, 3, 64, 64)
    cam, pixels = GradCAM(layer).with_times_input(model, images, target)
    torch.testing.assert_close(cam.attribution, GradCAM(layer)(model, images, target).attribution)
    torch.testing.assert_close(pixels.attribution, GradientTimesInput()(model, images, target).attribution)
    model.eval()


def test_both_maps_of_two_passes_can_be_differentiated(make_images: Callable[..., Tensor]) -> None:
    model, images = resnet18(3, width=8).double(), make_images(2, 3, 64, 64)
    weights = list(model.parameters())
    for index, alone in enumerate((GradCAM(), GradientTimesInput())):
        together = GradCAM().with_times_input(model.eval(), images, Class(0))[index]
        expected = torch.autograd.grad(alone(model, images, Class(0)).attribution.square().sum(), weights[:3])
        found = torch.autograd.grad(together.attribution.square().sum(), weights[:3])
        torch.testing.assert_close(found, expected)
