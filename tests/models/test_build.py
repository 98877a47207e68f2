import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn

from sightline.errors import SettingsError
from sightline.models.build import ModelSettings, build_model, model_names
from sightline.models.weights import save_weights

SMALL = ModelSettings("resnet18", width=4)

PLUGIN = """
from torch import nn

def linear(num_classes, *, pixels=4):
    return nn.Sequential(nn.Flatten(), nn.Linear(pixels, num_classes))

def picky(num_classes, depth):
    raise ValueError("depth must be even")

def unruly(num_classes):
    return [num_classes]

constant = 3
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Name of an importable module with models of a user."""
    (tmp_path / "sightline_test_plugin.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    yield "sightline_test_plugin"
    sys.modules.pop("sightline_test_plugin", None)


def equal(first: nn.Module, second: nn.Module) -> bool:
    return all(map(torch.equal, first.state_dict().values(), second.state_dict().values()))


# of the input of those that read gaze behind the image
CHANNELS = {"gaze_gnn": 2, "temporal_gaze": 4}
# those of volumes, and what makes them fit small ones
SLICES = {"size": [48, 96, 96], "trunk_stages": 3, "padding": 1}
VOLUMES = dict.fromkeys(("axialnet", "body_cam", "ctnet", "body_conv"), SLICES)
VOLUMES["conv3d_net"] = {"size": [48, 96, 96], "padding": 1}


@pytest.mark.parametrize("name", model_names())
def test_every_name_builds_the_model_of_that_name(name: str) -> None:
    channels, options = CHANNELS.get(name, 1), VOLUMES.get(name, {})
    settings = ModelSettings(name, in_channels=channels, dropout=0.5, width=8, options=options)
    with torch.device("meta"):
        model = build_model(settings, num_classes=5)
        logits = model.eval()(torch.rand(2, channels, *options.get("size", [96, 96])))
    assert logits.shape == (2, 5)
    drops = (nn.Dropout, nn.Dropout2d)
    assert any(isinstance(module, drops) and module.p == 0.5 for module in model.modules())


def test_a_seed_makes_the_weights_and_leaves_the_global_generator_alone() -> None:
    before = torch.random.get_rng_state()
    first, second, other = (build_model(SMALL, num_classes=3, seed=seed) for seed in (1, 1, 2))
    drawn, again = (build_model(SMALL, num_classes=3) for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert equal(first, second)
    assert not equal(first, other)
    assert not equal(drawn, again)


def test_options_reach_our_models() -> None:
    model = build_model(ModelSettings("resnet18", width=4, options={"dimensions": 3}), num_classes=3)
    assert model(torch.zeros(2, 3, 8, 16, 16)).shape == (2, 3)


def test_a_dotted_path_builds_any_model(plugin: str) -> None:
    model = build_model(ModelSettings(f"{plugin}:linear", options={"pixels": 9}), num_classes=2)
    assert model(torch.zeros(5, 1, 3, 3)).shape == (5, 2)


def test_a_dotted_path_reaches_our_classes() -> None:
    settings = ModelSettings(
        "sightline.models.densenet:DenseNet", in_channels=1, width=6, options={"block_config": (1, 1), "growth_rate": 2}
    )
    model = build_model(settings, num_classes=3)
    assert sum(1 for module in model.modules() if isinstance(module, nn.Conv2d)) == 1 + 2 + 1 + 2
    assert model(torch.zeros(1, 1, 32, 32)).shape == (1, 3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"name": "densnet121"},
            r"model must be one of densenet121, .* got 'densnet121'; did you mean 'densenet121'\?",
        ),
        ({"name": "torchvision.models.resnet18"}, "or module:callable, got 'torchvision.models.resnet18'"),
        ({"in_channels": 0}, "in_channels must be at least 1, got 0"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\), got 1.0"),
        ({"width": 1}, "width must be at least 2, got 1"),
        ({"options": {"width": 8}}, "model options must not hold width: each has a setting of its own"),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_built(settings: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        ModelSettings(**settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resnet18", {"dimension": 3}, "takes the options .*, got 'dimension'; did you mean 'dimensions'?"),
        ("resnet18", {"dimensions": 4}, r"dimensions must be 2 \(images\) or 3 \(volumes\), got 4"),
        ("no_such_module:net", {}, "module 'no_such_module' cannot be imported .*add its folder to PYTHONPATH"),
        (":net", {}, "module '' cannot be imported"),
        (".relative:net", {}, "module '.relative' cannot be imported"),
        ("PLUGIN:linaer", {}, "PLUGIN has no such callable, got 'linaer'; did you mean 'linear'?"),
        ("PLUGIN:", {}, "PLUGIN has no such callable, got ''"),
        ("PLUGIN:constant", {}, "must be callable, got int"),
        ("PLUGIN:linear", {"pixel": 3}, "takes the options num_classes, pixels, got 'pixel'; did you mean 'pixels'?"),
        ("PLUGIN:picky", {"depth": 3}, "refused .*: depth must be even"),
        ("PLUGIN:picky", {}, "refused .*missing 1 required positional argument: 'depth'"),
        ("PLUGIN:unruly", {}, "must return a torch.nn.Module, got list"),
        ("builtins:len", {}, "takes the options"),
    ],
)
def test_a_model_that_cannot_be_built_is_one_clear_line(
    plugin: str, name: str, options: dict[str, object], message: str
) -> None:
    settings = ModelSettings(name.replace("PLUGIN", plugin), options=options)
    with pytest.raises(SettingsError, match=message.replace("PLUGIN", plugin).replace("'?", r"'\?")) as caught:
        build_model(settings, num_classes=3)
    assert "\n" not in str(caught.value)


def test_what_a_users_model_does_not_take_is_not_dropped_silently(plugin: str) -> None:
    with pytest.raises(SettingsError, match="got 'in_channels'"):
        build_model(ModelSettings(f"{plugin}:linear", in_channels=1), num_classes=3)


def test_a_model_without_classes_is_refused() -> None:
    with pytest.raises(SettingsError, match="num_classes must be at least 1, got 0"):
        build_model(SMALL, num_classes=0)


def test_weights_are_loaded_and_what_they_lack_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "model.safetensors"
    source = build_model(SMALL, num_classes=7, seed=1)
    save_weights(source, path)
    with caplog.at_level(logging.INFO):
        model = build_model(ModelSettings("resnet18", width=4, weights=path), num_classes=3, seed=2)
    assert equal(model.layer1, source.layer1)
    assert "as initialised: fc.weight, fc.bias" in caplog.text
