"""YAML with the scalars of version 1.2 and the line of every key.

PyYAML follows YAML 1.1, where `no` is false, `1e-3` is a string, `0123` is octal and `2024-01-01` is a date. Here only
`true` and `false` are booleans and what looks like a number is one (https://yaml.org/spec/1.2.2, section 10.3.2).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from sightline.errors import SettingsError

_MOST, _DEEPEST = 10_000, 50  # values of a document, aliases counted as often as they stand for something; levels
_CORE = (
    ("tag:yaml.org,2002:bool", re.compile(r"true|True|TRUE|false|False|FALSE"), "tTfF"),
    ("tag:yaml.org,2002:int", re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"), "-+0123456789"),
    (
        "tag:yaml.org,2002:float",
        re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"),
        "-+0123456789.",
    ),
    ("tag:yaml.org,2002:null", re.compile(r"~|null|Null|NULL|"), ["~", "n", "N", ""]),
)


class ShallowLoader(yaml.SafeLoader):
    """Refuses what is nested without end, which takes PyYAML the square of its length, and then Python's stack."""

    _depth = 0

    def fetch_flow_collection_start(self, token: Any) -> None:  # noqa: ANN401 - of PyYAML
        """Scan a bracket; a `ScannerError` where too many are open."""
        if self.flow_level >= _DEEPEST:
            mark = self.get_mark()
            raise yaml.scanner.ScannerError(None, None, f"nested more than {_DEEPEST} levels deep", mark)
        super().fetch_flow_collection_start(token)

    def compose_node(self, parent: Any, index: Any) -> Any:  # noqa: ANN401 - of PyYAML
        """Compose what stands at an event; a `ComposerError` where it stands too deep."""
        self._depth += 1
        if self._depth > _DEEPEST:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, f"nested more than {_DEEPEST} levels deep", mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Loader(ShallowLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's own attribute; none of the 1.1 scalars


class _Dumper(yaml.SafeDumper):
    """Quotes what either version would take for something else than a string."""


for _tag, _pattern, _first in _CORE:
    _whole = re.compile(f"^(?:{_pattern.pattern})$")
    _Loader.add_implicit_resolver(_tag, _whole, list(_first))
    _Dumper.add_implicit_resolver(_tag, _whole, list(_first))
_Dumper.add_representer(
    list, lambda dumper, value: dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=True)
)


@dataclass(frozen=True, order=True)
class Place:
    """Where a setting was given; sorts in reading order.

    Attributes:
        rank: position of the source among all sources.
        line: line in the source, from 1; 0 where there are no lines.
        source: name of the file, or `command line`.
    """

    rank: int
    line: int
    source: str

    def __str__(self) -> str:
        """`file:line`, or the source alone."""
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass(frozen=True)
class Given:
    """A value as it was written down.

    Attributes:
        value: a scalar, a list of plain values, or a mapping from key to `Given`.
        place: where its key stands.
        text: the characters that stand for the value, where they may also be meant as text: all that is typed on the
            command line, and in a file a number, so that `name: 007` stays three digits.
    """

    value: Any
    place: Place
    text: str | None = None

    def plain(self) -> Any:  # noqa: ANN401 - any YAML value
        """The value without its places."""
        if isinstance(self.value, Mapping):
            return {key: item.plain() for key, item in self.value.items()}
        return self.value

    def deepest(self, names: Sequence[str]) -> "Given":
        """Follow the names as far as they were given."""
        if names and isinstance(self.value, Mapping) and names[0] in self.value:
            inner: Given = self.value[names[0]]
            return inner.deepest(names[1:])
        return self

    def merged(self, over: "Given") -> "Given":
        """This value with everything replaced that `over` gives; mappings merge key by key."""
        if not (isinstance(self.value, Mapping) and isinstance(over.value, Mapping)):
            return over
        both = dict(self.value)
        for key, item in over.value.items():
            both[key] = both[key].merged(item) if key in both else item
        return Given(both, over.place, over.text)


def read(text: str, source: str, *, rank: int = 0, numbered: bool = True) -> Given:
    """Read one YAML document.

    Args:
        text: the document.
        source: name for messages.
        rank: position of the source among all sources.
        numbered: whether messages carry the line.

    Raises:
        SettingsError: not YAML, a key twice, a key that is no word, a tag such as `!!python/object`, or more values or
            levels than settings have.
    """
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None and numbered else ""
        what = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise SettingsError(f"{source}{line}: not YAML: {what}") from error
    if node is None:
        return Given({}, Place(rank, 1 if numbered else 0, source))
    return _Document(source, rank, numbered).given(node, node)


def read_file(path: Path, source: str = "", *, rank: int = 0) -> Given:
    """Read the mapping in a YAML file.

    Args:
        path: the file.
        source: name for messages; the path by default.
        rank: position of the source among all sources.

    Raises:
        SettingsError: the file cannot be read, is not YAML as `read` reads it, or holds no mapping.
    """
    source = source or str(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SettingsError(f"{source}: cannot be read: {reason}") from None
    given = read(text, source, rank=rank)
    if not isinstance(given.value, Mapping):
        raise SettingsError(f"{source}:1: settings must be keys with values, got {given.plain()!r}")
    return given


@dataclass(frozen=True)
class _Document:
    """Turns nodes into values, and ends where aliases would make them too many.

    Attributes:
        source, rank, numbered: as of `read`.
        counted: the values so far.
    """

    source: str
    rank: int
    numbered: bool
    counted: Iterator[int] = field(default_factory=count)

    def given(self, node: yaml.Node, key: yaml.Node, depth: int = 0) -> Given:
        """Return the value of a node whose key stands at another."""
        place = self._place(key)
        if depth > _DEEPEST or next(self.counted) >= _MOST:
            raise SettingsError(f"{place}: settings are at most {_MOST} values, nested {_DEEPEST} levels deep")
        if isinstance(node, yaml.MappingNode):
            values: dict[str, Given] = {}
            for name, item in node.value:
                here = self._place(name)
                if not isinstance(name, yaml.ScalarNode):
                    raise SettingsError(f"{here}: a key must be a word, got a {name.id}")
                if name.value in values:
                    first = values[name.value].place.line
                    raise SettingsError(f"{here}: {name.value}: given twice, first in line {first}")
                values[name.value] = self.given(item, name, depth + 1)
            return Given(values, place)
        if isinstance(node, yaml.SequenceNode):
            return Given([self.given(item, item, depth + 1).plain() for item in node.value], place)
        value = _scalar(node, place)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return Given(value, place, node.value if is_number else None)

    def _place(self, node: yaml.Node) -> Place:
        return Place(self.rank, node.start_mark.line + 1 if self.numbered else 0, self.source)


def _scalar(node: yaml.Node, place: Place) -> Any:  # noqa: ANN401 - any YAML scalar
    text, kind = node.value, node.tag.removeprefix("tag:yaml.org,2002:")
    try:
        match kind:
            case "str":
                return text
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int":
                return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
            case "float":
                return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:  # of a tag before something else, or thousands of digits
        raise SettingsError(f"{place}: not {'a' if kind == 'float' else 'an'} {kind} that can be read") from None
    raise SettingsError(f"{place}: the tag {node.tag} is not read here; write the value plainly")


def dump(value: Any) -> str:  # noqa: ANN401 - any plain value
    """Write plain values as YAML that `read` returns unchanged; lists on one line, keys in their order."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
