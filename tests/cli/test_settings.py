import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sightline.cli.settings import RECIPES, read_settings, recipe_names, to_yaml, words_to_overrides
from sightline.errors import SettingsError
from sightline.training import TrainSettings


@dataclass(frozen=True)
class Optim:
    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)


@dataclass(frozen=True)
class Settings:
    folder: Path = Path("here")
    name: str = "run"
    optim: Optim = field(default_factory=Optim)
    extra: Optim | None = None
    flag: bool = False
    options: dict[str, Any] = field(default_factory=dict)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_command_line_wins_over_the_later_file_over_the_earlier_over_the_default(folder: Path) -> None:
    Path("one.yaml").write_text("name: one\noptim: {lr: 1, betas: [0.1, 0.2]}\n")
    Path("two.yaml").write_text("optim: {lr: 2}\nflag: true\n")
    settings = read_settings(Settings, ["one.yaml", "two.yaml"], ["optim.lr=3"])
    assert settings == Settings(name="one", optim=Optim(3.0, (0.1, 0.2)), flag=True)


def test_errors_of_all_sources_are_told_together_with_their_places(folder: Path) -> None:
    Path("one.yaml").write_text("nme: one\n")
    Path("two.yaml").write_text("\noptim:\n  lr: fast\n")
    with pytest.raises(SettingsError) as caught:
        read_settings(Settings, ["one.yaml", "two.yaml"], ["flag=maybe", "optim.beta=[1, 2]"])
    assert str(caught.value).splitlines() == [
        "one.yaml:1: nme: unknown setting. Did you mean name?",
        "two.yaml:3: optim.lr: must be a valid number, got 'fast'",
        "command line: flag: must be a valid boolean, got 'maybe'",
        "command line: optim.beta: unknown setting. Did you mean optim.betas?",
    ]


@pytest.mark.parametrize(
    ("word", "changed"),
    [
        ("optim.lr=1e-4", {"optim": Optim(lr=1e-4)}),
        ("optim.betas=[0.5, 0.6]", {"optim": Optim(betas=(0.5, 0.6))}),
        ("extra={}", {"extra": Optim()}),
        ("extra.lr=2", {"extra": Optim(lr=2.0)}),
        ("extra=null", {"extra": None}),
        ("flag=yes", {"flag": True}),
        ("name=007", {"name": "007"}),
        ("name=true", {"name": "true"}),
        ("name=a=b", {"name": "a=b"}),
        ("name=", {"name": ""}),
        ("name=[unclosed", {"name": "[unclosed"}),
        ("folder=2024", {"folder": Path("2024")}),
        ("options.width=1e-3", {"options": {"width": 0.001}}),
        ("options.deep.er=no", {"options": {"deep": {"er": "no"}}}),
    ],
)
def test_a_word_sets_what_it_says(word: str, changed: dict[str, Any]) -> None:
    assert read_settings(Settings, [], [word]) == Settings(**changed)


@pytest.mark.parametrize("word", ["name", "=3", "a b=3", "optim..lr=3"])
def test_a_word_that_is_no_setting_is_refused(word: str) -> None:
    with pytest.raises(SettingsError, match=r"command line: .*: not a setting; write key=value"):
        read_settings(Settings, [], [word])


def test_files_that_cannot_be_read_are_all_named(folder: Path) -> None:
    Path("list.yaml").write_text("- 1\n")
    Path("bytes.yaml").write_bytes(b"\xff\xfe\x00")
    Path("folder.yaml").mkdir()
    with pytest.raises(SettingsError) as caught:
        read_settings(Settings, ["missing.yaml", "list.yaml", "bytes.yaml", "folder.yaml"])
    assert str(caught.value).splitlines() == [
        f"missing.yaml: no such file and no such recipe; the recipes are {', '.join(recipe_names())}",
        "list.yaml:1: settings must be keys with values, got [1]",
        "bytes.yaml: cannot be read: it is not UTF-8 text",
        "folder.yaml: cannot be read: Is a directory",
    ]


def test_an_empty_file_says_nothing(folder: Path) -> None:
    Path("empty.yaml").write_text("# nothing\n")
    assert read_settings(Settings, ["empty.yaml"]) == Settings()


def test_a_relative_path_means_from_the_current_folder(folder: Path) -> None:
    Path("sub").mkdir()
    Path("sub/s.yaml").write_text("folder: data/x\n")
    assert read_settings(Settings, [os.path.join("sub", "s.yaml")]).folder == Path("data/x")  # noqa: PTH118


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(name="no", extra=Optim(lr=1e-30), flag=True, options={"a": [1, None, "1e-3"], "b": {"c": "null"}}),
        Settings(folder=Path("a b/ü"), name="007", optim=Optim(lr=float("inf"))),
    ],
)
def test_what_is_written_reads_back_to_the_same_settings(settings: object, folder: Path) -> None:
    Path("written.yaml").write_text(to_yaml(settings), encoding="utf-8")
    assert read_settings(Settings, ["written.yaml"]) == settings


def test_words_are_settings_in_three_spellings_and_names() -> None:
    words = ["plain", "optim.lr=1", "--optim.lr=2", "--optim.lr", "3", "--name", "-1", "x.yaml"]
    assert words_to_overrides(words) == (["plain", "x.yaml"], ["optim.lr=1", "optim.lr=2", "optim.lr=3", "name=-1"])


@pytest.mark.parametrize("words", [["--optim.lr"], ["--optim.lr", "--name", "x"]])
def test_an_option_without_a_value_is_refused(words: list[str]) -> None:
    with pytest.raises(SettingsError, match=r"--optim.lr needs a value"):
        words_to_overrides(words)


def test_dashes_in_a_key_are_underscores() -> None:
    assert read_settings(TrainSettings, [], ["data.cohort=c", "data.batch-size=4"]).data.batch_size == 4


@pytest.mark.parametrize("name", recipe_names())
def test_a_recipe_names_its_run_and_says_what_it_is(name: str) -> None:
    assert read_settings(TrainSettings, [name], ["data.cohort=c"]).name == name
    assert (RECIPES / f"{name}.yaml").read_text().startswith("# ")


def test_the_recipes_differ_in_guidance() -> None:
    plain, isnet = (read_settings(TrainSettings, [name], ["data.cohort=c"]) for name in ("plain", "isnet"))
    assert plain.guidance is None
    assert isnet.guidance is not None


def test_a_file_beats_a_recipe_of_its_name(folder: Path) -> None:
    Path("isnet").write_text("name: mine\n")
    assert read_settings(Settings, ["isnet"]).name == "mine"


def test_the_settings_of_a_training_read_back(folder: Path) -> None:
    settings = read_settings(TrainSettings, ["isnet"], ["data.cohort=c", "data.bias={}", "model.options.a=1"])
    Path("written.yaml").write_text(to_yaml(settings))
    assert read_settings(TrainSettings, ["written.yaml"]) == settings
