"""Where a model may look: regions `(N, 1 or K, *S)` in [0, 1], from whatever a cohort has."""

from sightline.regions.masks import grow_region, known, region_from_mask, resize_region, unknown_region

__all__ = ["grow_region", "known", "region_from_mask", "resize_region", "unknown_region"]
