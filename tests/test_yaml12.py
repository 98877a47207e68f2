import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline import yaml12
from sightline.errors import SettingsError


def value_of(text: str) -> object:
    return yaml12.read(f"key: {text}", "file.yaml").plain()["key"]


@pytest.mark.parametrize("word", ["no", "yes", "on", "off", "NO", "y", "2024-01-01", "1:30", "1_000"])
def test_words_that_yaml_1_1_takes_for_something_else_are_text(word: str) -> None:
    assert value_of(word) == word


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("007", 7),
        ("0x1f", 31),
        ("0o17", 15),
        ("1e-3", 0.001),
        ("1.5", 1.5),
        (".5", 0.5),
        ("2.", 2.0),
        ("-.inf", -math.inf),
        ("'1e-3'", "1e-3"),
        ("[no, 1e2]", ["no", 100.0]),
        ("{a: {b: on}}", {"a": {"b": "on"}}),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    found = value_of(text)
    assert found == value
    assert type(found) is type(value)


def test_nan_is_read() -> None:
    assert math.isnan(value_of(".nan"))


def test_every_key_knows_its_line() -> None:
    given_values = yaml12.read("a: 1\n\nb:\n  c: 2\n  d:\n    - 1\n", "file.yaml", rank=3).value
    assert str(given_values["a"].place) == "file.yaml:1"
    assert given_values["b"].value["d"].place == yaml12.Place(3, 5, "file.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: [1, 2\n", "file.yaml:3: not YAML"),
        ("a: 1\nb: 2\na: 3\n", "file.yaml:3: a: given twice, first in line 1"),
        ("a: 1\n? [b]\n: 2\n", "file.yaml:2: a key must be a word"),
        ("a: !!python/object:os.system x\n", "file.yaml:1: the tag .* is not read here"),
        ("a: \t1\n\tb: 2", "file.yaml:1: not YAML"),
    ],
)
def test_what_is_no_settings_file_is_one_line_with_its_place(text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as caught:
        yaml12.read(text, "file.yaml")
    assert "\n" not in str(caught.value)


def test_merging_goes_key_by_key_and_the_later_wins() -> None:
    first = yaml12.read("a: {b: 1, c: 2}\nd: 3", "one", rank=0)
    second = yaml12.read("a: {c: 4}\ne: 5", "two", rank=1)
    merged = first.merged(second)
    assert merged.plain() == {"a": {"b": 1, "c": 4}, "d": 3, "e": 5}
    assert merged.value["a"].value["c"].place.source == "two"
    assert merged.value["a"].value["b"].place.source == "one"


def test_null_replaces_a_group_and_a_group_replaces_null() -> None:
    group, null = yaml12.read("a: {b: 1}", "one"), yaml12.read("a: null", "two")
    assert group.merged(null).plain() == {"a": None}
    assert null.merged(group).plain() == {"a": {"b": 1}}


words = st.text(st.characters(exclude_categories=("C", "Z")) | st.just(" "), min_size=1)
plain_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(words, plain_values, max_size=4))
def test_what_is_written_reads_back_as_it_was(values: dict[str, Any]) -> None:
    assert yaml12.read(yaml12.dump(values), "file.yaml").plain() == values


@pytest.mark.parametrize(
    "word", ["no", "1e-3", "007", "null", "true", "~", "", "2024-01-01", "0o7", ".5", "a: b", "[x"]
)
def test_text_that_looks_like_something_else_is_written_quoted(word: str) -> None:
    assert yaml12.read(yaml12.dump({"key": word}), "file.yaml").plain() == {"key": word}
