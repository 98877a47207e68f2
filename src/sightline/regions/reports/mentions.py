"""What a sentence tells of a finding."""

from functools import lru_cache
from typing import NamedTuple

from sightline.regions.reports.cues import ABSENT, ASKED, PAST

NOT_THERE = ABSENT | PAST | ASKED
Known = tuple[tuple[str, frozenset[str]], ...]
"""Findings that an earlier sentence told, and their places: what "it" and "the largest" stand for."""


class Mention(NamedTuple):
    """A finding that a sentence tells.

    Attributes:
        finding: its name.
        flags: sum of `ABSENT`, `POSSIBLE`, `PAST` and `ASKED`; 0 if it is there.
        places: where; empty if the sentence does not say.
        words: begin and end of the words that tell it, in words of the sentence.
    """

    finding: str
    flags: int
    places: frozenset[str]
    words: tuple[tuple[int, int], ...]

    @property
    def there(self) -> bool:
        """It is there, or may be."""
        return not self.flags & NOT_THERE


@lru_cache(10_000)
def with_lungs(names: frozenset[str]) -> frozenset[str]:
    """Add its lung to each lobe, and `lung` and the side to each lung.

    >>> sorted(with_lungs(frozenset({"left_upper"})))
    ['left', 'left_lung', 'left_upper', 'lung']
    """
    added = set(names)
    for side in ("right", "left"):
        if any(f"{side}_{level}" in added for level in ("upper", "mid", "lower", "lung")):
            added |= {f"{side}_lung", "lung", side}
    return frozenset(added)
