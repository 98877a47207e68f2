"""Where a model may look: regions `(N, 1 or K, *S)` in [0, 1], from whatever a cohort has."""

from sightline.regions.boxes import coverage_of_boxes, mask_from_boxes
from sightline.regions.combining import intersect_regions
from sightline.regions.gaze import Fixations, GazeHeatmap, Samples, gaze_heatmap, region_by_mass, region_by_value
from sightline.regions.masks import grow_region, known, region_from_mask, resize_region, unknown_region
from sightline.regions.polygons import mask_from_polygon, mask_from_polygons
from sightline.regions.rle import mask_from_coco, mask_from_gaps, mask_from_starts

__all__ = [
    "Fixations",
    "GazeHeatmap",
    "Samples",
    "coverage_of_boxes",
    "gaze_heatmap",
    "grow_region",
    "intersect_regions",
    "known",
    "mask_from_boxes",
    "mask_from_coco",
    "mask_from_gaps",
    "mask_from_polygon",
    "mask_from_polygons",
    "mask_from_starts",
    "region_by_mass",
    "region_by_value",
    "region_from_mask",
    "resize_region",
    "unknown_region",
]
