"""How good, how sure, and looking where: functions of arrays that know no model, file or training."""

from sightline.metrics.association import Association, association
from sightline.metrics.averages import mean_defined, median_defined, ratio, weighted_mean
from sightline.metrics.calibration import ReliabilityCurve, brier_score, calibration_error, reliability_curve, top_label
from sightline.metrics.classification import (
    accuracy,
    balanced_accuracy,
    confusion_matrix,
    f1,
    f1_of_averages,
    label_tables,
    macro_f1,
    precision,
    recall,
    specificity,
)
from sightline.metrics.delong import delong_interval, delong_test
from sightline.metrics.doctor import RejectionCurve, doctor_alpha, doctor_beta, false_rejection_rate, rejection_curve
from sightline.metrics.effect_sizes import cliffs_delta, cohens_d, cohens_dz, hedges_g, risk_difference
from sightline.metrics.equivalence import Equivalence, equivalent_within, tost_paired, tost_welch
from sightline.metrics.fixation_saliency import auc_judd, normalized_scanpath_saliency
from sightline.metrics.group_tests import GroupTest, PairDifference, one_way_anova, tukey_hsd
from sightline.metrics.heat_ratio import diff_grad_cam, effective_heat_ratio, effective_heat_ratio_area
from sightline.metrics.implicit_class import choose_implicit_threshold, with_implicit_class
from sightline.metrics.intervals import Interval, f1_interval, highest_density_interval, mean_halfwidth, wilson_interval
from sightline.metrics.localisation import (
    best_iou,
    border_share,
    dice,
    iou,
    pointing_game,
    region_share,
    relevance_mass_accuracy,
    relevance_rank_accuracy,
    relevance_share_inside,
)
from sightline.metrics.localisation_accuracy import localisation_accuracy, localisation_overlap
from sightline.metrics.mask_overlap import Overlap, best_threshold, overlap
from sightline.metrics.mcnemar import McNemarTest, mcnemar
from sightline.metrics.micro_averages import (
    micro_f1,
    micro_precision,
    micro_recall,
    micro_specificity,
    one_vs_rest_tables,
    pooled_table,
)
from sightline.metrics.multiplicity import benjamini_hochberg, holm
from sightline.metrics.operating_points import sensitivity_at_specificity, specificity_at_sensitivity
from sightline.metrics.organ_iou import (
    ORGAN_IOU_THRESHOLDS,
    OrganIoUScore,
    OrganIoUScores,
    choose_thresholds,
    counts_above,
    normalised_attention,
    organ_iou,
    organ_iou_scores,
)
from sightline.metrics.paired import DifferenceTest, paired_t_test, welch_t_test, wilcoxon_signed_rank
from sightline.metrics.patient_means import patient_means
from sightline.metrics.perturbation_curves import (
    PerturbationCurve,
    blurred,
    deletion_curve,
    insertion_curve,
    pixel_flipping,
)
from sightline.metrics.posterior import posterior_draws, posterior_interval
from sightline.metrics.precision_recall import average_precision, average_precision_one_vs_rest
from sightline.metrics.randomisation import (
    Randomisation,
    cascading_randomisation,
    independent_randomisation,
    map_similarity,
    randomised,
    shuffled_labels,
)
from sightline.metrics.ranking import auroc, auroc_median, auroc_micro, auroc_one_vs_rest, auroc_pairwise
from sightline.metrics.resampled_auc import (
    SmallSamples,
    paired_bootstrap_test,
    resampled_auroc,
    resampled_difference,
    resampled_intervals,
)
from sightline.metrics.resampling import Limits, Resampling, bootstrap, draw_patients
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
from sightline.metrics.slice_scores import SliceBand, SliceCurves, resample_slices, slice_score_curves
from sightline.metrics.sparseness import completeness_gap, complexity, sparseness
from sightline.metrics.spectral_clustering import Clusters, spectral_clusters
from sightline.metrics.thresholds import best_f1_threshold, threshold_at_sensitivity, youden_threshold

__all__ = [
    "ORGAN_IOU_THRESHOLDS",
    "Association",
    "Clusters",
    "DifferenceTest",
    "Equivalence",
    "GroupTest",
    "Interval",
    "Limits",
    "McNemarTest",
    "OrganIoUScore",
    "OrganIoUScores",
    "Overlap",
    "PairDifference",
    "PerturbationCurve",
    "Randomisation",
    "RejectionCurve",
    "ReliabilityCurve",
    "Resampling",
    "Sampling",
    "SliceBand",
    "SliceCurves",
    "SmallSamples",
    "accuracy",
    "association",
    "auc_judd",
    "auroc",
    "auroc_median",
    "auroc_micro",
    "auroc_one_vs_rest",
    "auroc_pairwise",
    "average_precision",
    "average_precision_one_vs_rest",
    "balanced_accuracy",
    "benjamini_hochberg",
    "best_f1_threshold",
    "best_iou",
    "best_threshold",
    "blurred",
    "bootstrap",
    "border_share",
    "brier_score",
    "calibration_error",
    "cascading_randomisation",
    "choose_implicit_threshold",
    "choose_thresholds",
    "cliffs_delta",
    "cohens_d",
    "cohens_dz",
    "completeness_gap",
    "complexity",
    "confusion_matrix",
    "counts_above",
    "deletion_curve",
    "delong_interval",
    "delong_test",
    "dice",
    "diff_grad_cam",
    "doctor_alpha",
    "doctor_beta",
    "draw_patients",
    "effective_heat_ratio",
    "effective_heat_ratio_area",
    "equivalent_within",
    "f1",
    "f1_interval",
    "f1_of_averages",
    "false_rejection_rate",
    "gaussian_noise",
    "hedges_g",
    "highest_density_interval",
    "histogram_similarity",
    "holm",
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
    "mcnemar",
    "mean_defined",
    "mean_halfwidth",
    "median_defined",
    "micro_f1",
    "micro_precision",
    "micro_recall",
    "micro_specificity",
    "normalised_attention",
    "normalized_scanpath_saliency",
    "one_vs_rest_tables",
    "one_way_anova",
    "organ_iou",
    "organ_iou_scores",
    "overlap",
    "paired_bootstrap_test",
    "paired_t_test",
    "patient_means",
    "pixel_flipping",
    "pointing_game",
    "pooled_table",
    "posterior_draws",
    "posterior_interval",
    "precision",
    "randomised",
    "ratio",
    "recall",
    "region_share",
    "rejection_curve",
    "relevance_mass_accuracy",
    "relevance_rank_accuracy",
    "relevance_share_inside",
    "reliability_curve",
    "removed_square",
    "resample_slices",
    "resampled_auroc",
    "resampled_difference",
    "resampled_intervals",
    "risk_difference",
    "saliency_correlation",
    "saliency_divergence",
    "saliency_divergence_reversed",
    "sensitivity_at_specificity",
    "sensitivity_n",
    "shuffled_labels",
    "slice_score_curves",
    "sparseness",
    "specificity",
    "specificity_at_sensitivity",
    "spectral_clusters",
    "threshold_at_sensitivity",
    "top_label",
    "tost_paired",
    "tost_welch",
    "tukey_hsd",
    "value_histogram_intersection",
    "weighted_mean",
    "welch_t_test",
    "wilcoxon_signed_rank",
    "wilson_interval",
    "with_implicit_class",
    "youden_threshold",
]
