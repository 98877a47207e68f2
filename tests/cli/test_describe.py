import dataclasses

import pytest

from sightline.checking import _keys
from sightline.cli.describe import describe, settings_help
from sightline.errors import SettingsError
from sightline.training import TrainSettings

TRAINING = describe("sightline.training.settings", "TrainSettings")
BY_KEY = {setting.key: setting for setting in TRAINING}


def test_the_source_tells_the_same_settings_as_the_imported_class() -> None:
    assert sorted(setting.key for setting in TRAINING) == sorted(_keys(TrainSettings))


def test_a_class_is_found_through_a_package_that_hands_it_on() -> None:
    assert describe("sightline.training", "TrainSettings") == TRAINING


def test_every_setting_is_explained() -> None:
    assert [setting.key for setting in TRAINING if not setting.about] == []


def test_a_default_is_written_as_in_a_file() -> None:
    fields = {item.name: item.default for item in dataclasses.fields(TrainSettings)}
    assert BY_KEY["epochs"].default == str(fields["epochs"])
    assert BY_KEY["data.cohort"].default == ""
    assert BY_KEY["guidance"].default == "null"
    assert BY_KEY["tensorboard"].default == "false"
    assert BY_KEY["model.options"].default == "{}"


def test_a_type_is_written_in_words_of_the_command_line() -> None:
    assert BY_KEY["precision"].type == "float32 | bfloat16 | float16"
    assert BY_KEY["model.weights"].type == "path | null"
    assert "triangle" in BY_KEY["data.bias.shapes"].type, "names of literals are spelled out"


def test_help_has_a_line_for_every_setting() -> None:
    text = settings_help("sightline.training.settings", "TrainSettings")
    assert "  data.cohort  (path; required)\n      folder of the cohort" in text
    assert "  optim.lr  (float; default 0.001)" in text
    assert max(map(len, text.splitlines())) <= 240


def test_an_unknown_class_is_named() -> None:
    with pytest.raises(SettingsError, match=r"no settings class Nothing in sightline\.training"):
        describe("sightline.training", "Nothing")
