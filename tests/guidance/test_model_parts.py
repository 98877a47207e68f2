import pytest
import torch
from torch import nn

from sightline.errors import SettingsError
from sightline.guidance.model_parts import find_part, output_of


def small() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.ReLU()))


def test_parts_are_found_by_dotted_name() -> None:
    model = small()
    assert find_part(model, "1.0", option="part") is model[1][0]
    assert find_part(model, None, option="part") is model


def test_a_part_that_is_not_there_is_refused_by_name() -> None:
    words = r"^layer must name a part of Sequential, which has 0, 1; got '1.1'; did you mean '1.0'\?$"
    with pytest.raises(SettingsError, match=words):
        find_part(small(), "1.1", option="layer")


def test_answers_are_collected_while_the_context_lasts() -> None:
    model = small()
    with output_of(model[0]) as answers:
        first = model[0](torch.ones(1, 2))
        model(torch.zeros(1, 2))
    model(torch.ones(1, 2))
    assert answers[0] is first
    assert len(answers) == 2


def test_nothing_stays_on_the_layer_after_an_error() -> None:
    model = small()
    with pytest.raises(RuntimeError), output_of(model[0]):
        model(torch.ones(1, 3))
    assert not model[0]._forward_hooks
