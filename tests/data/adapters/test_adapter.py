import re
from dataclasses import fields
from pathlib import Path

import pytest

from sightline.data.adapters import Adapter, adapters, find_adapter
from sightline.errors import DataNotFoundError, SettingsError

PAGE = (Path(__file__).parents[3] / "docs/data_sets.md").read_text(encoding="utf-8")
TABLE, _ = PAGE.split("## What the sources leave open")
ROWS = {line.split("`")[1]: line for line in TABLE.splitlines() if line.startswith("| `")}
KINDS = sorted(adapters().values(), key=lambda kind: kind.name)


def options(kind: type[Adapter]) -> list[str]:
    return [field.name for field in fields(kind) if field.name != "partial"]


def test_adapters_are_found_by_name() -> None:
    assert list(adapters()) == sorted(adapters())
    assert find_adapter("chexpert") is adapters()["chexpert"]
    with pytest.raises(
        SettingsError, match=r"no adapter 'chexprt'; did you mean 'chexpert'\?; there are bimcv_covid19"
    ):
        find_adapter("chexprt")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_adapter_is_made_of_its_defaults_alone_and_tells_its_options(kind: type[Adapter]) -> None:
    assert kind() == kind()
    assert hash(kind()) == hash(kind())
    told = set(re.findall(r"^        (\w+): ", kind.__doc__ or "", re.MULTILINE))
    assert set(options(kind)) <= told


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_adapter_says_that_a_folder_is_not_there_and_writes_nothing(kind: type[Adapter], tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match="nowhere"):
        kind().read(tmp_path / "nowhere", tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_the_page_of_data_sets_has_a_row_for_every_adapter() -> None:
    assert list(ROWS) == [kind.name for kind in KINDS]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.name in ROWS], ids=lambda kind: kind.name)
def test_a_row_names_every_option_and_all_that_must_lie_there(kind: type[Adapter]) -> None:
    _, name, _, layout, named, _, _ = re.split(r" ?(?<!\\)\| ?", ROWS[kind.name])
    assert name == f"`{kind.name}`"
    assert layout.replace("\\|", "|").split("<br>") == kind.layout.split("\n")
    assert re.findall(r"`(\w+)`", named) == options(kind)
