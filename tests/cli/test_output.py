import doctest
import json

import pytest

from sightline.cli import output


def test_the_example_in_the_docstring_holds() -> None:
    assert doctest.testmod(output).failed == 0


def test_json_holds_no_number_that_json_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    output.say_json({"a": [float("nan"), float("inf"), 1.5], "b": "NaN"})
    assert json.loads(capsys.readouterr().out) == {"a": [None, None, 1.5], "b": "NaN"}
