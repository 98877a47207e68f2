"""Masks for images that have none: a U-Net trained on those that have, its threshold, its masks, and their review."""

from sightline.metrics.mask_overlap import Overlap, best_threshold, overlap
from sightline.segmenting.apply import MadeMask, compare_masks, make_masks, worth_seeing
from sightline.segmenting.loop import train_segmenter
from sightline.segmenting.review import MaskShape, ReviewLimits, measure_mask, suspicious
from sightline.segmenting.segmenter import Segmenter, chosen_threshold, load_segmenter, true_mask
from sightline.segmenting.settings import RECIPES, NetworkSettings, SegmenterSettings, paper, practical

__all__ = [
    "RECIPES",
    "MadeMask",
    "MaskShape",
    "NetworkSettings",
    "Overlap",
    "ReviewLimits",
    "Segmenter",
    "SegmenterSettings",
    "best_threshold",
    "chosen_threshold",
    "compare_masks",
    "load_segmenter",
    "make_masks",
    "measure_mask",
    "overlap",
    "paper",
    "practical",
    "suspicious",
    "train_segmenter",
    "true_mask",
    "worth_seeing",
]
