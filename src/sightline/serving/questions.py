"""What a client may ask of an explanation: the methods that are offered, and options within bounds."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sightline.attribution.methods import Method, find_method, ready_methods
from sightline.errors import SettingsError

_MORE = 4  # times the default of an option that counts
_MOST_UNSET = 256  # of a whole number without a default
_LONGEST = 2048


def offered(names: Sequence[str] = ()) -> dict[str, Method]:
    """Return the methods that a server offers.

    Args:
        names: of methods, or `all`; by default those that cost a few passes through the model.

    Raises:
        SettingsError: there is no such method.
    """
    if not names:
        return {m.name: m for m in ready_methods() if m.forward.isdecimal() and m.backward.isdecimal()}
    return {m.name: m for name in names for m in (ready_methods() if name == "all" else (find_method(name),))}


def read_options(text: str, method: Method) -> dict[str, Any]:
    """Read the options of a method.

    Whole numbers, which count passes or cells, may be up to four times their default; images at once not above it.

    Args:
        text: a JSON object; empty for none.
        method: they are for.

    Raises:
        SettingsError: it is no JSON object, or a number is too large.
    """
    try:
        options = json.loads(text or "{}", parse_constant=_no_constant) if len(text) <= _LONGEST else None
    except (ValueError, RecursionError):
        options = None
    if not isinstance(options, dict):
        raise SettingsError('options must be a JSON object of the method\'s options, such as {"epsilon": 0.01}')
    defaults = vars(method.options()())
    for key, value in options.items():
        _check(key, value, defaults.get(key))
    return options


def chosen(name: str, methods: Mapping[str, Method]) -> Method:
    """Return a method that is offered.

    Raises:
        SettingsError: it is not.
    """
    if name not in methods:
        raise SettingsError(f"method {name[:100]!r} is not offered here; offered are {', '.join(methods)}")
    return methods[name]


def _check(key: str, value: Any, default: Any) -> None:  # noqa: ANN401 - any JSON value
    more = 1 if key == "batch_size" else _MORE
    most = default * more if isinstance(default, int) and default > 0 else _MOST_UNSET
    for number in value if isinstance(value, list) else [value]:
        if isinstance(number, list | dict) or (isinstance(value, list) and len(value) > 16):
            raise SettingsError(f"{key[:100]}: must be a value or a short list of values")
        if key != "seed" and isinstance(number, int) and abs(number) > most:
            raise SettingsError(f"{key[:100]}: at most {most} is taken here, got {number}")


def _no_constant(name: str) -> None:
    raise ValueError(name)
