import math

import torch

from sightline.guidance import foreground_loss


def test_the_loss_grows_with_the_square_outside_the_expected_range() -> None:
    inside = torch.tensor([0.0, 1.0, 2.0, 3.0, 5.0, 7.0])  # C1 = 2, C2 = 5
    expected = torch.tensor([1.0, (2 - 1) ** 2 / 2**2, 0.0, 0.0, 0.0, (7 - 5) ** 2])
    torch.testing.assert_close(foreground_loss(inside, least=2.0, most=5.0), expected)


def test_within_the_range_there_is_no_gradient() -> None:
    inside = torch.tensor([1.0, 3.0, 6.0], requires_grad=True)
    (gradient,) = torch.autograd.grad(foreground_loss(inside, least=2.0, most=5.0).sum(), inside)
    torch.testing.assert_close(gradient, torch.tensor([-2 * (2 - 1) / 2**2, 0.0, 2 * (6 - 5)]))


def test_a_logarithmic_excess_does_not_depend_on_the_unit() -> None:
    inside = torch.tensor([0.5, 4.0, 10.0, 10.0 * math.e])
    loss = foreground_loss(inside, least=1.0, most=10.0, excess="logarithmic")
    torch.testing.assert_close(loss, torch.tensor([0.25, 0.0, 0.0, 1.0]))
    torch.testing.assert_close(foreground_loss(7 * inside, least=7.0, most=70.0, excess="logarithmic"), loss)
