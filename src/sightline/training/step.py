"""The gradient of one batch, of which this process has a share and which may be processed in parts."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.nn.parallel import DistributedDataParallel

from sightline.attribution.synchronised import SynchronisedBatchNorm
from sightline.guidance import Guidance
from sightline.guidance.sharing import Share, sharing
from sightline.training.precision import Precision, autocast
from sightline.training.processes import Processes
from sightline.training.sharding import shard
from sightline.types import Batch

if TYPE_CHECKING:
    from torch.distributed.fsdp import FSDPModule


class GuidedStep(nn.Module):
    """A guided step as one module: torch's engines wrap one forward pass, and all passes of a guidance lie within it.

    Args:
        model: as it is; the guidance sees it and no wrapper.
        guidance: with its own weights, where it has any.
    """

    def __init__(self, model: nn.Module, guidance: Guidance) -> None:
        super().__init__()
        self.model, self.guidance = model, guidance

    def forward(self, images: Tensor, labels: Tensor, regions: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss, and nothing else on the graph: what is not trained must not be waited for."""
        guided = self.guidance(self.model, images, labels, regions)
        return guided.loss, guided.parts


class Gradients:
    r"""Puts the gradient of the loss of a whole batch into the weights, however many processes share it.

    With $W$ processes it is the one that a single process has, up to rounding, where the loss is a sum or a mean over
    images, maps or labels. It is not

    - with batch normalisation that is not synchronised: each process normalises by its own images;
    - with losses between images (`triplet`), and the ranked mean of layers (`layer_decay` below 1) of an ISNet, which
      each process takes of its own share;
    - with dropout, which draws in each process by itself.

    In several parts, too, a batch normalisation normalises each by itself, and a mean over known labels or regions is
    one of each part, weighed by its images: exact where all are known.

    Args:
        model: in the mode it is to train in.
        guidance: whose loss it is.
        processes: that share the batches; all make one at the same time, with the same weights. With the strategy
            `fsdp2` the weights of both are shared out from here on, and whole in a step or within `whole(step)`.
        precision: of the forward pass.
        synchronised: whether batch normalisation is by the statistics of all processes.
        scaler: of the loss, see `make_scaler`; None for none.
    """

    def __init__(
        self,
        model: nn.Module,
        guidance: Guidance,
        processes: Processes,
        precision: Precision,
        synchronised: bool,
        scaler: GradScaler | None = None,
    ) -> None:
        self._processes, self._precision, self._synchronised = processes, precision, synchronised
        self._scaler = scaler or GradScaler(enabled=False)
        self.step: nn.Module = GuidedStep(model, guidance)
        self._sharded: FSDPModule | None = None
        if processes.share_weights:
            self._sharded = shard(self.step, next(model.parameters()).device, processes)
        elif processes.several:
            # which weights a step needs hangs on the guidance and its regions
            self.step = DistributedDataParallel(self.step, find_unused_parameters=True)

    def __call__(self, batch: Batch, parts: Sequence[Sequence[range]]) -> dict[str, float]:
        """Add the gradient of a batch, times the scale, to that of the weights.

        Args:
            batch: this process's share, on the device.
            parts: which images of the whole batch each process has, part by part; see `Batches.shares`.

        Returns:
            The loss and its parts, of this process: their means over the processes are those of the batch.
        """
        rank = self._processes.rank
        sizes = [len(part[rank]) for part in parts]
        whole = sum(map(len, (places for part in parts for places in part)))
        told: list[tuple[float, dict[str, Tensor]]] = []
        pieces = zip(*(torch.split(t, sizes) for t in (batch.images, batch.labels, batch.regions)), strict=True)
        for number, (piece, part) in enumerate(zip(pieces, parts, strict=True), 1):
            images = sum(map(len, part))
            with self._waiting(last=number == len(parts)):
                with self._shared(part[rank].start - part[0].start, images, piece[0].device):
                    loss, values = self.step(*piece)
                self._scaler.scale(loss if images == whole else loss * (images / whole)).backward()
            told.append((images / whole, {"loss": loss.detach(), **values}))
        return _mean(told)

    def _waiting(self, *, last: bool) -> AbstractContextManager[None]:
        """The processes add up their gradients once a batch."""
        if self._sharded is not None:
            self._sharded.set_requires_gradient_sync(last)
        if last or not isinstance(self.step, DistributedDataParallel):
            return nullcontext()
        return self.step.no_sync()  # type: ignore[no-any-return, unused-ignore]

    @contextmanager
    def _shared(self, first: int, images: int, device: torch.device) -> Iterator[None]:
        half = autocast(device.type, self._precision)
        if not self._processes.several:
            with half:
                yield
            return
        share = Share(first, images, self._processes.everyone, side_by_side=self._synchronised)
        norm = SynchronisedBatchNorm(self._processes.add_up) if self._synchronised else nullcontext()
        with half, sharing(share), norm:
            yield


def _mean(told: Sequence[tuple[float, Mapping[str, Tensor]]]) -> dict[str, float]:
    """Means over the parts of a batch that have a value, each with its share of the images."""
    if len(told) == 1:
        return {name: float(value) for name, value in told[0][1].items()}
    sums: dict[str, float] = defaultdict(float)
    shares: dict[str, float] = defaultdict(float)
    for share, values in told:
        for name, value in values.items():
            if name == "loss" or not bool(value.isnan()):
                sums[name] += share * float(value)
                shares[name] += share
    names = dict.fromkeys(name for _, values in told for name in values)
    return {name: sums[name] / shares[name] if shares[name] else float("nan") for name in names}
