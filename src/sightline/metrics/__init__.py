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
from sightline.metrics.group_tests import GroupTest, PairDifference, one_way_anova, tukey_hsd
from sightline.metrics.heat_ratio import diff_grad_cam, effective_heat_ratio, effective_heat_ratio_area
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
from sightline.metrics.localisation_accuracy import localisation_accuracy, localisation_overlap
from sightline.metrics.paired import DifferenceTest, paired_t_test, welch_t_test, wilcoxon_signed_rank
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
from sightline.metrics.resampled_auc import (
    SmallSamples,
    paired_bootstrap_test,
    resampled_auroc,
    resampled_difference,
    resampled_intervals,
)
from sightline.metrics.resampling import Resampling, bootstrap, draw_patients
from sightline.metrics.saliency import (
    histogram_similarity,
    saliency_correlation,
    saliency_divergence,
    saliency_divergence_reversed,
    value_histogram_intersection,
)
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
    "DifferenceTest",
    "GroupTest",
    "Interval",
    "PairDifference",
    "PerturbationCurve",
    "Randomisation",
    "Resampling",
    "Sampling",
    "SmallSamples",
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
    "diff_grad_cam",
    "draw_patients",
    "effective_heat_ratio",
    "effective_heat_ratio_area",
    "f1",
    "gaussian_noise",
    "highest_density_interval",
    "histogram_similarity",
    "independent_randomisation",
    "infidelity",
    "insertion_curve",
    "iou",
    "label_tables",
    "localisation_accuracy",
    "localisation_overlap",
    "macro_f1",
    "map_similarity",
    "max_sensitivity",
    "mean_defined",
    "one_way_anova",
    "paired_bootstrap_test",
    "paired_t_test",
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
    "resampled_auroc",
    "resampled_difference",
    "resampled_intervals",
    "saliency_correlation",
    "saliency_divergence",
    "saliency_divergence_reversed",
    "sensitivity_n",
    "shuffled_labels",
    "sparseness",
    "specificity",
    "tukey_hsd",
    "value_histogram_intersection",
    "weighted_mean",
    "welch_t_test",
    "wilcoxon_signed_rank",
    "wilson_interval",
]
