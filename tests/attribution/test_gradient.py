from collections.abc import Callable

import torch
from torch import Tensor, nn

from sightline.attribution import LRP, Class, EveryClass, GradientTimesInput, Saliency


def test_both_are_the_gradient_of_the_logit(
    make_net: Callable[..., nn.Module], make_images: Callable[..., Tensor]
) -> None:
    net, images = make_net(), make_images().requires_grad_()
    (gradient,) = torch.autograd.grad(net(images)[:, 1].sum(), images)
    torch.testing.assert_close(Saliency()(net, images, Class(1)).attribution, gradient)
    torch.testing.assert_close(GradientTimesInput()(net, images, Class(1)).attribution, gradient * images.detach())


def test_gradient_times_input_is_lrp0_and_sums_to_the_logit_without_biases(
    make_net: Callable[..., nn.Module], make_images: Callable[..., Tensor]
) -> None:
    net, images = make_net(norm=False, bias=False), make_images()
    explanation = GradientTimesInput()(net, images, EveryClass())
    torch.testing.assert_close(explanation.attribution.sum((2, 3, 4)), explanation.logits)
    torch.testing.assert_close(explanation.attribution, LRP(0.0, None)(net, images, EveryClass()).attribution)


def test_a_loss_on_the_gradient_trains_as_torch_double_backward_does(
    make_net: Callable[..., nn.Module], make_images: Callable[..., Tensor]
) -> None:
    ours, theirs, images = make_net(), make_net(), make_images()
    Saliency()(ours, images, Class(0)).attribution.square().sum().backward()
    leaf = images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(theirs(leaf)[:, 0].sum(), leaf, create_graph=True)
    gradient.square().sum().backward()
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        a_grad = torch.zeros_like(a) if a.grad is None else a.grad
        b_grad = torch.zeros_like(b) if b.grad is None else b.grad
        torch.testing.assert_close(a_grad, b_grad, msg=name)


def test_a_map_is_the_same_to_the_last_digits_whether_it_is_differentiated_or_not() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.Hardsigmoid(), nn.Flatten(), nn.Linear(36, 2)
    ).double()  # torch has 1 / 6 in float32
    images = torch.rand(2, 1, 5, 5, dtype=torch.float64)
    kept = Saliency()(net, images, Class(0)).attribution
    with torch.no_grad():
        drawn = Saliency()(net, images, Class(0)).attribution
    torch.testing.assert_close(drawn, kept.detach(), rtol=1e-13, atol=0)
