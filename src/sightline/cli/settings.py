"""From YAML files and `key=value` words to a checked, frozen dataclass, with every error at once."""

from collections.abc import Iterable, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, TypeVar

from sightline import yaml12
from sightline.checking import check
from sightline.errors import SettingsError
from sightline.plain import to_plain
from sightline.yaml12 import Given, Place

T = TypeVar("T")

RECIPES = Path(__file__).parent.parent / "recipes"
_NOWHERE = Place(0, 0, "")


def recipe_names() -> tuple[str, ...]:
    """Names of the recipes of a training that come with the package."""
    return tuple(sorted(file.stem for file in RECIPES.glob("*.yaml")))


def recipe_file(name: str) -> Path | None:
    """File of a recipe of a training or of a study; None if there is none of this name."""
    files = (RECIPES / f"{name}.yaml", RECIPES / "studies" / f"{name}.yaml")
    return next((file for file in files if "/" not in name and file.is_file()), None)


def read_settings(kind: type[T], files: Sequence[str] = (), overrides: Sequence[str] = ()) -> T:
    """Read, merge and check settings.

    The command line wins over a later file, a later file over an earlier one, and any of them over the defaults of the
    dataclass. A relative path in a file means a path from the current directory.

    Args:
        kind: frozen dataclass of the settings; groups are dataclasses too, perhaps `| None`.
        files: YAML files, or names of recipes.
        overrides: words as `optim.lr=1e-4`.

    Raises:
        SettingsError: one line for every wrong setting, `file:line: key: what is wrong`; while a file cannot be read,
            what could not be read is all there is to say.
    """
    layers, problems = [], []
    for rank, file in enumerate(files):
        try:
            layers.append(_read_file(file, rank))
        except SettingsError as error:
            problems.append(str(error))
    for word in overrides:
        try:
            layers.append(_read_override(word, len(files)))
        except SettingsError as error:
            problems.append(str(error))
    if problems:
        raise SettingsError("\n".join(problems))
    return check(kind, reduce(Given.merged, layers, Given({}, _NOWHERE)))


def to_yaml(settings: Any) -> str:  # noqa: ANN401 - any dataclass
    """Write settings as YAML that `read_settings` reads back as equal."""
    return yaml12.dump(to_plain(settings))


def words_to_overrides(words: Iterable[str]) -> tuple[list[str], list[str]]:
    """Sort what a verb did not know into names and settings.

    Args:
        words: `plain`, `optim.lr=1e-4`, `--optim.lr=1e-4`, or `--optim.lr` followed by `1e-4`.

    Returns:
        The bare words, and the settings as `key=value`.

    Raises:
        SettingsError: an option without a value.
    """
    bare: list[str] = []
    overrides: list[str] = []
    rest = iter(words)
    for word in rest:
        if not word.startswith("--"):
            (overrides if "=" in word else bare).append(word)
        elif "=" in word:
            overrides.append(word[2:])
        else:
            value = next(rest, None)
            if value is None or value.startswith("--"):
                raise SettingsError(f"command line: {word} needs a value, as in {word}=VALUE")
            overrides.append(f"{word[2:]}={value}")
    return bare, overrides


def _read_file(name: str, rank: int) -> Given:
    recipe = None if Path(name).is_file() else recipe_file(name)
    path, shown = (Path(name), name) if recipe is None else (recipe, f"recipes/{recipe.name}")
    if not path.exists():
        known = ", ".join(recipe_names())
        raise SettingsError(f"{name}: no such file and no such recipe; the recipes are {known}")
    return yaml12.read_file(path, shown, rank=rank)


def _read_override(word: str, rank: int) -> Given:
    key, equals, text = word.partition("=")
    names = key.replace("-", "_").split(".")
    if not equals or not all(name.isidentifier() for name in names):
        raise SettingsError(f"command line: {word}: not a setting; write key=value, as in optim.lr=1e-4")
    place = Place(rank, 0, "command line")
    try:
        given = yaml12.read(text, "command line", rank=rank, numbered=False)
        given = Given(given.value if text.strip() else text, place, text)
    except SettingsError:
        given = Given(text, place, text)
    return reduce(lambda inner, name: Given({name: inner}, place), reversed(names), given)
