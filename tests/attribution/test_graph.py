import torch

from sightline.attribution.graph import reaches


def test_a_node_reaches_what_it_was_made_from_and_nothing_else() -> None:
    x = torch.ones(2, requires_grad=True).clone()
    middle = x * 2
    end = middle.sum() + torch.ones(1, requires_grad=True)
    aside = torch.ones(2, requires_grad=True) * 3
    assert reaches(end.grad_fn, [middle.grad_fn])
    assert reaches(end.grad_fn, [aside.grad_fn, x.grad_fn])
    assert reaches(x.grad_fn, [x.grad_fn])
    assert not reaches(end.grad_fn, [aside.grad_fn])
    assert not reaches(middle.grad_fn, [end.grad_fn])


def test_a_graph_of_many_paths_is_walked_once() -> None:
    x = start = torch.ones(1, requires_grad=True).clone()
    for _ in range(60):  # 2^60 paths
        x = x + x * 1
    assert reaches(x.grad_fn, [start.grad_fn])
    assert not reaches(x.grad_fn, [])
