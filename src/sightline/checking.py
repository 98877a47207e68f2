"""Given values against a dataclass: what is unknown, missing, of the wrong type or out of its range."""

import difflib
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from typing import Any, TypeVar, Union

from pydantic import TypeAdapter, ValidationError

from sightline.errors import SettingsError
from sightline.plain import Family
from sightline.yaml12 import Given, Place

T = TypeVar("T")


def check(kind: type[T], given: Given) -> T:
    """Build `kind` from what was given.

    Args:
        kind: frozen dataclass of the settings. Types are checked by pydantic, ranges by `__post_init__`, whose errors
            start with the name of the field: `lr must be above 0, got -1`.
        given: a mapping.

    Raises:
        SettingsError: one line for every wrong setting, in reading order.
    """
    checker = _Checker(kind)
    value = checker.group(kind, given, (), MISSING)
    if checker.problems:
        raise SettingsError("\n".join(str(problem) for problem in sorted(checker.problems)))
    return typing.cast(T, value)


@dataclass(frozen=True, order=True)
class _Problem:
    place: Place
    key: str
    what: str

    def __str__(self) -> str:
        return ": ".join(part for part in (str(self.place), self.key, self.what) if part)


@dataclass
class _Checker:
    """Builds the dataclass from the leaves up and collects what is wrong on the way."""

    root: type
    problems: list[_Problem] = field(default_factory=list)

    def group(self, kind: type, given: Given, path: tuple[str, ...], default: Any) -> Any:  # noqa: ANN401
        """Build one dataclass; `MISSING` when something in it is wrong."""
        hints = typing.get_type_hints(kind)
        names = [item.name for item in fields(kind) if item.init]
        for name, item in given.value.items():
            if name not in names:
                self.add(item, (*path, name), f"unknown setting.{self.suggestion(path, name, names)}")
        values: dict[str, Any] = {}
        failed: set[str] = set()
        for item in fields(kind):
            if not item.init:
                continue
            fallback = getattr(default, item.name) if default is not MISSING else _default(item)
            value = self.field(hints[item.name], given, (*path, item.name), fallback)
            if value is MISSING:
                failed.add(item.name)
                value = fallback
            if value is not MISSING:
                values[item.name] = value
        if any(name not in values for name in names):
            return MISSING
        return self.construct(kind, given, path, values, failed)

    def field(self, hint: Any, parent: Given, path: tuple[str, ...], default: Any) -> Any:  # noqa: ANN401
        """Build one field of a group; `MISSING` when it is wrong."""
        given = parent.value.get(path[-1])
        if (inner := _groups_kind(hint)) is not None and given is not None:
            return self.groups(inner, given, path)
        kind, optional = _group_kind(hint)
        if given is None:
            if default is MISSING and kind is not None:
                return self.group(kind, Given({}, parent.place), path, MISSING)
            if default is MISSING:
                self.add(parent, path, f"is required; give it in a file or as {'.'.join(path)}=VALUE")
            return default
        if kind is None:
            return self.leaf(hint, given, path)
        if given.value is None and optional:
            return None
        if not isinstance(given.value, Mapping):
            names = ", ".join(_names(kind))
            self.add(given, path, f"is a group of settings ({names}), got {given.plain()!r}")
            return MISSING
        if _is_family(kind):
            return self.member(kind, given, path, default)
        return self.group(kind, given, path, MISSING if default is None else default)

    def member(self, family: type[Family], given: Given, path: tuple[str, ...], default: Any) -> Any:  # noqa: ANN401
        """Build the kind of a family that `method` names, or by default that of the default or the first."""
        kinds = family.kinds()
        method = given.value.get("method")
        fallback = default.method if isinstance(default, family) else family.default
        name = fallback if method is None else method.plain()
        if name not in kinds:
            near = difflib.get_close_matches(str(name), kinds, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            self.add(method or given, (*path, "method"), f"must be one of {', '.join(kinds)}, got {name!r}{hint}")
            return MISSING
        same = isinstance(default, kinds[name])
        return self.group(kinds[name], given, path, default if same else MISSING)

    def groups(self, kind: type, given: Given, path: tuple[str, ...]) -> Any:  # noqa: ANN401
        """Build a mapping from names to groups of one kind."""
        if not isinstance(given.value, Mapping) or not all(
            isinstance(item.value, Mapping) for item in given.value.values()
        ):
            self.add(
                given, path, f"holds groups of settings ({', '.join(_names(kind))}) by name, got {given.plain()!r}"
            )
            return MISSING
        built = {name: self.group(kind, item, (*path, name), MISSING) for name, item in given.value.items()}
        return MISSING if any(value is MISSING for value in built.values()) else built

    def leaf(self, hint: Any, given: Given, path: tuple[str, ...]) -> Any:  # noqa: ANN401
        """Check one value by its type; what was typed on the command line may also be meant as text."""
        adapter = TypeAdapter(hint)
        value = given.plain()
        try:
            result = adapter.validate_python(value)
        except ValidationError as error:
            if given.text is not None and given.text != value:
                try:
                    return adapter.validate_python(given.text)
                except ValidationError:
                    pass
            for key, what in _messages(error):
                self.add(given, (*path[:-1], path[-1] + key), what)
            return MISSING
        if isinstance(value, bool) and isinstance(result, int | float) and not isinstance(result, bool):
            self.add(given, path, f"must be a number, got {str(value).lower()}")
            return MISSING
        if isinstance(result, float) and result != result:
            self.add(given, path, "must be a number, got nan")
            return MISSING
        return result

    def construct(
        self, kind: type, given: Given, path: tuple[str, ...], values: dict[str, Any], failed: set[str]
    ) -> Any:  # noqa: ANN401
        """Call the dataclass; its own checks name one field at a time, so mend that field and ask again."""
        wrong = bool(failed)
        defaults = {item.name: _default(item) for item in fields(kind)}
        while True:
            try:
                value = kind(**values)
            except ValueError as error:
                names, what = _blamed(str(error), values)
                what = what.removeprefix(f"{path[-1]} ") if path and not names else what
                name = names[0] if names else ""
                if not failed or (name in given.value and name not in failed):
                    self.add(given.deepest(names), (*path, *names), what)
                wrong = True
                if not name or name in failed or defaults[name] is MISSING:
                    return MISSING
                failed.add(name)
                values[name] = defaults[name]
            else:
                return MISSING if wrong else value

    def add(self, given: Given, path: tuple[str, ...], what: str) -> None:
        """Note one problem."""
        self.problems.append(_Problem(given.place, ".".join(path), what))

    def suggestion(self, path: tuple[str, ...], name: str, siblings: list[str]) -> str:
        """The setting that was probably meant: a neighbour of similar name, or the same name in another group."""
        close = difflib.get_close_matches(name, siblings, n=1)
        if close:
            return f" Did you mean {'.'.join((*path, *close))}?"
        by_name = {key.split(".")[-1]: key for key in reversed(list(_keys(self.root)))}
        elsewhere = [by_name[match] for match in difflib.get_close_matches(name, by_name, n=1, cutoff=0.75)]
        return f" Did you mean {elsewhere[0]}?" if elsewhere else f" Known here: {', '.join(siblings) or 'nothing'}."


def _default(item: Any) -> Any:  # noqa: ANN401 - dataclasses.Field, generic only for type checkers
    return item.default_factory() if item.default_factory is not MISSING else item.default


def _group_kind(hint: Any) -> tuple[type | None, bool]:  # noqa: ANN401 - any annotation
    """The dataclass or family a field holds, if it does, and whether None is allowed as well."""
    if isinstance(hint, type) and (is_dataclass(hint) or _is_family(hint)):
        return hint, False
    if typing.get_origin(hint) in (Union, types.UnionType):
        kinds = [kind for kind in typing.get_args(hint) if kind is not type(None)]
        if len(kinds) == 1 and _group_kind(kinds[0])[0] is not None:
            return kinds[0], True
    return None, False


def _groups_kind(hint: Any) -> type | None:  # noqa: ANN401 - any annotation
    """The dataclass whose mappings by name a field holds, if it does."""
    arguments = typing.get_args(hint) if typing.get_origin(hint) is dict else ()
    return _group_kind(arguments[1])[0] if arguments else None


def _is_family(kind: Any) -> typing.TypeGuard[type[Family]]:  # noqa: ANN401 - any annotation
    return isinstance(kind, type) and Family in kind.__bases__


def _names(kind: type) -> list[str]:
    """The settings of a dataclass, or of all kinds of a family."""
    kinds = kind.kinds().values() if _is_family(kind) else (kind,)
    return list(dict.fromkeys(item.name for each in kinds for item in fields(each)))


def _keys(kind: type, prefix: str = "", seen: frozenset[type] = frozenset()) -> Iterator[str]:
    """Every setting once: where a group comes again, its settings are those told before."""
    for each in kind.kinds().values() if _is_family(kind) else (kind,):
        hints = typing.get_type_hints(each)
        for item in fields(each):
            yield prefix + item.name
            groups = _groups_kind(hints[item.name])
            inner = groups or _group_kind(hints[item.name])[0]
            if inner is not None and inner not in seen:
                yield from _keys(inner, f"{prefix}{item.name}.{'NAME.' if groups else ''}", seen)
                seen |= {inner}


def _messages(error: ValidationError) -> Iterator[tuple[str, str]]:
    """What is wrong in our words; the branches of a union become one sentence."""
    by_place: dict[str, list[str]] = {}
    got: dict[str, Any] = {}
    for item in error.errors(include_url=False):
        place = "".join(f"[{part}]" for part in item["loc"] if isinstance(part, int))
        what = item["msg"].replace("Input should be ", "").split(", unable")[0]
        by_place.setdefault(place, []).append(what)
        got[place] = item["input"]
    for place, whats in by_place.items():
        yield place, f"must be {' or '.join(dict.fromkeys(whats))}, got {got[place]!r}"


def _blamed(message: str, values: Mapping[str, Any]) -> tuple[tuple[str, ...], str]:
    """Split `lr must be above 0` or `optim.lr must be above 0` into the setting it names and the rest."""
    first, _, rest = message.partition(" ")
    names = tuple(first.rstrip(":").split("."))
    return (names, rest) if names[0] in values else ((), message)
