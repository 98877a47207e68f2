"""Two recordings as one graph for any number of images."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from sightline.errors import ExportError
from sightline.exporting.batch import for_any_batch


def merged(function: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    small, large = (make_fx(function)(torch.rand(size, 3, 4)) for size in (2, 3))
    return for_any_batch(small, large, (2, 3))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x.reshape(len(x) * 3, 4).sum(1),
        lambda x: torch.arange(2 * len(x) + 1) * x.sum(),
        lambda x: x.flatten(1)[torch.arange(len(x)), x.flatten(1).argmax(1)] + torch.full((len(x),), 2.0),
        lambda x: x * 2 + 3,  # no number of them depends on that of the images
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_the_graph_is_that_of_any_number(function: Callable[[Tensor], Tensor], size: int) -> None:
    x = torch.rand(size, 3, 4, generator=torch.Generator().manual_seed(size))
    torch.testing.assert_close(merged(function)(x), function(x))


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda x: torch.stack([row * 2 for row in x]), "its operations depend on the number of images"),
        (lambda x: x + torch.tensor([float(len(x))]), "depend on the number of images"),
        (lambda x: x.sum() * (len(x) + 0.5), "its operations depend on the number of images"),
    ],
)
def test_what_does_other_things_for_other_numbers_is_refused(function: Callable[[Tensor], Tensor], why: str) -> None:
    with pytest.raises(ExportError, match=why):
        merged(function)
