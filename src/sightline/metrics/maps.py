"""Maps as arrays or tensors: read as tensors, answered in kind."""

from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Maps = TypeVar("Maps", NDArray[np.float32], NDArray[np.float64], Tensor)


def as_tensor(values: Any) -> Tensor:  # noqa: ANN401 - array or tensor
    """Read numbers as a tensor of single or double precision; half precision overflows in a sum."""
    tensor = values if isinstance(values, Tensor) else torch.from_numpy(np.ascontiguousarray(values))
    return tensor if tensor.dtype == torch.float64 else tensor.float()


def in_kind(values: Tensor, example: Maps) -> Maps:
    """Return an array if the example is one, else the tensor."""
    result: Any = values if isinstance(example, Tensor) else values.numpy()
    return result  # type: ignore[no-any-return]  # of the kind of the example


def share(part: Tensor, whole: Tensor) -> Tensor:
    """Divide element by element; NaN where the whole is not positive."""
    return torch.where(whole > 0, part / whole, torch.full_like(whole, float("nan")))
