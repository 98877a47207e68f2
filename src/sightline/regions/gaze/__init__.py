"""Regions from eye tracking: samples, fixations, and maps of where a reader looked."""

from sightline.regions.gaze.fixation_detection import Detector, DispersionThreshold, VelocityThreshold
from sightline.regions.gaze.heatmap import (
    GazeHeatmap,
    cumulative_heatmaps,
    fixation_heatmaps,
    gaze_heatmap,
    grouped_heatmaps,
    windowed_heatmaps,
)
from sightline.regions.gaze.log_times import log_times
from sightline.regions.gaze.presets import EGD, MT_UNET, PRESETS, REFLACX, through_viridis
from sightline.regions.gaze.scanpath import Fixations, Samples, drop_outside, every_sample
from sightline.regions.gaze.screen import Screen, pixels_per_degree
from sightline.regions.gaze.thresholds import region_by_mass, region_by_value

__all__ = [
    "EGD",
    "MT_UNET",
    "PRESETS",
    "REFLACX",
    "Detector",
    "DispersionThreshold",
    "Fixations",
    "GazeHeatmap",
    "Samples",
    "Screen",
    "VelocityThreshold",
    "cumulative_heatmaps",
    "drop_outside",
    "every_sample",
    "fixation_heatmaps",
    "gaze_heatmap",
    "grouped_heatmaps",
    "log_times",
    "pixels_per_degree",
    "region_by_mass",
    "region_by_value",
    "through_viridis",
    "windowed_heatmaps",
]
