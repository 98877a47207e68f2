"""Gradients of whole batches, by one process or by several of which each has a share.

    python shared_gradients.py RANK COUNT STORE OUT

makes those of all `CASES` by each strategy as one of several processes, and the first writes them to OUT; a test makes
them alone and compares. All is float64, so that what differs is no rounding.
"""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from sightline.data.epochs import evenly
from sightline.guidance import (
    AttentionMining,
    BackgroundRelevance,
    Guidance,
    HeatmapGenerator,
    MapSupervision,
    MaskLoss,
    RightReasons,
    Segmentation,
    Unguided,
)
from sightline.guidance.ham_losses import adaptive_squared_error, attention_bound, attention_union
from sightline.training.optim_settings import OptimSettings
from sightline.training.optimisation import clip_gradients, make_average, make_optimiser
from sightline.training.processes import Processes, Strategy
from sightline.training.sharding import emptied, load_state, shard, whole, whole_state
from sightline.training.step import Gradients
from sightline.types import Answer, Batch, Guided

COUNT, CLASSES, SIZE = 5, 3, 16  # shared as 3 and 2


class Net(nn.Module):
    """A small network with what matters: a normalisation behind the first layer, pooling, a second one, a map."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, 3, padding=1, bias=False),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
        )
        self.head = nn.Linear(8, CLASSES)
        self.draws = nn.Conv2d(8, 1, 1)
        self.register_buffer("threshold", torch.tensor(0.5))

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images).mean((2, 3)))

    def answer(self, images: Tensor) -> Answer:
        features = self.features(images)
        return Answer(self.head(features.mean((2, 3))), self.draws(features))


class Maps(Guidance):
    """The losses of HAM, on maps of any network."""

    def forward(self, model: nn.Module, images: Tensor, labels: Tensor, regions: Tensor) -> Guided:
        features = model.features(images).relu()
        maps, other = features[:, :CLASSES] / 4, features[:, CLASSES : CLASSES + 1]
        present = labels > 0.5
        known = present & ~regions.flatten(2).isnan().any(2)
        aims = nn.functional.interpolate(regions, maps.shape[2:])
        losses = (
            adaptive_squared_error(maps, aims, known),
            attention_bound(maps, other, present, threshold=0.2),
            attention_union(maps, other, present, threshold=0.2),
        )
        return Guided(model(images), torch.stack(losses).sum(), {})


@dataclass(frozen=True)
class Case:
    """A batch, and what is to be done with it."""

    guidance: Callable[[], Guidance]
    several_labels: bool = False
    each_class: bool = True  # a region a class
    unknown: tuple[int, ...] = (3, 4)  # images without a region, by default all that the second process has
    nothing: tuple[int, ...] = ()  # images in which no class is present
    parts: int = 1
    steps: int = 1
    options: dict[str, Any] = field(default_factory=dict)


some = partial(Case, several_labels=True, nothing=(3, 4), unknown=(0, 3))
CASES: dict[str, Case] = {
    "plain": Case(Unguided),
    "unknown labels": some(Unguided),
    "isnet": Case(partial(BackgroundRelevance, variant="original", strength=0.9)),
    "isnet, known in all": Case(partial(BackgroundRelevance, variant="original", strength=0.9), unknown=()),
    "isnet, absent classes": some(partial(BackgroundRelevance, variant="original", strength=0.9)),
    "isnet, random classes": Case(partial(BackgroundRelevance, variant="stochastic", goal=0.1), unknown=(1,), steps=3),
    "isnet, measured": Case(partial(BackgroundRelevance, warm_up=2), unknown=(0, 3), steps=4),
    "isnet, dual": Case(partial(BackgroundRelevance, variant="dual"), each_class=False, unknown=(0, 3)),
    "isnet, layers": Case(partial(BackgroundRelevance, variant="original", layers=("features.3",)), unknown=(0,)),
    "isnet, known nowhere": Case(BackgroundRelevance, unknown=(0, 1, 2, 3, 4)),
    "isnet in parts": Case(partial(BackgroundRelevance, variant="stochastic"), unknown=(), parts=2),
    "gain": Case(AttentionMining),
    "gain, second order": Case(partial(AttentionMining, second_order=True), unknown=()),
    "gain, several labels": some(AttentionMining),
    "mask loss": Case(MaskLoss),
    "mask loss, known by both": Case(MaskLoss, unknown=(0, 1, 3)),
    "guided backpropagation": Case(partial(HeatmapGenerator, model_set=3), each_class=False),
    "deconvnet against a map": Case(partial(HeatmapGenerator, model_set=2, generator="deconvnet"), each_class=False),
    "right reasons": Case(RightReasons),
    "map supervision": Case(partial(MapSupervision, uncertainty="learned"), each_class=False),
    "segmentation": Case(Segmentation, each_class=False),
    "maps of ham": some(Maps),
}


def of_strategies() -> dict[Strategy, dict[str, Case]]:
    """The cases by the strategies that can make them: FSDP2 shares out no single numbers."""
    return {"ddp": CASES, "fsdp2": {name: case for name, case in CASES.items() if name != "map supervision"}}


def make_batch(case: Case) -> Batch:
    draw = torch.Generator().manual_seed(7)
    images = torch.rand(COUNT, 1, SIZE, SIZE, generator=draw, dtype=torch.float64)
    regions = torch.zeros(COUNT, CLASSES if case.each_class else 1, SIZE, SIZE, dtype=torch.float64)
    for n, k in ((n, k) for n in range(COUNT) for k in range(regions.shape[1])):
        regions[n, k, 2 + k : 9 + n, 3 : 8 + k] = 1
    if not case.several_labels:
        labels = torch.randint(CLASSES, (COUNT,), generator=draw)
    else:
        labels = (torch.rand(COUNT, CLASSES, generator=draw) > 0.5).double()
        labels[0] = torch.tensor([1.0, 0.0, torch.nan])
        labels[list(case.nothing)] = 0
        if case.each_class:
            regions[labels == 0] = 0
    regions[list(case.unknown)] = torch.nan
    return Batch(images, labels, regions, tuple("abcde"))


def gradients(case: Case, processes: Processes) -> dict[str, Tensor]:
    """Gradients, buffers and loss after some steps, by name."""
    torch.default_generator.manual_seed(3)
    model, guidance, batch = Net().double(), case.guidance(), make_batch(case)
    guidance = guidance.double() if next(guidance.parameters(), None) is not None else guidance
    train = Gradients(model, guidance, processes, "float32", True)
    parts = [evenly(part, processes.count) for part in evenly(range(COUNT), case.parts)]
    own = [place for part in parts for place in part[processes.rank]]
    share = Batch(batch.images[own], batch.labels[own], batch.regions[own], ())
    values: dict[str, float] = {}
    for _ in range(case.steps):  # the weights stay: what moves is the state of the guidance
        model.zero_grad()
        guidance.zero_grad()
        values = processes.mean(train(share, parts))
    found = {f"gradient of {name}": weight.grad for name, weight in model.named_parameters() if weight.grad is not None}
    found |= {f"gradient of {name}": weight.grad for name, weight in guidance.named_parameters()}  # type: ignore[misc]
    found |= {name: buffer.clone() for name, buffer in (*model.named_buffers(), *guidance.named_buffers())}
    found = {name: value.full_tensor() if isinstance(value, DTensor) else value for name, value in found.items()}
    return found | {name: torch.tensor(value) for name, value in values.items()}


def kept(tensors: Iterable[Tensor]) -> int:
    """How many numbers of some tensors this process has."""
    return sum((tensor.to_local() if isinstance(tensor, DTensor) else tensor).numel() for tensor in tensors)


def after_steps(processes: Processes) -> dict[str, Tensor]:
    """States after four steps, between which all was put down and taken up again by other objects."""
    case, states = CASES["isnet, known in all"], None
    batch, parts = make_batch(case), [evenly(range(COUNT), processes.count)]
    own = list(parts[0][processes.rank])
    share = Batch(batch.images[own], batch.labels[own], batch.regions[own], ())
    settings = OptimSettings(lr=0.01, weight_decay=0.1, clip_norm=0.5, clip_value=0.05, averaging=0.5)
    norms: list[Tensor] = []
    for seed in (3, 4):
        torch.default_generator.manual_seed(seed)
        model, guidance = Net().double(), case.guidance()
        empty, average = emptied(model), make_average(model, settings)
        assert average is not None
        if processes.share_weights:
            shard(average, torch.device("cpu"), processes)
        train = Gradients(model, guidance, processes, "float32", True)
        optimiser = make_optimiser(model, settings, guidance)
        made = {"model": model, "average": average, "optimiser": optimiser}
        for name, part in made.items():
            if states is not None:
                load_state(part, states[name])
        for _ in range(2):
            optimiser.zero_grad()
            train(share, parts)
            norms.append(clip_gradients(model.parameters(), settings))
            optimiser.step()
            average.update_parameters(model)
        with whole(train.step, average), torch.no_grad():
            answers = average.module.eval()(batch.images)
        if processes.share_weights:
            assert kept(average.parameters()) < 0.6 * kept(empty.parameters())
            assert kept(v for each in optimiser.state.values() for v in each.values()) < 1.2 * kept(empty.parameters())
        states = {name: whole_state(part) for name, part in made.items()}
        empty.load_state_dict(dict(states["model"]), assign=True)  # torch notes it beside a state
        torch.testing.assert_close(empty.state_dict(), states["model"])
    moments = {f"{n} {name}": value for n, each in states["optimiser"]["state"].items() for name, value in each.items()}
    plain = {f"{part} {name}": value for part in ("model", "average") for name, value in states[part].items()}
    return plain | moments | {"norms": torch.stack(norms), "answers": answers}


def main(rank: int, count: int, store: str, out: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=count)
    found = {}
    for strategy, cases in of_strategies().items():
        processes = Processes(rank, count, strategy=strategy)
        found |= {f"{strategy}: {name}": gradients(case, processes) for name, case in cases.items()}
        found[f"{strategy}: after steps"] = after_steps(processes)
    if rank == 0:
        torch.save(found, out)
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))
