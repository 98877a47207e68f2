"""A small classifier, batches with regions, and the loop that every integration is held against: five lines by hand."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sightline.guidance import Guidance

RATE = 0.05


class Small(nn.Sequential):
    """Convolutions, running statistics and a head, for three classes."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 8, 3, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, 3),
        )


def some_batches(
    number: int, *, size: int = 4, dtype: torch.dtype = torch.float32
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Images, labels and regions, always the same; one region of each batch is unknown."""
    generator = torch.Generator().manual_seed(7)
    batches = []
    for _ in range(number):
        images = torch.rand(size, 1, 16, 16, generator=generator).to(dtype)
        labels = torch.randint(3, (size,), generator=generator)
        regions = torch.zeros(size, 1, 16, 16, dtype=dtype)
        regions[:, :, 4:12, 4:12] = 1
        regions[-1] = torch.nan
        batches.append((images, labels, regions))
    return batches


def optimiser_of(model: nn.Module) -> torch.optim.Optimizer:
    """Momentum, so that a step depends on those before."""
    return torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.9)


def train_by_hand(
    model: nn.Module,
    guide: Guidance,
    batches: Sequence[tuple[Tensor, Tensor, Tensor]],
    *,
    accumulated: int = 1,
    clip: float | None = None,
) -> list[float]:
    """Train as a user does who writes the loop; return the losses."""
    guide = copy.deepcopy(guide)
    optimiser, losses = optimiser_of(model), []
    model.train()
    for number, (images, labels, regions) in enumerate(batches):
        loss = guide(model, images, labels, regions).loss
        (loss / accumulated).backward()
        losses.append(float(loss.detach()))
        if (number + 1) % accumulated == 0:
            if clip is not None:
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimiser.step()
            optimiser.zero_grad()
    return losses


def assert_same_weights(one: nn.Module, other: nn.Module) -> None:
    """Parameters and buffers, running statistics among them, to 1e-6, and to 1e-12 in double precision."""
    others = other.state_dict()
    for name, value in one.state_dict().items():
        tolerance = {"atol": 1e-12, "rtol": 1e-9} if value.dtype == torch.float64 else {"atol": 1e-6, "rtol": 1e-5}
        torch.testing.assert_close(value, others[name], **tolerance, msg=lambda text, name=name: f"{name}: {text}")


def hooks_on(model: nn.Module) -> int:
    """How many hooks there are on all of its parts."""
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return sum(len(getattr(part, kind)) for part in model.modules() for kind in kinds)
