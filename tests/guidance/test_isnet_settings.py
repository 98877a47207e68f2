from typing import Any

import pytest

from sightline.attribution import LRP
from sightline.errors import SettingsError
from sightline.guidance import BackgroundRelevance, BackgroundRelevanceSettings


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"variant": "orginal"}, "variant must be one of original, stochastic, selective, dual, got 'orginal'"),
        ({"strength": 1.5}, r"strength must lie in \[0, 1\], got 1.5"),
        ({"goal": 0.0}, "goal must lie in"),
        ({"pooled_share": 0.0}, "pooled_share must lie in"),
        ({"decay": -1.0}, "decay must lie in"),
        ({"margin": 0.5}, "margin must lie in"),
        ({"first_layer_weight": -1.0}, "first_layer_weight must be at least 0"),
        ({"slope": 0.0}, "slope must be positive"),
        ({"foreground_weight": -1.0}, "background_weight and foreground_weight must be at least 0"),
        ({"least": 3.0, "most": 2.0}, "0 < least <= most, got 3.0 and 2.0"),
        ({"every": 0}, "every must be at least 1"),
        ({"calibrate": -1}, "calibrate, warm_up and seed must be at least 0"),
        ({"warm_up": -1}, "calibrate, warm_up and seed must be at least 0"),
        ({"warm_up": 1, "calibrate": 1}, "set one of them to 0"),
        ({"explanation": "lpr"}, "explanation must be one of lrp, gradient_x_input"),
        ({"explanation": "gradient_x_input", "layers": "auto"}, "explanation must be lrp for layers"),
        ({"explanation": "gradient_x_input", "variant": "dual"}, "explanation must be lrp for layers"),
        ({"layers": ("a",), "layer_weights": (1.0, 1.0)}, "layer_weights must be one for each layer"),
        ({"layers": "auto", "layer_weights": (1.0,)}, "layer_weights must be one for each layer"),
        ({"layers": ("a",), "layer_weights": (-1.0,)}, "layer_weights must be one for each layer"),
        ({"layer_decay": 1.5}, "layer_decay must lie in"),
        ({"epsilon": -1.0}, "epsilon must be at least 0"),
        ({"input_rule": "z"}, "input_rule must be"),
    ],
)
def test_settings_out_of_range_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        BackgroundRelevance(**options)


def test_settings_and_options_together_are_refused() -> None:
    with pytest.raises(SettingsError, match="not both; got both, with decay"):
        BackgroundRelevance(BackgroundRelevanceSettings(), decay=0.5)


def test_a_map_of_ones_own_has_its_own_layers() -> None:
    with pytest.raises(SettingsError, match="layers must be those of the explainer"):
        BackgroundRelevance(explainer=LRP(), layers="auto")
