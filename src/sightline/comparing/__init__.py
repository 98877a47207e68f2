"""Many recipes, one protocol, one table."""

from sightline.comparing.cases import choose_cases
from sightline.comparing.compare import compare
from sightline.comparing.comparison import Comparison
from sightline.comparing.conditions import Condition, conditions_of
from sightline.comparing.grad_cam_study import HEAT_MEASURES, GradCamStudy, run_study, study_layer
from sightline.comparing.protocol import EXPLAINER, condition_batches, evaluate_run, load_trained, maps_folder
from sightline.comparing.study_settings import Schedule, StudySettings
from sightline.comparing.tune import Candidate, Tuning, tune

__all__ = [
    "EXPLAINER",
    "HEAT_MEASURES",
    "Candidate",
    "Comparison",
    "Condition",
    "GradCamStudy",
    "Schedule",
    "StudySettings",
    "Tuning",
    "choose_cases",
    "compare",
    "condition_batches",
    "conditions_of",
    "evaluate_run",
    "load_trained",
    "maps_folder",
    "run_study",
    "study_layer",
    "tune",
]
