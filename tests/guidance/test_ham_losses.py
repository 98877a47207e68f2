import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from sightline.guidance.ham_losses import adaptive_squared_error, attention_bound, attention_union

NAN = float("nan")
BOTH = torch.tensor([[True], [True]])


def maps(*rows: list[list[float]]) -> Tensor:
    """One map an image, `(N, 1, 2, 2)`."""
    return torch.tensor(rows).unsqueeze(1)


def test_the_adaptive_error_divides_by_what_is_shown_and_what_should_be() -> None:
    shown = maps([[1.0, 0.0], [0.5, 0.0]], [[0.0, 0.0], [0.0, 1.0]])
    aims = maps([[1.0, 1.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.5]])
    one, other = torch.tensor([[True], [False]]), BOTH
    torch.testing.assert_close(adaptive_squared_error(shown, aims, one).item(), 1.25 / 3.5)
    torch.testing.assert_close(adaptive_squared_error(shown, aims, other).item(), (1.25 + 0.25) / (3.5 + 1.5))
    classes = adaptive_squared_error(
        torch.cat((shown, shown, shown), 1), torch.cat((aims, aims, aims), 1), torch.cat((one, BOTH, ~BOTH), 1)
    )
    torch.testing.assert_close(classes.item(), (1.25 / 3.5 + 1.5 / 5) / 2)  # the third class is in no image


def test_a_map_that_is_its_region_costs_nothing_and_what_is_not_chosen_may_be_unknown() -> None:
    aims = maps([[1.0, 0.0], [1.0, 0.0]], [[NAN, NAN], [NAN, NAN]])
    shown = aims.nan_to_num(0.3).requires_grad_()
    loss = adaptive_squared_error(shown, aims, torch.tensor([[True], [False]]))
    assert loss == 0
    wrong = adaptive_squared_error(0.5 * shown, aims, torch.tensor([[True], [False]]))
    (gradient,) = torch.autograd.grad(wrong, shown)
    assert (gradient[0] != 0).any()
    assert (gradient[1] == 0).all()
    assert adaptive_squared_error(shown, aims, ~BOTH) == 0


def test_the_bound_is_the_share_of_a_class_outside_anything_abnormal() -> None:
    found = maps([[2.0, 0.0], [2.0, 0.0]], [[3.0, 1.0], [0.0, 0.0]])
    abnormal = maps([[2.0, 5.0], [0.0, 5.0]], [[4.0, 0.5], [9.0, 9.0]])
    first, second = 2 / 4, (4 - 3.5) / 4
    torch.testing.assert_close(attention_bound(found, abnormal, BOTH).item(), (first + second) / 2)
    one = torch.tensor([[True], [False]])
    classes = torch.cat((found, found, found), 1)
    both = attention_bound(classes, abnormal, torch.cat((one, BOTH, ~BOTH), 1))
    torch.testing.assert_close(both.item(), (first + (first + second) / 2) / 2)


def test_the_union_is_the_share_of_anything_abnormal_outside_all_classes() -> None:
    abnormal = maps([[2.0, 0.0], [2.0, 4.0]], [[5.0, 5.0], [5.0, 5.0]])
    one, other = (
        maps([[2.0, 9.0], [0.0, 1.0]], [[9.0, 9.0], [9.0, 9.0]]),
        maps([[1.0, 0.0], [0.0, 2.0]], [[0.0] * 2] * 2),
    )
    classes = torch.cat((one, other), 1)
    present = torch.tensor([[True, True], [False, False]])
    torch.testing.assert_close(attention_union(classes, abnormal, present).item(), (8 - 2 - 2) / 8)
    alone = torch.tensor([[False, True], [False, True]])  # what an absent class shows does not count
    torch.testing.assert_close(attention_union(classes, abnormal, alone).item(), ((8 - 1 - 2) / 8 + 1) / 2)
    assert attention_union(classes, abnormal, torch.zeros_like(present)) == 0


@pytest.mark.parametrize("loss", [attention_bound, attention_union])
@pytest.mark.parametrize("threshold", [0.4, 0.75])
def test_a_weak_map_counts_as_outside_even_where_the_two_agree(loss: Callable[..., Tensor], threshold: float) -> None:
    for value in (threshold, threshold + 0.01, threshold - 0.1):
        even = torch.full((2, 1, 2, 2), value)
        gate = 1 / (1 + math.exp(-100 * (value - threshold)))
        torch.testing.assert_close(loss(even, even, BOTH, threshold=threshold).item(), 1 - gate, rtol=1e-4, atol=1e-6)
    strong = torch.full((2, 1, 2, 2), 3.0)
    torch.testing.assert_close(loss(strong, strong, BOTH, threshold=threshold).item(), 0.0)


@pytest.mark.parametrize("loss", [attention_bound, attention_union])
def test_a_map_of_zeros_costs_nothing(loss: Callable[..., Tensor]) -> None:
    zeros = torch.zeros(2, 1, 2, 2, requires_grad=True)
    value = loss(zeros, zeros, BOTH)
    assert value == 0
    (gradient,) = torch.autograd.grad(value, zeros)
    assert gradient.isfinite().all()


def test_gradients_are_those_of_the_formulas_and_images_may_change_places() -> None:
    generator = torch.Generator().manual_seed(0)
    classes = (0.6 + 0.4 * torch.rand(3, 2, 3, 2, generator=generator, dtype=torch.float64)).requires_grad_()
    abnormal = (0.6 + 0.4 * torch.rand(3, 1, 3, 2, generator=generator, dtype=torch.float64)).requires_grad_()
    present = torch.tensor([[True, False], [True, True], [False, False]])
    order = torch.tensor([2, 0, 1])
    aims = torch.rand(3, 2, 3, 2, generator=generator, dtype=torch.float64)
    for loss in (attention_bound, attention_union):
        assert gradcheck(lambda c, p, loss=loss: loss(c, p, present), (classes, abnormal))
        torch.testing.assert_close(
            loss(classes[order], abnormal[order], present[order]), loss(classes, abnormal, present)
        )
    assert gradcheck(lambda c: adaptive_squared_error(c, aims, present), (classes,))
    torch.testing.assert_close(
        adaptive_squared_error(classes[order], aims[order], present[order]),
        adaptive_squared_error(classes, aims, present),
    )
