"""What the tests of all architectures share."""

import hashlib
from collections.abc import Callable
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn


@pytest.fixture(scope="session")
def torchvision_models() -> ModuleType:
    """`torchvision.models`, where a torchvision that fits this torch is installed."""
    try:
        import torchvision
    except (ImportError, RuntimeError) as error:  # RuntimeError: built for another torch, pytorch/vision#9085
        pytest.skip(f"needs torchvision: {error}")
    return torchvision.models


@pytest.fixture(scope="session")
def fingerprint() -> Callable[[nn.Module], str]:
    """Digest of the names and shapes of a state dict, in order."""

    def digest(model: nn.Module) -> str:
        lines = "\n".join(f"{name} {tuple(tensor.shape)}" for name, tensor in model.state_dict().items())
        return hashlib.sha256(lines.encode()).hexdigest()[:16]

    return digest


@pytest.fixture(scope="session")
def randomise() -> Callable[[nn.Module], None]:
    """Give all tensors of a model values that hide no mistake: no bias of 0, no statistics of 0 and 1."""

    def draw(model: nn.Module) -> None:
        generator = torch.Generator().manual_seed(0)
        for name, tensor in model.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 2, generator=generator)
            elif tensor.is_floating_point() and tensor.dim() == 1:
                tensor.uniform_(-0.5, 1, generator=generator)

    return draw


@pytest.fixture(scope="session")
def embed() -> Callable[[nn.Module, nn.Module], None]:
    """Copy a 2-D model into a 3-D one whose kernels are zero but for their middle slice."""

    def copy(flat: nn.Module, deep: nn.Module) -> None:
        source = flat.state_dict()
        for name, tensor in deep.state_dict().items():
            if tensor.dim() == 5:
                tensor.zero_()[:, :, tensor.shape[2] // 2] = source[name]
            else:
                tensor.copy_(source[name])

    return copy


@pytest.fixture
def images() -> Tensor:
    """Two images `(2, 3, 64, 64)`."""
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def weights(randomise: Callable[[nn.Module], None]) -> Callable[[nn.Module], Callable[[str], list[Tensor]]]:
    """Randomise a model; return how to look up its batch norms (mean, variance, weight, bias) by name, double."""

    def prepare(model: nn.Module) -> Callable[[str], list[Tensor]]:
        randomise(model.double().eval())
        state = model.state_dict()
        return lambda name: [state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]

    return prepare
