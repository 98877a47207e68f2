"""How the two are brought together: losses between where a model looks and where it should."""

from sightline.guidance.background_loss import background_loss, decay_for_share, ranked_pooling
from sightline.guidance.foreground_loss import foreground_loss
from sightline.guidance.guidance import Guidance, Unguided, classification_loss
from sightline.guidance.isnet import BackgroundRelevance
from sightline.guidance.isnet_settings import BackgroundRelevanceSettings

__all__ = [
    "BackgroundRelevance",
    "BackgroundRelevanceSettings",
    "Guidance",
    "Unguided",
    "background_loss",
    "classification_loss",
    "decay_for_share",
    "foreground_loss",
    "ranked_pooling",
]
