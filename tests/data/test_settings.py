from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from sightline.data.gaze_files import GazeRegion
from sightline.data.planted_bias import PlantedBias
from sightline.data.prepared import Preprocessing
from sightline.data.settings import DataSettings
from sightline.data.transforms import Augmentation
from sightline.errors import SettingsError
from sightline.regions.gaze import GazeHeatmap, VelocityThreshold


def test_settings_read_from_plain_values_and_read_back_equal() -> None:
    adapter = TypeAdapter(DataSettings)
    given = {
        "cohort": "films",
        "preprocessing": {
            "size": 96,
            "equalise": "clahe",
            "window": [-1000, 400],
            "percentiles": [0.5, 99.5],
            "z_score": "mask",
            "regions": "gaze",
            "gaze": {"heatmap": {"sigma": 1, "unit": "degrees"}, "detector": {"velocity": 20}, "mass": 0.9},
        },
        "cache_dir": "prepared",
        "augmentation": {"flip": 0.0},
        "bias": {"corner": ["top", "left"], "shapes": ["square", "circle"]},
    }
    settings = adapter.validate_python(given)
    assert settings.preprocessing == Preprocessing(
        size=96,
        equalise="clahe",
        window=(-1000, 400),
        percentiles=(0.5, 99.5),
        z_score="mask",
        regions="gaze",
        gaze=GazeRegion(GazeHeatmap(1, "degrees"), VelocityThreshold(20), mass=0.9),
    )
    assert settings.cache_dir == Path("prepared")
    assert settings.augmentation == Augmentation(flip=0)
    assert settings.bias == PlantedBias(shapes=("square", "circle"), corner=("top", "left"))
    assert adapter.validate_json(adapter.dump_json(settings)) == settings


@pytest.mark.parametrize("setting", [{"batch_size": 0}, {"workers": -1}, {"cache_mib": -1}])
def test_settings_out_of_range_are_errors_at_both_doors(setting: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=next(iter(setting))):
        DataSettings(Path("films"), **setting)
    with pytest.raises(ValidationError, match=next(iter(setting))):
        TypeAdapter(DataSettings).validate_python({"cohort": "films", **setting})
