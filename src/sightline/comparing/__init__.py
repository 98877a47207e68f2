"""Many recipes, one protocol, one table."""

from sightline.comparing.cases import choose_cases
from sightline.comparing.compare import compare
from sightline.comparing.comparison import Comparison
from sightline.comparing.conditions import Condition, conditions_of
from sightline.comparing.protocol import EXPLAINER, condition_batches, evaluate_run, load_trained, maps_folder

__all__ = [
    "EXPLAINER",
    "Comparison",
    "Condition",
    "choose_cases",
    "compare",
    "condition_batches",
    "conditions_of",
    "evaluate_run",
    "load_trained",
    "maps_folder",
]
