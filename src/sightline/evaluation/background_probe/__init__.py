"""How well class and source can be told from an image without the region that should tell them."""

from sightline.evaluation.background_probe.erasing import Shape
from sightline.evaluation.background_probe.probe import Probe, ProbeScore, ProbeSettings, background_probe

__all__ = ["Probe", "ProbeScore", "ProbeSettings", "Shape", "background_probe"]
