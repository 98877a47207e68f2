"""How good, how sure, and looking where: functions of arrays that know no model, file or training."""

from sightline.metrics.averages import mean_defined, ratio, weighted_mean
from sightline.metrics.classification import (
    accuracy,
    balanced_accuracy,
    confusion_matrix,
    f1,
    label_tables,
    macro_f1,
    precision,
    recall,
    specificity,
)
from sightline.metrics.intervals import Interval, highest_density_interval, wilson_interval
from sightline.metrics.localisation import border_share, pointing_game, region_share, relevance_share_inside
from sightline.metrics.posterior import posterior_draws, posterior_interval
from sightline.metrics.ranking import auroc, auroc_one_vs_rest, auroc_pairwise
from sightline.metrics.resampling import Resampling, bootstrap, draw_patients

__all__ = [
    "Interval",
    "Resampling",
    "accuracy",
    "auroc",
    "auroc_one_vs_rest",
    "auroc_pairwise",
    "balanced_accuracy",
    "bootstrap",
    "border_share",
    "confusion_matrix",
    "draw_patients",
    "f1",
    "highest_density_interval",
    "label_tables",
    "macro_f1",
    "mean_defined",
    "pointing_game",
    "posterior_draws",
    "posterior_interval",
    "precision",
    "ratio",
    "recall",
    "region_share",
    "relevance_share_inside",
    "specificity",
    "weighted_mean",
    "wilson_interval",
]
