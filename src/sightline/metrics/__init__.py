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
from sightline.metrics.localisation import (
    best_iou,
    border_share,
    iou,
    pointing_game,
    region_share,
    relevance_mass_accuracy,
    relevance_rank_accuracy,
    relevance_share_inside,
)
from sightline.metrics.perturbation_curves import (
    PerturbationCurve,
    blurred,
    deletion_curve,
    insertion_curve,
    pixel_flipping,
)
from sightline.metrics.posterior import posterior_draws, posterior_interval
from sightline.metrics.randomisation import (
    Randomisation,
    cascading_randomisation,
    independent_randomisation,
    map_similarity,
    shuffled_labels,
)
from sightline.metrics.ranking import auroc, auroc_one_vs_rest, auroc_pairwise
from sightline.metrics.resampling import Resampling, bootstrap, draw_patients
from sightline.metrics.sensitivity import (
    Sampling,
    gaussian_noise,
    infidelity,
    max_sensitivity,
    removed_square,
    sensitivity_n,
)
from sightline.metrics.sparseness import completeness_gap, complexity, sparseness

__all__ = [
    "Interval",
    "PerturbationCurve",
    "Randomisation",
    "Resampling",
    "Sampling",
    "accuracy",
    "auroc",
    "auroc_one_vs_rest",
    "auroc_pairwise",
    "balanced_accuracy",
    "best_iou",
    "blurred",
    "bootstrap",
    "border_share",
    "cascading_randomisation",
    "completeness_gap",
    "complexity",
    "confusion_matrix",
    "deletion_curve",
    "draw_patients",
    "f1",
    "gaussian_noise",
    "highest_density_interval",
    "independent_randomisation",
    "infidelity",
    "insertion_curve",
    "iou",
    "label_tables",
    "macro_f1",
    "map_similarity",
    "max_sensitivity",
    "mean_defined",
    "pixel_flipping",
    "pointing_game",
    "posterior_draws",
    "posterior_interval",
    "precision",
    "ratio",
    "recall",
    "region_share",
    "relevance_mass_accuracy",
    "relevance_rank_accuracy",
    "relevance_share_inside",
    "removed_square",
    "sensitivity_n",
    "shuffled_labels",
    "sparseness",
    "specificity",
    "weighted_mean",
    "wilson_interval",
]
