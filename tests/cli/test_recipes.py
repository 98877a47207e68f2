import json
import re

import pytest

from sightline.cli.main import main
from sightline.cli.settings import RECIPES, recipe_file, recipe_names

STUDIES = ("grad-cam-study", "voc-cams-study")


def test_recipes_are_listed_with_what_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes"]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()[::3]]
    assert listed == [*recipe_names(), *STUDIES]
    assert main(["recipes", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told.keys() == {*recipe_names(), *STUDIES}
    assert told["plain"]["cost"] == "1, by definition"


@pytest.mark.parametrize("name", [*recipe_names(), *STUDIES])
def test_a_recipe_says_what_it_does_where_it_comes_from_and_what_it_costs(name: str) -> None:
    does, paper, cost, named = _recipe(name).splitlines()[:4]
    assert re.fullmatch(r"# [A-Z].{20,115}\.", does)
    assert re.fullmatch(r"# Paper: .{10,110}", paper)
    assert re.fullmatch(r"# Cost: .*\d.*", cost), "measure it: benchmarks/recipe_cost.py"
    assert named == f"name: {name}"


def test_a_recipe_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", "isnet"]) == 0
    assert capsys.readouterr().out == (RECIPES / "isnet.yaml").read_text()


def _recipe(name: str) -> str:
    file = recipe_file(name)
    assert file is not None
    return file.read_text(encoding="utf-8")
