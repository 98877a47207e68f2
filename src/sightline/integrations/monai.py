"""Guidance and looking as handlers of MONAI's workflows."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from sightline.attribution import LRP, Explainer, Predicted, Target, upsample_to
from sightline.errors import DataError, MissingExtraError, SettingsError
from sightline.guidance import Guidance
from sightline.integrations.own_loss import check_guide, guided_by
from sightline.metrics import relevance_share_inside

try:
    from ignite.engine import Events
    from monai.engines.utils import IterationEvents
    from monai.utils.enums import CommonKeys
except ImportError as error:
    raise MissingExtraError("handlers need MONAI and ignite: pip install 'sightline[monai]'") from error

Find = str | int | Callable[[Any], Tensor]


class GuidanceHandler:
    """Adds guidance to a `SupervisedTrainer`, one of its `train_handlers`.

    The trainer's `inferer` still asks the network and its `loss_function` still gives the loss of the answers, in the
    place of the guidance's classification loss; the trainer goes on with the guided loss. Accumulation, mixed precision
    and its events are the trainer's. The parts of the loss are in `engine.state.metrics`, each as the mean of the epoch
    so far.

    Args:
        guide: the guidance; one without parameters. Save its state with the network's, as in
            `CheckpointSaver(save_dict={"network": network, "guide": guide})`.
        region: where the regions lie in a batch: a key, or a function of the batch.
        prefix: of the names of the guidance's parts among the metrics.

    Raises:
        SettingsError: the engine is no supervised trainer, or `guide` cannot be added from outside.
        DataError: a batch has no regions.
    """

    def __init__(self, guide: Guidance, *, region: Find = "region", prefix: str = "guidance_") -> None:
        self.guide, self.region, self.prefix = guide, region, prefix
        self._means: dict[str, _Mean] = {}
        self._loss: Tensor | None = None
        self._guided = False

    def attach(self, engine: Any) -> None:  # noqa: ANN401 - ignite's
        """Register with a trainer."""
        engine.add_event_handler(Events.STARTED, self._begin)
        engine.add_event_handler(Events.EPOCH_STARTED, lambda _engine: self._means.clear())
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._check)

    def _begin(self, engine: Any) -> None:  # noqa: ANN401 - ignite's
        if not all(hasattr(engine, name) for name in ("network", "inferer", "loss_function")):
            raise SettingsError(
                f"GuidanceHandler is one of the train_handlers of a SupervisedTrainer, got {type(engine).__name__}"
            )
        check_guide(self.guide, engine.network)
        self.guide.to(engine.state.device).train()
        if self._guided:  # a second run of the same trainer
            return
        self._guided = True
        inferer, loss_function = engine.inferer, engine.loss_function

        def infer(inputs: Tensor, network: nn.Module, *args: Any, **kwargs: Any) -> Tensor:  # noqa: ANN401
            state = engine.state
            targets = state.output[CommonKeys.LABEL]
            regions = find(state.batch, self.region).to(state.device, non_blocking=engine.non_blocking)
            guided = guided_by(
                self.guide,
                lambda logits, _labels: loss_function(logits, targets).mean(),
                _Inferred(network, lambda images: inferer(images, network, *args, **kwargs)),
                plain(inputs),
                plain(targets),
                plain(regions),
            )
            self._loss = guided.loss
            for name, value in guided.parts.items():
                mean = self._means.setdefault(name, _Mean())
                mean.add(value)
                state.metrics[f"{self.prefix}{name}"] = mean.value
            return guided.logits

        def guided_loss(_logits: Tensor, _targets: Tensor) -> Tensor:
            if self._loss is None:
                raise SettingsError("the guided loss belongs to the training step; ask the loss function itself")
            return self._loss

        engine.inferer, engine.loss_function = infer, guided_loss

    def _check(self, engine: Any) -> None:  # noqa: ANN401 - ignite's
        """See that the trainer's iteration asked the inferer; one of the user's own may not."""
        if self._loss is None:
            raise SettingsError(
                "this trainer's iteration_update does not ask engine.inferer, so nothing is guided; "
                "call the guidance in it: loss = guide(engine.network, images, labels, regions).loss"
            )
        self._loss = None


class RelevanceInside:
    """Measures where a network looks while a `SupervisedEvaluator` or `SupervisedTrainer` runs.

    Puts the mean share of absolute relevance inside the region, over the images of the epoch so far that have one, into
    `engine.state.metrics`; see `relevance_share_inside`.

    Args:
        explainer: the map; LRP by default.
        target: what is explained; the predicted class by default.
        region: where the regions lie in a batch: a key, or a function of the batch.
        name: of the metric.

    Raises:
        DataError: a batch has no regions.
    """

    def __init__(
        self,
        explainer: Explainer | None = None,
        *,
        target: Target | None = None,
        region: Find = "region",
        name: str = "relevance_inside",
    ) -> None:
        self.explainer, self.target = explainer or LRP(), target or Predicted()
        self.region, self.name = region, name
        self._mean = _Mean()

    def attach(self, engine: Any) -> None:  # noqa: ANN401 - ignite's
        """Register with an evaluator or a trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._begin)
        engine.add_event_handler(IterationEvents.FORWARD_COMPLETED, self._measure)  # before the batch is taken apart

    def _begin(self, engine: Any) -> None:  # noqa: ANN401 - ignite's
        self._mean = _Mean()
        engine.state.metrics.pop(self.name, None)

    def _measure(self, engine: Any) -> None:  # noqa: ANN401 - ignite's
        images = plain(engine.state.output[CommonKeys.IMAGE])
        regions = plain(find(engine.state.batch, self.region).to(images))
        with torch.no_grad():
            maps = self.explainer(engine.network, images, self.target).attribution
            if maps.shape[2:] != images.shape[2:]:
                maps = upsample_to(maps, images.shape[2:])
            for share in relevance_share_inside(maps, regions):
                self._mean.add(share)
        engine.state.metrics[self.name] = self._mean.value


class _Inferred(nn.Module):
    """What the trainer's inferer makes of a network, from images to logits."""

    def __init__(self, network: nn.Module, infer: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.network, self.infer = network, infer

    def forward(self, images: Tensor) -> Tensor:
        return plain(self.infer(images))

    def named_modules(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, nn.Module]]:  # noqa: ANN401
        """Layers by the names that they have in the network."""
        yield from self.network.named_modules(*args, **kwargs)


class _Mean:
    """The mean of the values that are known."""

    def __init__(self) -> None:
        self.total, self.number = 0.0, 0

    def add(self, value: Tensor) -> None:
        if value == value:
            self.total, self.number = self.total + float(value), self.number + 1

    @property
    def value(self) -> float:
        return self.total / self.number if self.number else float("nan")


def find(batch: Any, where: Find) -> Tensor:  # noqa: ANN401 - whatever a loader gives
    """Find the regions in a batch.

    Raises:
        DataError: they are not there, or no tensor.
    """
    try:
        regions = where(batch) if callable(where) else batch[where]
    except (KeyError, IndexError, TypeError) as error:
        there = ", ".join(map(str, batch)) if isinstance(batch, Mapping) else f"a {type(batch).__name__}"
        raise DataError(
            f"a batch must hold the regions as {where!r}, got {there}; add them, NaN where unknown, or say with "
            "`region` where they are"
        ) from error
    if not isinstance(regions, Tensor):
        raise DataError(f"the regions of a batch must be a tensor, got {type(regions).__name__}")
    return regions


def plain(tensor: Tensor) -> Tensor:
    """Return a `MetaTensor` as an ordinary tensor, on the same graph."""
    found: Tensor = tensor.as_tensor() if hasattr(tensor, "as_tensor") else tensor
    return found
