"""Many recipes, one protocol, one table."""

from sightline.comparing.cases import choose_cases
from sightline.comparing.compare import compare
from sightline.comparing.comparison import Comparison
from sightline.comparing.conditions import Condition, conditions_of, hardest_of
from sightline.comparing.draws import Score, difference, draw_scores
from sightline.comparing.grad_cam_study import HEAT_MEASURES, GradCamStudy, run_study, study_layer
from sightline.comparing.map_overlaps import MAPS, Overlaps, measure_maps
from sightline.comparing.pairwise import PairTest, pairwise
from sightline.comparing.protocol import EXPLAINER, condition_batches, evaluate_run, maps_folder
from sightline.comparing.seeds import by_recipe, recipe_of, with_seeds
from sightline.comparing.stored import StoredComparison, read_stored
from sightline.comparing.study_settings import Schedule, StudySettings
from sightline.comparing.tune import Candidate, Tuning, tune
from sightline.comparing.voc_cams import MAP_TITLES, MapOverlap, VocCams, run_voc_cams
from sightline.comparing.voc_cams_settings import VocCamsSettings
from sightline.training import load_trained

__all__ = [
    "EXPLAINER",
    "HEAT_MEASURES",
    "MAPS",
    "MAP_TITLES",
    "Candidate",
    "Comparison",
    "Condition",
    "GradCamStudy",
    "MapOverlap",
    "Overlaps",
    "PairTest",
    "Schedule",
    "Score",
    "StoredComparison",
    "StudySettings",
    "Tuning",
    "VocCams",
    "VocCamsSettings",
    "by_recipe",
    "choose_cases",
    "compare",
    "condition_batches",
    "conditions_of",
    "difference",
    "draw_scores",
    "evaluate_run",
    "hardest_of",
    "load_trained",
    "maps_folder",
    "measure_maps",
    "pairwise",
    "read_stored",
    "recipe_of",
    "run_study",
    "run_voc_cams",
    "study_layer",
    "tune",
    "with_seeds",
]
