"""What is asked for in plain values: a method with its options, and a class."""

from collections.abc import Mapping, Sequence
from typing import Any

from sightline.attribution.explainer import Explainer
from sightline.attribution.methods import find_method
from sightline.checking import check
from sightline.data.cohort import did_you_mean
from sightline.errors import SettingsError
from sightline.yaml12 import Given, Place


def method_with(name: str, options: Mapping[str, Any]) -> Explainer:
    """Make an explainer by the name of its method.

    Args:
        name: of the method.
        options: some of those that can be written down, by name; the others keep their defaults.

    Raises:
        SettingsError: there is no such method or option, or a value is of the wrong kind or out of its range; one line
            for each.
    """
    method = find_method(name)
    return method.explainer(**vars(check(method.options(), _given(options, Place(0, 0, name)))))


def class_index(wanted: int | str, classes: Sequence[str]) -> int:
    """Return the index of a class, given by its index or its name.

    Raises:
        SettingsError: there is no such class.
    """
    if isinstance(wanted, str) and wanted in classes:
        return classes.index(wanted)
    if isinstance(wanted, str) and wanted.isdecimal():
        wanted = int(wanted)
    if not isinstance(wanted, str) and 0 <= wanted < len(classes):
        return int(wanted)
    hint = did_you_mean(wanted, classes) if isinstance(wanted, str) else ""
    raise SettingsError(
        f"no class {wanted!r}{hint}; there are {', '.join(classes)}, or an index from 0 to {len(classes) - 1}"
    )


def _given(value: Any, place: Place) -> Given:  # noqa: ANN401 - any plain value
    if isinstance(value, Mapping):
        return Given({str(key): _given(item, place) for key, item in value.items()}, place)
    return Given(value, place)
