"""What is known about tensors, by the tensor itself."""

import gc

import pytest
import torch

from sightline.attribution.by_tensor import ByTensor


def test_equal_tensors_are_two_keys() -> None:
    first, second = torch.zeros(2), torch.zeros(2)
    known: ByTensor[str] = ByTensor()
    known[first] = "first"
    assert first in known
    assert known[first] == known.get(first) == "first"
    assert second not in known
    assert known.get(second) is None
    with pytest.raises(KeyError):
        known[second]


def test_the_last_value_counts_until_it_is_deleted() -> None:
    tensor = torch.zeros(2)
    known: ByTensor[int] = ByTensor()
    known[tensor] = 1
    known[tensor] = 2
    assert known[tensor] == 2
    del known[tensor]
    assert tensor not in known


def test_a_tensor_that_is_gone_leaves_nothing_to_one_in_its_place() -> None:
    known: ByTensor[int] = ByTensor()
    places = set()
    for number in range(200):
        tensor = torch.zeros(2)
        places.add(id(tensor))
        assert tensor not in known
        known[tensor] = number
        del tensor
        gc.collect(0)
    assert len(places) < 200  # else no place was taken twice
    assert not known._known


def test_a_tensor_that_only_the_graph_holds_is_known_still() -> None:
    known: ByTensor[str] = ByTensor()
    made = torch.ones(2, requires_grad=True) * 2
    known[made] = "made"
    read = made.sin()  # its backward holds what it read
    del made
    gc.collect()
    assert read.grad_fn is not None
    assert known.get(read.grad_fn._saved_self) == "made"  # type: ignore[attr-defined]
    del read
    assert not known._known
