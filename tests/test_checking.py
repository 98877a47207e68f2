from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from sightline import yaml12
from sightline.checking import check
from sightline.errors import SettingsError


@dataclass(frozen=True)
class Data:
    cohort: Path
    batch_size: int = 16
    sizes: tuple[int, ...] = (1,)

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise SettingsError(f"batch_size must be at least 1, got {self.batch_size}")


@dataclass(frozen=True)
class Optim:
    name: Literal["sgd", "adamw"] = "sgd"
    lr: float = 1e-3
    momentum: float = 0.9
    clip: float | None = 1.0

    def __post_init__(self) -> None:
        if self.lr <= 0:
            raise SettingsError(f"lr must be above 0, got {self.lr}")
        if not 0 <= self.momentum < 1:
            raise SettingsError(f"momentum must lie in [0, 1), got {self.momentum}")
        if self.name == "adamw" and self.momentum == 0.123:
            raise SettingsError("adamw has no momentum of 0.123")


@dataclass(frozen=True)
class Guidance:
    strength: float = 0.7
    every: int = 1


@dataclass(frozen=True)
class Settings:
    data: Data
    name: str = "run"
    optim: Optim = Optim(lr=0.5)
    guidance: Guidance | None = None
    epochs: int = 3
    fast: bool = False
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.optim.momentum > 0.95 and self.data.batch_size == 1:
            raise SettingsError("optim.momentum must be at most 0.95 with single images")


def checked(text: str) -> Settings:
    return check(Settings, yaml12.read(text, "f.yaml"))


def lines(text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        checked(text)
    return str(caught.value).splitlines()


BASE = "data: {cohort: here}\n"


def test_defaults_fill_what_is_not_given() -> None:
    assert checked(BASE) == Settings(Data(Path("here")))


def test_a_group_keeps_the_defaults_of_its_owner() -> None:
    assert checked(BASE + "optim: {momentum: 0.5}").optim == Optim(lr=0.5, momentum=0.5)


def test_types_become_what_the_dataclass_says() -> None:
    settings = checked(BASE + "optim: {lr: 1, clip: null}\nfast: true\noptions: {a: [1, {b: no}]}")
    assert settings.optim == Optim(lr=1.0, clip=None)
    assert isinstance(settings.optim.lr, float)
    assert settings.options == {"a": [1, {"b": "no"}]}
    assert checked("data: {cohort: a/b, sizes: [1, 2]}").data == Data(Path("a/b"), sizes=(1, 2))


def test_an_optional_group_is_off_by_null_and_on_by_anything_in_it() -> None:
    assert checked(BASE + "guidance: null").guidance is None
    assert checked(BASE + "guidance: {}").guidance == Guidance()
    assert checked(BASE + "guidance: {every: 2}").guidance == Guidance(every=2)


def test_a_number_is_text_where_text_is_asked_for() -> None:
    assert checked(BASE + "name: 007").name == "007"
    assert checked(BASE + "name: 1e-3").name == "1e-3"


def test_every_error_is_told_at_once_in_reading_order() -> None:
    text = """data:
  bach_size: 3
optim:
  lr: -1
  momentum: 2
  name: adam
epochs: many
"""
    assert lines(text) == [
        "f.yaml:1: data.cohort: is required; give it in a file or as data.cohort=VALUE",
        "f.yaml:2: data.bach_size: unknown setting. Did you mean data.batch_size?",
        "f.yaml:4: optim.lr: must be above 0, got -1.0",
        "f.yaml:5: optim.momentum: must lie in [0, 1), got 2.0",
        "f.yaml:6: optim.name: must be 'sgd' or 'adamw', got 'adam'",
        "f.yaml:7: epochs: must be a valid integer, got 'many'",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("batch_size: 3", "f.yaml:2: batch_size: unknown setting. Did you mean data.batch_size?"),
        ("momntum: 3", "f.yaml:2: momntum: unknown setting. Did you mean optim.momentum?"),
        ("optm: {lr: 3}", "f.yaml:2: optm: unknown setting. Did you mean optim?"),
        ("optim: {lrr: 3}", "f.yaml:2: optim.lrr: unknown setting. Did you mean optim.lr?"),
        ("guidance: {strenght: 3}", "f.yaml:2: guidance.strenght: unknown setting. Did you mean guidance.strength?"),
        ("optim: {xyz: 3}", "f.yaml:2: optim.xyz: unknown setting. Known here: name, lr, momentum, clip."),
        ("optim: 3", "f.yaml:2: optim: is a group of settings (name, lr, momentum, clip), got 3"),
        ("optim: null", "f.yaml:2: optim: is a group of settings (name, lr, momentum, clip), got None"),
        ("epochs: 1.5", "f.yaml:2: epochs: must be a valid integer, got a number with a fractional part, got 1.5"),
        ("epochs: true", "f.yaml:2: epochs: must be a number, got true"),
        ("optim: {lr: .nan}", "f.yaml:2: optim.lr: must be a number, got nan"),
        ("name: [a]", "f.yaml:2: name: must be a valid string, got ['a']"),
        ("name: null", "f.yaml:2: name: must be a valid string, got None"),
    ],
)
def test_one_wrong_setting_is_one_line(text: str, message: str) -> None:
    assert lines(BASE + text) == [message]


def test_an_item_of_a_list_is_named() -> None:
    assert lines("data: {cohort: c, sizes: [1, two]}") == [
        "f.yaml:1: data.sizes[1]: must be a valid integer, got 'two'"
    ]


def test_a_check_that_names_no_field_is_told_at_its_group() -> None:
    assert lines(BASE + "optim:\n  name: adamw\n  momentum: 0.123") == [
        "f.yaml:2: optim: adamw has no momentum of 0.123"
    ]


def test_a_check_across_groups_names_the_setting_in_its_group() -> None:
    assert lines("data: {cohort: c, batch_size: 1}\noptim:\n  name: sgd\n  momentum: 0.99") == [
        "f.yaml:4: optim.momentum: must be at most 0.95 with single images"
    ]


def test_a_wrong_type_does_not_hide_a_wrong_range_beside_it() -> None:
    assert lines("data: {cohort: c}\noptim: {lr: x, momentum: 5}") == [
        "f.yaml:2: optim.lr: must be a valid number, got 'x'",
        "f.yaml:2: optim.momentum: must lie in [0, 1), got 5.0",
    ]


def test_a_missing_group_asks_for_the_setting_in_it() -> None:
    assert lines("epochs: 1") == ["f.yaml:1: data.cohort: is required; give it in a file or as data.cohort=VALUE"]
