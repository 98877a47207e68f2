import pytest
import torch
from torch import Tensor

from sightline.attribution import LRP, Label
from sightline.attribution.rules.concatenation import concatenate


def tensors(*lengths: int, dim: int = 1) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = [[length if axis == dim else 2 for axis in range(3)] for length in lengths]
    return [torch.rand(shape, generator=generator, dtype=torch.float64, requires_grad=True) for shape in shapes]


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_it_is_that_of_torch_there_and_twice_back(dim: int) -> None:
    given = tensors(3, 1, 2, dim=dim % 3)
    assert torch.equal(concatenate(given, dim), torch.cat(given, dim))
    assert torch.autograd.gradcheck(lambda *parts: concatenate(parts, dim).sin(), given)
    assert torch.autograd.gradgradcheck(lambda *parts: concatenate(parts, dim).sin(), given)


def test_a_part_whose_way_back_nobody_wants_counts_as_zero() -> None:
    first, second = tensors(2, 3)
    seen = torch.rand(2, 5, 2, dtype=torch.float64, requires_grad=True)
    (back,) = torch.autograd.grad(concatenate([first, second], 1), second, seen, create_graph=True)
    (twice,) = torch.autograd.grad(back.square().sum(), seen)
    assert torch.equal(twice[:, :2], torch.zeros(2, 2, 2, dtype=torch.float64))
    assert torch.equal(twice[:, 2:], 2 * seen.detach()[:, 2:])


def test_what_is_not_alike_is_left_to_torch() -> None:
    whole, half = torch.ones(2, 3), torch.ones(2, 1, dtype=torch.float16)
    assert torch.equal(concatenate([whole, half], 1), torch.cat([whole, half], 1))
    assert torch.equal(concatenate([torch.ones(0), whole], 1), whole), "an empty vector is skipped, as of old"
    out = torch.empty(2, 6)
    assert concatenate([whole, whole], 1, out=out) is out
    assert torch.equal(concatenate([whole, whole], axis=1), torch.ones(2, 6))
    with pytest.raises(IndexError):
        concatenate([whole, whole], 2)
    with pytest.raises(ValueError, match="non-empty"):
        concatenate([])


def test_an_explanation_is_not_sliced_twice() -> None:
    class Dense(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = torch.nn.Conv2d(1, 2, 3), torch.nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            whole = torch.cat([self.one(x).relu(), x[..., 1:-1, 1:-1]], 1)
            logits: Tensor = self.two(whole.mean((2, 3)))
            return logits

    found = LRP(input_rule=None)(Dense(), torch.rand(2, 1, 6, 6), Label(torch.tensor([0, 1])))
    nodes, seen = [found.attribution.grad_fn], set[str]()
    while nodes:
        node = nodes.pop()
        if node is not None and node.name() not in seen:
            seen.add(node.name())
            nodes += [after for after, _ in node.next_functions]
    assert "_PartedBackward" in seen
