"""Words such as `train=0.7,val=0.3`."""

from collections.abc import Callable
from typing import TypeVar

from sightline.cli.stopping import UsageError

Number = TypeVar("Number", int, float)


def pairs(text: str, option: str, kind: Callable[[str], Number]) -> dict[str, Number]:
    """Read `train=0.7,val=0.3`.

    Raises:
        UsageError: it looks otherwise.
    """
    try:
        words = [item.split("=") for item in text.split(",")]
        return {name.strip(): kind(value) for name, value in words}
    except ValueError:
        raise UsageError(f"{option} must look like train=0.7,val=0.1,test=0.2, got {text!r}") from None
