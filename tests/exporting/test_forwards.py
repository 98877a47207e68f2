"""Backward operations as forward ones, against autograd."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, fx
from torch.fx.experimental.proxy_tensor import make_fx

from sightline.errors import ExportError
from sightline.exporting.forwards import rewrite_backwards

Function = Callable[[Tensor], Tensor]


def recorded_gradient(function: Function, x: Tensor) -> tuple[fx.GraphModule, Function]:
    """What goes back to the input of a function, weighed by fixed numbers, recorded; and the same by autograd."""
    weights = torch.rand(function(x).shape, generator=torch.Generator().manual_seed(1))

    def gradient(x: Tensor) -> Tensor:
        leaf = x.detach().requires_grad_()
        (found,) = torch.autograd.grad((function(leaf) * weights).sum(), leaf)
        return found

    return make_fx(gradient)(x), gradient


def check(function: Function, *shape: int) -> None:
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    graph, gradient = recorded_gradient(function, x)
    graph = rewrite_backwards(graph)
    assert not any("backward" in str(node.target) for node in graph.graph.nodes)
    y = torch.rand(shape, generator=torch.Generator().manual_seed(2))  # others than those of the recording
    torch.testing.assert_close(graph(y), gradient(y), rtol=1e-5, atol=1e-6)


@settings(max_examples=12)
@given(
    kernel=st.integers(1, 4), stride=st.integers(1, 3), padding=st.integers(0, 2), dilation=st.integers(1, 2),
    groups=st.sampled_from([1, 2]), side=st.integers(8, 13),
)  # fmt: skip
def test_a_convolution_goes_back_by_a_transposed_one(
    kernel: int, stride: int, padding: int, dilation: int, groups: int, side: int
) -> None:
    weight = torch.rand(6, 4 // groups, kernel, kernel, generator=torch.Generator().manual_seed(3))
    check(lambda x: F.conv2d(x, weight, None, stride, padding, dilation, groups), 2, 4, side, side + 1)


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (lambda x: F.conv3d(x, torch.ones(2, 1, 2, 3, 3) / 7, stride=2), (2, 1, 5, 8, 9)),
        (lambda x: F.conv_transpose2d(x, torch.arange(24.0).view(2, 3, 2, 2), stride=2, padding=1), (2, 2, 5, 4)),
        (lambda x: F.max_pool2d(x, 3, 2, 1), (2, 3, 9, 8)),
        (lambda x: F.max_pool3d(x, 2), (2, 1, 4, 6, 5)),
        (lambda x: F.adaptive_max_pool2d(x, 3), (2, 2, 7, 6)),
        (lambda x: F.avg_pool2d(x, 2), (2, 3, 6, 7)),
        (lambda x: F.avg_pool2d(x, (3, 2), (2, 1), 1), (2, 3, 6, 7)),
        (lambda x: F.avg_pool3d(x, 2), (1, 2, 4, 4, 6)),
        (lambda x: F.adaptive_avg_pool2d(x, (3, 2)), (2, 3, 7, 4)),
        (lambda x: F.adaptive_avg_pool3d(x, 2), (2, 1, 5, 4, 3)),
        (lambda x: F.interpolate(x, size=(9, 7), mode="bilinear", align_corners=False), (2, 2, 4, 3)),
        (lambda x: F.interpolate(x, size=(9, 7), mode="bilinear", align_corners=True), (2, 2, 4, 3)),
        (lambda x: F.interpolate(x, scale_factor=2, mode="nearest"), (2, 2, 4, 3)),
    ],
)
def test_poolings_and_interpolations_go_back(function: Function, shape: tuple[int, ...]) -> None:
    check(function, *shape)


def test_one_reads_what_another_made() -> None:
    first, second = torch.ones(3, 2, 3, 3) / 9, torch.ones(2, 3, 2, 2) / 4
    check(lambda x: F.avg_pool2d(F.conv2d(F.conv2d(x, first, stride=2), second), 2), 2, 2, 14, 13)


def test_overlapping_maxima_add_up() -> None:
    x = torch.zeros(1, 1, 3, 3)
    x[0, 0, 1, 1] = 1.0  # the maximum of all four windows
    graph, _ = recorded_gradient(lambda x: F.max_pool2d(x, 2, 1), x)
    found = rewrite_backwards(graph)(x)
    weights = torch.rand(1, 1, 2, 2, generator=torch.Generator().manual_seed(1))
    assert found[0, 0, 1, 1] == pytest.approx(float(weights.sum()))
    assert found.count_nonzero() == 1


def test_what_has_no_such_form_is_refused_by_name() -> None:
    graph, _ = recorded_gradient(lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False), torch.rand(1, 1, 6, 6))
    with pytest.raises(ExportError, match="an average pooling of this kind has no form"):
        rewrite_backwards(graph)
    graph, _ = recorded_gradient(lambda x: F.grid_sample(x, torch.zeros(1, 2, 2, 2), align_corners=False),
                                 torch.rand(1, 1, 6, 6))  # fmt: skip
    with pytest.raises(ExportError, match=r"'aten\.grid_sampler_2d_backward\.default' of this explanation has no form"):
        rewrite_backwards(graph)
