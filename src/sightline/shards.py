"""A share of the work, for machines that see one disk: each does the I-th of N parts."""

from collections.abc import Sequence
from typing import TypeAlias, TypeVar

from sightline.errors import SettingsError

Shard: TypeAlias = tuple[int, int]
Item = TypeVar("Item")


def read_shard(text: str) -> Shard:
    """Read `I/N`, such as `1/3`.

    Raises:
        SettingsError: it looks otherwise, or is not one of 1/N to N/N.
    """
    number, _, count = text.partition("/")
    if not (number.isdecimal() and count.isdecimal()):
        raise SettingsError(f"--shard must look like 1/3, got {text!r}")
    shard = int(number), int(count)
    shard_of((), shard)
    return shard


def shard_of(items: Sequence[Item], shard: Shard) -> list[Item]:
    """Return every N-th of a list from the I-th on, `(I, N)` with I from 1.

    Raises:
        SettingsError: I is not one of 1 to N.
    """
    number, count = shard
    if not 1 <= number <= count:
        raise SettingsError(f"shard must be I/N with 1 <= I <= N, got {number}/{count}")
    return list(items[number - 1 :: count])
