from pathlib import Path

import pytest

from sightline.cli.settings import read_settings
from sightline.comparing import Schedule, StudySettings
from sightline.data import DataSettings, Preprocessing
from sightline.errors import SettingsError
from sightline.training import OptimSettings

DATA = DataSettings(Path("cohort"), Preprocessing(channels=1))


def test_transformers_have_a_schedule_of_their_own() -> None:
    slow = Schedule(OptimSettings("sgd", lr=1e-4), epochs=300)
    settings = StudySettings(DATA, transformer=slow, weights={"vgg16": Path("w.pth")}, width=8, seed=3)
    names = [settings.training(name).epochs for name in settings.models]
    assert names == [50] * 6 + [300] * 3
    training = settings.training("vit_base")
    assert (training.name, training.optim, training.seed) == ("vit_base", slow.optim, 3)
    model = settings.training("vgg16").model
    assert (model.name, model.weights, model.in_channels, model.width) == ("vgg16", Path("w.pth"), 1, 8)
    assert training.model.weights is None


def test_the_recipe_is_the_papers() -> None:
    settings = read_settings(StudySettings, ["grad-cam-study"], ["data.cohort=x"])
    assert len(settings.models) == 9
    assert (settings.convolutional.epochs, settings.convolutional.optim.name) == (50, "adam")
    assert (settings.transformer.epochs, settings.transformer.optim.name) == (300, "sgd")
    assert settings.convolutional.optim.lr == settings.transformer.optim.lr == 1e-4
    assert settings.data.augmentation is not None
    assert settings.data.augmentation.rotate_degrees == 10
    assert (settings.data.preprocessing.equalise, settings.data.preprocessing.z_score) == ("clahe", "image")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"models": ("vgg16", "vgg17")}, "models must be of .*; got 'vgg17'"),
        ({"models": ("vgg16", "vgg16")}, "models must be named once each, got vgg16, vgg16"),
        ({"models": ()}, "models must be named once each, got none"),
        ({"models": ("vgg16",), "weights": {"vgg19": Path("x")}}, "weights must be of models of the study, got vgg19"),
        ({"layers": {"vgg11": "features.1"}}, "layers must be of models of the study, got vgg11"),
        ({"name": "a/b"}, "name must be a plain word, got 'a/b'"),
        ({"steps": 1}, "steps must be at least 2, got 1"),
        ({"level": 1.0}, r"level must lie in \(0, 1\), got 1.0"),
    ],
)
def test_wrong_settings_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        StudySettings(DATA, **options)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="epochs must be at least 1, got 0"):
        Schedule(epochs=0)
