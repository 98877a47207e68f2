import pytest

from sightline.attribution.methods import find_method, ready_methods
from sightline.errors import SettingsError
from sightline.serving import Limits
from sightline.serving.questions import chosen, offered, read_options


def test_the_methods_of_a_few_passes_are_offered() -> None:
    names = set(offered())
    assert {"lrp", "grad_cam", "saliency", "guided_grad_cam"} <= names
    assert not names & {"rise", "lime", "occlusion", "integrated_gradients", "score_cam", "smooth_grad"}


def test_others_are_offered_by_name() -> None:
    assert list(offered(["rise", "lrp"])) == ["rise", "lrp"]
    assert set(offered(["all"])) == {method.name for method in ready_methods()}
    with pytest.raises(SettingsError, match="unknown method 'ries'"):
        offered(["ries"])
    with pytest.raises(SettingsError, match="method 'lime' is not offered here; offered are rise, lrp"):
        chosen("lime", offered(["rise", "lrp"]))


@pytest.mark.parametrize(
    ("method", "text", "options"),
    [
        ("lrp", "", {}),
        ("lrp", '{"epsilon": 0.5}', {"epsilon": 0.5}),
        ("rise", '{"masks": 4000, "seed": 12345, "batch_size": 64}', {"masks": 4000, "seed": 12345, "batch_size": 64}),
        ("occlusion", '{"window": [8, 8]}', {"window": [8, 8]}),
    ],
)
def test_options_are_a_json_object(method: str, text: str, options: dict) -> None:
    assert read_options(text, find_method(method)) == options


@pytest.mark.parametrize(
    ("method", "text", "message"),
    [
        ("rise", '{"masks": 4001}', "masks: at most 4000 is taken here, got 4001"),
        ("rise", '{"cells": 100}', "cells: at most 28 is taken here"),
        ("rise", '{"batch_size": 65}', "batch_size: at most 64"),
        ("occlusion", '{"window": [8, 1000]}', "window: at most 256"),
        ("occlusion", '{"window": [[1]]}', "window: must be a value or a short list of values"),
        ("occlusion", '{"window": [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]}', "a short list"),
        ("lrp", '{"epsilon": {"a": 1}}', "epsilon: must be a value"),
        ("lrp", '{"epsilon": Infinity}', "must be a JSON object"),
        ("lrp", "[" * 1500, "must be a JSON object"),
        ("lrp", '{"a": "' + "b" * 3000 + '"}', "must be a JSON object"),
        ("lrp", "null", "must be a JSON object"),
    ],
)
def test_what_would_take_too_much_is_refused(method: str, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read_options(text, find_method(method))


def test_limits_are_those_of_images_or_volumes_and_of_the_operator() -> None:
    images, volumes = Limits.of(2), Limits.of(3)
    assert images == Limits()
    assert volumes.max_bytes > images.max_bytes
    assert volumes.queue < images.queue
    assert Limits.of(3, queue=9, batch=None).queue == 9
    assert Limits(max_pixels=1 << 20).reader_bytes == (256 + 24) << 20


@pytest.mark.parametrize(
    "wrong", [{"max_bytes": 0}, {"queue": -1}, {"timeout_s": 0}, {"timeout_s": float("nan")}, {"window_s": 2}]
)
def test_limits_out_of_their_range_are_refused(wrong: dict) -> None:
    with pytest.raises(SettingsError):
        Limits(**wrong)
