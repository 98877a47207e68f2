import json

import pytest

from sightline.cli.main import main
from sightline.cli.settings import RECIPES, recipe_names


def test_recipes_are_listed_with_what_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(recipe_names())
    assert main(["recipes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out).keys() == set(recipe_names())


def test_a_recipe_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", "isnet"]) == 0
    assert capsys.readouterr().out == (RECIPES / "isnet.yaml").read_text()
