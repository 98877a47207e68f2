"""A trained run as a small HTTP service: predictions and maps for images that are sent to it."""

from sightline.serving.app import make_app
from sightline.serving.limits import Limits
from sightline.serving.server import serve

__all__ = ["Limits", "make_app", "serve"]
