"""What settings there are, read from the source and not from the imported module: help must not wait for torch."""

import ast
import copy
import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sightline.errors import SettingsError

_ROOT = Path(__file__).parent.parent  # folder of the package `sightline`


@dataclass(frozen=True)
class Setting:
    """One setting, or one group of them.

    Attributes:
        key: dotted name.
        type: annotation as it is written.
        default: default as it is written; empty when the setting is required.
        about: its sentence in the docstring.
        group: whether it holds further settings.
    """

    key: str
    type: str
    default: str
    about: str
    group: bool = False


def describe(module: str, name: str) -> list[Setting]:
    """List the settings of a dataclass and of the dataclasses in it, groups before what they hold.

    Args:
        module: dotted name of a module of this package.
        name: the dataclass in it, or imported by it.

    Raises:
        SettingsError: the package has no such class.
    """
    return list(_walk(module, name, ""))


def settings_help(module: str, name: str) -> str:
    """The list of settings as text for `--help`: key, type and default on one line, its meaning below."""
    lines = []
    for setting in describe(module, name):
        default = f"default {setting.default}" if setting.default else "required"
        facts = default if setting.group else f"{setting.type}; {default}"
        if setting.key.endswith(".method"):
            lines.append(f"  {setting.key}={setting.type}")
            lines += textwrap.wrap(setting.about, 110, initial_indent=" " * 6, subsequent_indent=" " * 6)
            continue
        lines.append(f"  {setting.key}" + ("" if setting.group and not setting.default else f"  ({facts})"))
        lines += textwrap.wrap(setting.about, 110, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join(lines)


def _walk(module: str, name: str, prefix: str, seen: frozenset[tuple[str, str]] = frozenset()) -> Iterator[Setting]:
    found = _find(module, name)
    if found is None:
        raise SettingsError(f"no settings class {name} in {module}")
    home, definition = found
    if _is_family(definition):
        for member in _members(home, name):
            yield from _walk(*member, prefix)
        return
    docstring = ast.get_docstring(definition) or ""
    abouts = _attributes(docstring) | ({"method": docstring.partition("\n")[0]} if _is_member(definition) else {})
    for item in definition.body:
        if not isinstance(item, ast.AnnAssign) or not isinstance(item.target, ast.Name):
            continue
        key = item.target.id
        inner = _inner_class(home, item.annotation)
        default = "" if item.value is None else _default_text(item.value, group=inner is not None)
        written = ast.unparse(_Spelled(home).visit(copy.deepcopy(item.annotation)))
        yield Setting(prefix + key, _type_text(written), default, abouts.get(key, ""), inner is not None)
        if inner is not None and inner not in seen:  # where a group comes again, its settings were told before
            named = "NAME." if written.startswith("dict[") else ""
            yield from _walk(*inner, f"{prefix}{key}.{named}", seen)
            seen |= {inner}


def _find(module: str, name: str) -> tuple[str, ast.ClassDef] | None:
    """The module that defines `name` and the definition, following `from sightline.x import name`."""
    tree = _parse(module)
    for item in tree.body if tree else ():
        if isinstance(item, ast.ClassDef) and item.name == name:
            return module, item
        if isinstance(item, ast.ImportFrom) and item.module and item.module.split(".")[0] == "sightline":
            for alias in item.names:
                if (alias.asname or alias.name) == name:
                    return _find(item.module, alias.name)
    return None


class _Spelled(ast.NodeTransformer):
    """Spells out names such as `Shape = Literal["triangle", ...]` of a module."""

    def __init__(self, module: str) -> None:
        tree = _parse(module)
        self.aliases: dict[str, ast.expr] = {}
        self.aliases |= dict(_literals(module))
        for item in tree.body if tree else ():
            if isinstance(item, ast.ImportFrom) and item.module and item.module.startswith("sightline."):
                self.aliases |= {name: value for name, value in _literals(item.module) if name in _names(item)}

    def visit_Name(self, node: ast.Name) -> ast.expr:
        value = self.aliases.get(node.id)
        is_literal = isinstance(value, ast.Subscript) and ast.unparse(value.value) == "Literal"
        return value if value is not None and is_literal else node


def _names(item: ast.ImportFrom) -> set[str]:
    return {alias.name for alias in item.names}


def _literals(module: str) -> Iterator[tuple[str, ast.expr]]:
    tree = _parse(module)
    for item in tree.body if tree else ():
        if isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Name):
            yield item.targets[0].id, item.value


def _parse(module: str) -> ast.Module | None:
    path = _ROOT.joinpath(*module.split(".")[1:])
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return ast.parse(file.read_text(encoding="utf-8"))
    return None


def _inner_class(module: str, annotation: ast.expr) -> tuple[str, str] | None:
    """The dataclass that an annotation such as `Group | None` names, if it names one of ours."""
    if isinstance(annotation, ast.BinOp):
        return _inner_class(module, annotation.left) or _inner_class(module, annotation.right)
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) == "dict":
        return _inner_class(module, annotation.slice.elts[1]) if isinstance(annotation.slice, ast.Tuple) else None
    if not isinstance(annotation, ast.Name):
        return None
    found = _find(module, annotation.id)
    if found is None or not (_is_dataclass(found[1]) or _is_family(found[1])):
        return None
    return found[0], found[1].name


def _is_dataclass(definition: ast.ClassDef) -> bool:
    return any("dataclass" in ast.unparse(item) for item in definition.decorator_list)


def _is_family(definition: ast.ClassDef) -> bool:
    return any(ast.unparse(base) == "Family" for base in definition.bases)


def _is_member(definition: ast.ClassDef) -> bool:
    return any(isinstance(item, ast.AnnAssign) and ast.unparse(item.target) == "method" for item in definition.body)


def _members(module: str, name: str) -> Iterator[tuple[str, str]]:
    """The kinds of a family, which live in the package that defines it."""
    package, _, _ = module.rpartition(".")
    for file in sorted(_ROOT.joinpath(*package.split(".")[1:]).glob("*.py")):
        for item in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(item, ast.ClassDef) and any(ast.unparse(base) == name for base in item.bases):
                yield f"{package}.{file.stem}", item.name


def _default_text(value: ast.expr, *, group: bool) -> str:
    if isinstance(value, ast.Call) and ast.unparse(value.func).split(".")[-1] == "field":
        given = {item.arg: item.value for item in value.keywords}
        if "default" in given:
            return _default_text(given["default"], group=group)
        factory = given.get("default_factory")
        if group or factory is None:
            return ""
        return {"dict": "{}", "list": "[]", "tuple": "[]"}.get(ast.unparse(factory), "computed")
    if group and not (isinstance(value, ast.Constant) and value.value is None):
        return ""  # a group whose settings have their own defaults
    try:
        return _value_text(ast.literal_eval(value))
    except ValueError:
        return ast.unparse(value)


def _value_text(value: object) -> str:
    """A default as one would write it in YAML."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case tuple() | list():
            return f"[{', '.join(map(_value_text, value))}]"
        case _:
            return str(value)


def _type_text(text: str) -> str:
    """An annotation in words of the command line: `Literal['a', 'b'] | None` is `a | b | null`."""
    text = re.sub(r"Literal\[([^\]]*)\]", lambda match: " | ".join(re.findall(r"'([^']*)'", match[1])), text)
    text = re.sub(r"\bNone\b", "null", text)
    return re.sub(r"\bPath\b", "path", text)


def _attributes(docstring: str) -> dict[str, str]:
    """The `Attributes:` (or `Args:`) section of a Google docstring, one line a name."""
    abouts: dict[str, str] = {}
    current, inside = "", False
    for line in inspect.cleandoc(docstring).splitlines():
        if re.match(r"(Attributes|Args):$", line):
            inside = True
        elif inside and line and not line.startswith(" "):
            inside = False
        elif inside and (match := re.match(r" {4}(\w+): (.*)", line)):
            current = match[1]
            abouts[current] = match[2]
        elif inside and current and line.strip():
            abouts[current] += " " + line.strip()
    return abouts
