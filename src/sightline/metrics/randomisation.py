"""Sanity checks: an explanation of a model that learned nothing must not look like that of the trained one.

**Weights.** The layers are randomised one after the other from the output towards the input (cascading), or each alone
(independent), and the map is compared with that of the untouched model. What is drawn is a permutation: within each
parameter tensor the values change places. It destroys what was learned, and leaves the distribution of the values, and
with it the scale and sign of activations, as they were; a normal draw with the layer's mean and standard deviation
would thin out heavy tails and make negative what has to be positive. The papers draw the initial values anew, which is
not known for a layer that is not torch's own. Two things cannot change by it: a tensor of one value, or of equal ones
(a bias of zeros), which hold nothing, or next to nothing, that was learned. Running statistics of normalisation layers
are reset to mean 0 and variance 1.

**Labels.** Shuffle them, train a model on them, and compare its maps with `map_similarity`.

A map that changes has passed a necessary test; how much it changed ranks no method. Noise scores best; randomising from
the top leaves the scale of the features below, so that a good map keeps part of its shape; products with the image keep
that of the image; and strides and borders make the maps of any two networks of one architecture somewhat alike.

Reference:
    Adebayo et al. 2018, arXiv:1810.03292, sections 3 and 4. On reading the values: Binder et al. 2023,
    arXiv:2211.12486; Hedström et al. 2024, arXiv:2401.06465.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from sightline.compiled_models import named_layers, uncompiled
from sightline.errors import SettingsError, ShapeError, SightlineError
from sightline.metrics.correlation import spearman
from sightline.metrics.maps import Maps, as_tensor, in_kind
from sightline.metrics.scoring import Explain, explained

Labels = TypeVar("Labels", NDArray[Any], Tensor)

_STATISTICS = {"running_mean": 0.0, "running_var": 1.0}


@dataclass(frozen=True)
class Randomisation:
    """How like the map of the trained model the maps of randomised ones are.

    Attributes:
        layers: what was randomised at each stage, the nearest to the output first; dotted names as in
            `model.named_modules()`, empty for the model itself.
        similarity: `map_similarity` at each stage, `(T, N)`.
    """

    layers: tuple[str, ...]
    similarity: Tensor


def cascading_randomisation(
    explain: Explain, model: nn.Module, images: Tensor, *, seed: int = 0, shares: Sequence[float] | None = None
) -> Randomisation:
    """Randomise all layers from the output down to each in turn.

    Args:
        explain: maps of images, called as `explain(model, images)` with randomised copies of the model, in evaluation
            mode; it must explain the same class throughout.
        model: a module that takes `images`; only copies of it are called and changed.
        images: `(N, C, *S)`.
        seed: seed of the permutations.
        shares: explain only when these shares of the layers, over 0 to 1, are random, which saves maps: (0.5, 1) when
            the upper half is, rounded up, and when all are. None explains after each layer.

    Returns:
        One stage for each module that has parameters or running statistics of its own and uses them, in the order of
        their last use, or one for each of `shares`.

    Raises:
        SightlineError: no parameter was seen in use, as inside a scripted module.
        ShapeError: the maps do not fit the images.
        SettingsError: a share lies outside (0, 1], or they do not rise.

    Reference:
        Adebayo et al. 2018, arXiv:1810.03292, section 3.1.
    """
    return _randomisation(explain, model, images, seed, cascading=True, shares=shares)


def independent_randomisation(explain: Explain, model: nn.Module, images: Tensor, *, seed: int = 0) -> Randomisation:
    """Randomise each layer alone, with all others as they were trained.

    Takes, gives and raises what `cascading_randomisation` does; the first stage of both is the same.

    Reference:
        Adebayo et al. 2018, arXiv:1810.03292, section 3.2.
    """
    return _randomisation(explain, model, images, seed, cascading=False)


def randomised(
    model: nn.Module,
    images: Tensor,
    *,
    seed: int = 0,
    cascading: bool = True,
    shares: Sequence[float] | None = None,
) -> Iterator[tuple[str, nn.Module]]:
    """Go through a model's layers, making them random: for several methods on the same weights.

    Args:
        model: a module that takes `images`; only a copy of it is called and changed.
        images: `(N, C, *S)`.
        seed: seed of the permutations.
        cascading: what was made random stays so; otherwise it is put back before the next layer.
        shares: as in `cascading_randomisation`.

    Yields:
        Name of the layer that was made random last, and the copy in evaluation mode, which is the same one each time
        and changes when the next is asked for: first untouched, named by nothing, then each stage.

    Raises:
        SightlineError: no parameter was seen in use, as inside a scripted module.
        SettingsError: a share lies outside (0, 1], or they do not rise.
    """
    if shares is not None and not (shares and all(a < b for a, b in pairwise((0.0, *shares))) and shares[-1] <= 1):
        raise SettingsError(f"shares of the layers must rise from over 0 to at most 1, got {tuple(shares)}")
    copied = copy.deepcopy(model).eval()
    yield "", copied
    generator = torch.Generator().manual_seed(seed)
    layers = _layers(copied, images)
    stages = range(1, len(layers) + 1) if shares is None else [ceil(share * len(layers)) for share in shares]
    for number, (name, learned) in enumerate(layers.items(), start=1):
        kept = {} if cascading else {key: tensor.detach().clone() for key, tensor in learned.items()}
        with torch.no_grad():
            for key, tensor in learned.items():
                tensor.copy_(_forgotten(key, tensor, generator))
        if number in stages:
            yield name, copied
        with torch.no_grad():
            for key, tensor in kept.items():
                learned[key].copy_(tensor)


def map_similarity(first: Maps, second: Maps) -> Maps:
    """Rank correlation of the absolute values of two maps, image by image.

    Args:
        first: `(N, ...)`.
        second: of the same shape.

    Returns:
        Spearman's correlation, `(N,)` in [-1, 1], 0 between unrelated maps; NaN where a map holds NaN, or is the same
        everywhere, as a map of zeros is.

    Raises:
        ShapeError: the maps do not fit.

    Reference:
        Adebayo et al. 2018, arXiv:1810.03292, section 3 (Spearman rank correlation of absolute values).
    """
    a, b = as_tensor(first), as_tensor(second)
    if a.shape != b.shape or a.ndim < 2:
        raise ShapeError(f"both maps must be (N, ...), got {tuple(a.shape)} and {tuple(b.shape)}")
    return in_kind(spearman(a.abs().flatten(1), b.to(a).abs().flatten(1)), first)


def shuffled_labels(labels: Labels, *, seed: int = 0) -> Labels:
    """Give each image the labels of a random one, all of them once, so that there is nothing left to learn.

    Args:
        labels: `(N,)` or `(N, K)`; the labels of an image stay together.
        seed: seed of the permutation.

    Returns:
        A copy in another order.

    Reference:
        Adebayo et al. 2018, arXiv:1810.03292, section 4 (data randomisation test).
    """
    order: Any = np.random.default_rng(seed).permutation(len(labels))
    shuffled: Any = labels[torch.from_numpy(order).to(labels.device)] if isinstance(labels, Tensor) else labels[order]
    return shuffled  # type: ignore[no-any-return]  # of the kind of the labels


def _randomisation(
    explain: Explain,
    model: nn.Module,
    images: Tensor,
    seed: int,
    *,
    cascading: bool,
    shares: Sequence[float] | None = None,
) -> Randomisation:
    stages = randomised(model, images, seed=seed, cascading=cascading, shares=shares)
    before = explained(explain, next(stages)[1], images)
    similarity = {
        name: map_similarity(before, explained(explain, changed, images, like=before)) for name, changed in stages
    }
    return Randomisation(tuple(similarity), torch.stack(list(similarity.values())))


def _forgotten(name: str, learned: Tensor, generator: torch.Generator) -> Tensor:
    """What takes the place of a parameter or a running statistic."""
    if name in _STATISTICS:
        return torch.full_like(learned, _STATISTICS[name])
    order = torch.randperm(learned.numel(), generator=generator).to(learned.device)
    return learned.flatten()[order].view_as(learned)


def _layers(model: nn.Module, images: Tensor) -> dict[str, dict[str, Tensor]]:
    """Modules with something learned of their own, each with its tensors by name, the last to use them first."""
    learned: dict[str, dict[str, Tensor]] = {}
    owners: dict[int, str] = {}  # a tensor that several modules share is of the first
    for name, module in named_layers(model).items():
        statistics = ((key, tensor) for key, tensor in module.named_buffers(recurse=False) if key in _STATISTICS)
        for key, tensor in (*module.named_parameters(recurse=False), *statistics):
            if owners.setdefault(id(tensor), name) == name:
                learned.setdefault(name, {})[key] = tensor
    uses = _Uses(owners)
    with torch.no_grad(), uncompiled(), uses:
        model(images[:1].clone())  # the model may write to it
    if not uses.order:
        raise SightlineError("no parameter was seen in use; give a module with parameters that is not scripted")
    return {name: learned[name] for name in reversed(uses.order)}


class _Uses(TorchFunctionMode):
    """Notes who owns the tensors that operations make tensors of, in the order of the last time."""

    def __init__(self, owners: dict[int, str]) -> None:
        super().__init__()
        self.owners = owners
        self.order: dict[str, None] = {}

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - whatever the function returns
        result = func(*args, **(kwargs or {}))
        if any(True for _ in _tensors(result)):  # reading a shape or a dtype is no use
            for tensor in _tensors((args, kwargs)):
                if (owner := self.owners.get(id(tensor))) is not None:
                    self.order.pop(owner, None)
                    self.order[owner] = None
        return result


def _tensors(value: Any) -> Iterable[Tensor]:  # noqa: ANN401 - arguments of any function
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, dict):
        yield from _tensors(tuple(value.values()))
