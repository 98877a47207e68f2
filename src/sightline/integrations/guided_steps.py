"""What guides the steps of a Lightning trainer, whichever of its two packages is used."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from sightline.errors import SettingsError
from sightline.guidance import Guidance
from sightline.guidance.model_parts import find_part
from sightline.guidance.second_pass import buffers_held
from sightline.integrations.own_loss import check_guide, guided_by
from sightline.integrations.reading import Read, checked, read_batch
from sightline.types import Guided


class GuidedSteps:
    """Adds guidance to the training steps of a `LightningModule`, which stays as it is written.

    In each step the module's `training_step` gives its loss as ever, and the guidance is computed with this loss as its
    classification loss. The trainer sees one loss, so accumulation, clipping, precision and loss scaling hold for it.
    The guidance takes a forward pass of its own: running statistics move once a step, dropout draws twice.

    Args:
        guide: the guidance; one without parameters.
        read: gives images, labels and regions of a batch on its device.
        network: dotted name of the part that goes from images to logits; empty for the module's own `forward`.
        prefix: of the names of the guidance's parts in the log.

    Raises:
        SettingsError: `guide` cannot be added from outside, the module optimises manually, or has no such part.
        DataError: a batch has no regions.
    """

    def __init__(
        self, guide: Guidance, *, read: Read = read_batch, network: str = "", prefix: str = "guidance/"
    ) -> None:
        super().__init__()
        self.guide, self.read, self.network, self.prefix = guide, read, network, prefix
        self._restore: Callable[[], None] | None = None

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ANN401 - of either package
        """Wrap the module's `training_step`."""
        self._unwrap()
        if not pl_module.automatic_optimization:
            raise SettingsError(
                f"{type(pl_module).__name__} optimises manually, and a callback sees no loss of it; call the guidance "
                "in training_step itself: loss = guide(model, images, labels, regions).loss"
            )
        check_guide(self.guide, pl_module)
        network = find_part(pl_module, self.network or None, option="network")
        self.guide.to(pl_module.device).train()
        self._wrap(pl_module, network)

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:  # noqa: ANN401 - of either package
        """Give the module its own `training_step` back."""
        self._unwrap()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:  # noqa: ANN401 - as above
        """Give the module its own `training_step` back."""
        self._unwrap()

    def state_dict(self) -> dict[str, Any]:
        """Return what the guidance needs to go on as it would have; checkpoints of the trainer hold it."""
        return {"guide": self.guide.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the state of the guidance."""
        self.guide.load_state_dict(state_dict["guide"])

    def _wrap(self, module: Any, network: nn.Module) -> None:  # noqa: ANN401 - of either package
        own, before = module.training_step, module.__dict__.get("training_step")

        @functools.wraps(own)  # the trainer reads its signature
        def training_step(batch: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the module's
            output = own(batch, *args, **kwargs)
            if output is None:  # the module skips this batch
                return None
            within = isinstance(output, Mapping)
            guided = self._guided(module, network, batch, output["loss"] if within else output)
            return {**output, "loss": guided.loss} if within else guided.loss

        def restore() -> None:
            if before is None:
                del module.training_step
            else:
                module.training_step = before

        module.training_step = training_step
        self._restore = restore

    def _unwrap(self) -> None:
        if self._restore is not None:
            self._restore()
            self._restore = None

    def _guided(self, module: Any, network: nn.Module, batch: Any, loss: Tensor) -> Guided:  # noqa: ANN401 - as above
        images, labels, regions = checked(self.read(batch))
        with buffers_held(network):
            guided = guided_by(self.guide, lambda _logits, _labels: loss, network, images, labels, regions)
        told = {"loss": guided.loss.detach(), **guided.parts}
        module.log_dict({f"{self.prefix}{name}": value for name, value in told.items()}, batch_size=len(images))
        return guided
