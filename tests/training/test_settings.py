from collections.abc import Callable
from typing import Any

import pytest

from sightline.errors import SettingsError
from sightline.models import ModelSettings
from sightline.training import OptimSettings, TrainSettings

NAN = float("nan")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"lr": 0.0}, "lr must be positive, got 0.0"),
        ({"lr": NAN}, "lr must be positive, got nan"),
        ({"momentum": 1.0}, "momentum must lie in"),
        ({"weight_decay": -1.0}, "weight_decay must be at least 0"),
        ({"clip_norm": 0.0}, "clip_norm must be positive or null"),
        ({"warmup": 1.0}, "warmup must lie in"),
        ({"averaging": 1.0}, "averaging must lie in"),
    ],
)
def test_optimisation_out_of_range_is_refused(wrong: dict[str, float], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        OptimSettings(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"name": ""}, "name must be a plain word"),
        ({"name": ".."}, "name must be a plain word"),
        ({"name": "a/b"}, "name must be a plain word"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"checkpoint_seconds": -1.0}, "checkpoint_seconds must be at least 0"),
        ({"model": ModelSettings("resnet18")}, "in_channels must equal data.preprocessing.channels, got 3 and 1"),
    ],
)
def test_a_training_out_of_range_is_refused(
    make_settings: Callable[..., TrainSettings], wrong: dict[str, Any], says: str
) -> None:
    with pytest.raises(SettingsError, match=says):
        make_settings(**wrong)
