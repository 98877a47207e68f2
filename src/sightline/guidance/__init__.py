"""How the two are brought together: losses between where a model looks and where it should."""

from sightline.guidance.background_loss import background_loss, decay_for_share, ranked_pooling
from sightline.guidance.deep_supervision import DeepSupervision, DeepSupervisionSettings
from sightline.guidance.forbidden_attention import forbidden_attention, linear_attention
from sightline.guidance.foreground_loss import foreground_loss
from sightline.guidance.gain import AttentionMining, AttentionMiningSettings
from sightline.guidance.guidance import Guidance, GuidanceSettings, Unguided, classification_loss, make_guidance
from sightline.guidance.ham import HierarchicalAttention, HierarchicalAttentionSettings
from sightline.guidance.heatmap_generator import HeatmapGenerator, HeatmapGeneratorSettings
from sightline.guidance.isnet import BackgroundRelevance
from sightline.guidance.isnet_settings import BackgroundRelevanceSettings
from sightline.guidance.map_supervision import MapSupervision, MapSupervisionSettings
from sightline.guidance.mask_loss import MaskLoss, MaskLossSettings
from sightline.guidance.part_classification import PartClassification, PartClassificationSettings
from sightline.guidance.right_reasons import RightReasons, RightReasonsSettings, gradient_penalty
from sightline.guidance.saliency_loss import comparable, known_mean, saliency_loss
from sightline.guidance.segmentation import Segmentation, SegmentationSettings
from sightline.guidance.triplet import Triplet, TripletSettings
from sightline.guidance.triplet_loss import triplet_loss

__all__ = [
    "AttentionMining",
    "AttentionMiningSettings",
    "BackgroundRelevance",
    "BackgroundRelevanceSettings",
    "DeepSupervision",
    "DeepSupervisionSettings",
    "Guidance",
    "GuidanceSettings",
    "HeatmapGenerator",
    "HeatmapGeneratorSettings",
    "HierarchicalAttention",
    "HierarchicalAttentionSettings",
    "MapSupervision",
    "MapSupervisionSettings",
    "MaskLoss",
    "MaskLossSettings",
    "PartClassification",
    "PartClassificationSettings",
    "RightReasons",
    "RightReasonsSettings",
    "Segmentation",
    "SegmentationSettings",
    "Triplet",
    "TripletSettings",
    "Unguided",
    "background_loss",
    "classification_loss",
    "comparable",
    "decay_for_share",
    "forbidden_attention",
    "foreground_loss",
    "gradient_penalty",
    "known_mean",
    "linear_attention",
    "make_guidance",
    "ranked_pooling",
    "saliency_loss",
    "triplet_loss",
]
