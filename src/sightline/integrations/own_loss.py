"""One guided step whose classification loss is that of a training loop of others."""

from torch import Tensor, nn

from sightline.errors import SettingsError
from sightline.guidance import Guidance
from sightline.guidance.guidance import ClassificationLoss
from sightline.types import Guided


def guided_by(
    guide: Guidance, loss: ClassificationLoss, model: nn.Module, images: Tensor, labels: Tensor, regions: Tensor
) -> Guided:
    """Guide a step with another loss in the place of the guidance's classification loss.

    Args:
        guide: in training mode.
        loss: of logits and labels, scalar on the graph.
        model: from images to logits.
        images: `(N, C, *S)`.
        labels: as the guidance wants them.
        regions: `(N, 1 or K, *S)`, NaN where unknown.

    Raises:
        SettingsError: the guidance does not ask for one classification loss.
    """
    asked = 0

    def counted(logits: Tensor, labels: Tensor) -> Tensor:
        nonlocal asked
        asked += 1
        return loss(logits, labels)

    with guide.classified_by(counted):
        guided: Guided = guide(model, images, labels, regions)
    if asked != 1:
        raise SettingsError(
            f"{type(guide).__name__} has {'several losses' if asked else 'no loss'} of the answers that another could "
            "stand for; call it in the training step itself: loss = guide(model, images, labels, regions).loss"
        )
    return guided


def check_guide(guide: Guidance, model: nn.Module) -> None:
    """Check that a guidance can be added to a loop from outside.

    Args:
        guide: the guidance.
        model: that the loop trains.

    Raises:
        SettingsError: it is no `Guidance`, it has parameters, which no optimiser of the loop would train, it is a part
            of the model, or the model runs on several devices in threads of one process.
    """
    if not isinstance(guide, Guidance):
        raise SettingsError(f"guide must be a Guidance, as BackgroundRelevance(), got {type(guide).__name__}")
    kind = type(guide).__name__
    here = "loss = guide(model, images, labels, regions).loss"
    if next(guide.parameters(), None) is not None:
        raise SettingsError(
            f"{kind} has parameters of its own, which the loop's optimiser does not know; make it a part of the module "
            f"and call it in the training step itself: {here}"
        )
    if any(part is guide for part in model.modules()):
        raise SettingsError(f"{kind} is a part of {type(model).__name__}; call it in the training step itself: {here}")
    if any(isinstance(part, nn.DataParallel) for part in model.modules()):
        raise SettingsError("nn.DataParallel cannot be explained; run one process a device, as torchrun does")
