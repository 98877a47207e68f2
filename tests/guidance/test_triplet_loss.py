from itertools import product

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sightline.errors import SettingsError, ShapeError
from sightline.guidance.triplet_loss import triplet_loss, valid_triplets

NAN = float("nan")


def rows(*values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_by_hand_on_four_points() -> None:
    # distances: a-b 1, a-c 3, a-d 5, b-c 4 (b left of a), b-d sqrt(26), c-d 4
    points = rows([0, 0], [-1, 0], [3, 0], [3, 4])
    labels = torch.tensor([0, 0, 1, 1])
    ab_cd = [(1, 3), (1, 5), (1, 4), (1, 32**0.5), (4, 3), (4, 4), (4, 5), (4, 32**0.5)]
    expected = [max(0, near - far + 2) for near, far in ab_cd]
    assert triplet_loss(points, labels, margin=2, reduction="sum").item() == pytest.approx(sum(expected))
    assert triplet_loss(points, labels, margin=2).item() == pytest.approx(sum(expected) / 8)


def test_the_norm_is_that_of_p() -> None:
    points, labels = rows([0, 0], [3, 4], [1, 1]), torch.tensor([0, 0, 1])
    # i = 0: 7 - 2 and 5 - sqrt(2); i = 1: 7 - 5 and 5 - sqrt(13)
    assert triplet_loss(points, labels, p=1, margin=0).item() == pytest.approx((5 + 2) / 2)
    assert triplet_loss(points, labels, margin=0).item() == pytest.approx((10 - 2**0.5 - 13**0.5) / 2)


@given(st.integers(0, 2**32 - 1), st.integers(2, 7), st.sampled_from([(5,), (3, 2, 4)]))
def test_all_triplets_agree_with_torch_one_by_one(seed: int, n: int, size: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(seed)
    points = torch.randn(n, *size, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 3, (n,), generator=generator)
    losses = [
        F.triplet_margin_loss(points[i], points[j], points[k], eps=0)
        for i, j, k in product(range(n), repeat=3)
        if i != j and labels[i] == labels[j] != labels[k]
    ]
    expected = torch.stack(losses) if losses else torch.zeros(1, dtype=torch.float64)
    torch.testing.assert_close(triplet_loss(points, labels, reduction="sum"), expected.sum())
    torch.testing.assert_close(triplet_loss(points, labels), expected.mean())
    order = torch.randperm(n, generator=generator)
    torch.testing.assert_close(triplet_loss(points[order], labels[order]), expected.mean())


def test_gradients_agree_with_finite_differences() -> None:
    points = torch.randn(5, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    labels = torch.tensor([0, 0, 1, 1, 2])
    assert torch.autograd.gradcheck(lambda p: triplet_loss(p, labels, margin=3.0), points)


@pytest.mark.parametrize("labels", [torch.tensor([1, 1, 1]), torch.tensor([0, 1, 2])])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_batch_without_a_triplet_costs_nothing(labels: Tensor, reduction: str) -> None:
    points = torch.rand(3, 4, requires_grad=True)
    loss = triplet_loss(points, labels, reduction=reduction)  # type: ignore[arg-type]
    (gradient,) = torch.autograd.grad(loss, points)
    assert loss == 0
    assert (gradient == 0).all()


def test_equal_embeddings_cost_the_margin_and_have_a_finite_gradient() -> None:
    points = torch.ones(4, 3, requires_grad=True)
    loss = triplet_loss(points, torch.tensor([0, 0, 1, 1]))
    (gradient,) = torch.autograd.grad(loss, points)
    assert loss == 1
    assert gradient.isfinite().all()


def test_classes_that_are_apart_by_the_margin_cost_nothing() -> None:
    assert triplet_loss(rows([0, 0], [0.5, 0], [2, 0], [2, 0.1]), torch.tensor([0, 0, 1, 1])) == 0


def test_rows_of_labels_are_alike_where_all_is_known_and_equal() -> None:
    labels = rows([1, 0], [1, 0], [1, NAN], [1, 1], [NAN, NAN])
    triplets = set(zip(*(index.tolist() for index in valid_triplets(labels)), strict=True))
    assert triplets == {(0, 1, 3), (1, 0, 3)}


def test_small_differences_are_counted_in_float32() -> None:
    points = 100 + torch.tensor([[0.0], [0.5], [1.0]])
    with torch.autocast("cpu", torch.bfloat16):
        loss = triplet_loss(points, torch.tensor([0, 0, 1]), margin=0)
    assert loss.dtype == torch.float32
    assert loss == 0  # i = 0: 0.5 - 1, i = 1: 0.5 - 0.5
    assert triplet_loss(points.to(torch.bfloat16), torch.tensor([0, 0, 1])).dtype == torch.float32


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"embeddings must be \(N, \*, D\) and labels .*, got \(3, 2\) and \(2,\)$"):
        triplet_loss(torch.zeros(3, 2), torch.zeros(2))
    with pytest.raises(SettingsError, match=r"^reduction must be mean or sum, got 'max'$"):
        triplet_loss(torch.zeros(3, 2), torch.zeros(3), reduction="max")  # type: ignore[arg-type]
