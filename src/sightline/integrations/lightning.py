"""Guidance as a callback of Lightning, for trainers of the package `lightning`."""

from sightline.errors import MissingExtraError
from sightline.integrations.guided_steps import GuidedSteps

try:
    from lightning.pytorch import Callback
except ImportError as error:
    raise MissingExtraError("a callback needs Lightning: pip install 'sightline[lightning]'") from error


class GuidanceCallback(GuidedSteps, Callback):
    """Adds guidance to the training steps of a module; see `GuidedSteps` for its arguments.

    As in ``Trainer(callbacks=[GuidanceCallback(BackgroundRelevance(strength=0.5))])``.
    """
