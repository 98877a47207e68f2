from typing import Any

import pytest

from sightline.errors import SettingsError
from sightline.guidance import BackgroundRelevance, BackgroundRelevanceSettings


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"variant": "orginal"}, "variant must be one of original, stochastic, selective, got 'orginal'"),
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
        ({"calibrate": -1}, "calibrate and seed must be at least 0"),
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
