"""Sizes in a sentence, and whose they are."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

_MM = {"mm": 1.0, "millimeter": 1.0, "millimeters": 1.0, "millimetre": 1.0, "millimetres": 1.0}
_CM = {"cm": 10.0, "cms": 10.0, "centimeter": 10.0, "centimeters": 10.0, "centimetre": 10.0, "centimetres": 10.0}
UNITS = {**_MM, **_CM}
_CENTIMETRE_MM = 10.0
_DIGITS = frozenset("0123456789.")
_STANDS_FOR = dict.fromkeys(_DIGITS, "0") | {"(": "("}
_BETWEEN = frozenset({"x", "by", "to", "and", "-", "up", "or"})
_EARLIER = frozenset({"previously", "prior", "formerly", "was", "originally", "earlier", "compared", "from", "versus"})
_AWAY = frozenset({"above", "below", "from", "proximal", "distal", "deep", "away", "apart", "superior", "inferior"})
_SLICES = frozenset({"slice", "slices", "section", "sections", "collimation", "intervals", "interval", "increments"})
_UNDER = frozenset({"sub", "than", "under", "below"})

LOOKED_AT = frozenset().union(UNITS, _BETWEEN, _EARLIER, _AWAY, _SLICES, _UNDER, {"now", "currently"})
"""Words that tell of what a size is."""


class Size(NamedTuple):
    """A measured size.

    Attributes:
        mm: its longest side.
        begin: its first word.
        end: after its last word.
    """

    mm: float
    begin: int
    end: int


def sizes(words: Sequence[str]) -> list[Size]:
    """Find what is measured now: not distances, earlier sizes, upper bounds and the thickness of slices.

    >>> [size.mm for size in sizes("nodule is 1.2 x 0.9 cm , previously 8 mm".split())]
    [12.0]
    """
    found = []
    for at, word in enumerate(words):
        if word in UNITS and at and _number(words[at - 1]) is not None:
            size = _size(words, at)
            if size is not None:
                found.append(size)
    return _joined(words, found)


def rounded(words: Sequence[str]) -> list[str]:
    """Replace each size by one that is as large or small as a centimetre goes, each other number by 0.

    Sentences that differ in nothing else read alike, and are read once.

    >>> rounded("nodule of 7 mm , 1.4 x 0.9 cm on image 214".split())
    ['nodule', 'of', '5', 'mm', ',', '2', 'x', '0.5', 'cm', 'on', 'image', '0']
    """
    result = [_STANDS_FOR.get(word[0], word) for word in words]
    for unit in UNITS.keys() & words:
        small, large = ("5", "20") if unit in _MM else ("0.5", "2")
        for at, word in enumerate(words):
            if word == unit:
                number = at - 1
                while number >= 0 and (words[number][0] in _DIGITS or words[number] in _BETWEEN):
                    if words[number][0] in _DIGITS:
                        result[number] = large if float(words[number]) * UNITS[unit] > _CENTIMETRE_MM else small
                    number -= 1
    return result


def nearest_size(found: Sequence[Size], begin: int, end: int, rivals: Collection[int] = ()) -> float | None:
    """Return the size in mm that is said of the words from `begin` to `end`, if one is.

    Args:
        found: sizes in the sentence.
        begin: first word of what is measured.
        end: after its last word.
        rivals: first words of other things that may be measured; a size is of the nearest.
    """
    mine = []
    for size in found:
        distance = _distance(size, begin, end)
        if all(distance <= _distance(size, other, other + 1) for other in rivals):
            mine.append(size)
    return max((size.mm for size in mine), default=None)


def _distance(size: Size, begin: int, end: int) -> int:
    return begin - size.end if size.end <= begin else size.begin - end if size.begin >= end else 0


def _size(words: Sequence[str], unit: int) -> Size | None:
    """The size whose unit stands here; `None` if it is none that counts."""
    numbers, at = [], unit - 1
    while at >= 0:
        number = _number(words[at])
        if number is not None:
            numbers.append(number)
        elif words[at] not in _BETWEEN or at == unit - 1:
            break
        at -= 1
    begin = at + 1
    while begin < unit and words[begin] in _BETWEEN:  # "and 8 mm"
        begin += 1
    before = words[max(begin - 3, 0) : begin]
    after = words[unit + 1 : unit + 2]
    earlier = _EARLIER & set(before) and not (set(before) & {"now", "currently"})
    if "from" in before and "to" in words[begin:unit]:
        earlier = False  # "from 8 to 13 mm" ends with what is now
        numbers = numbers[:1]
    if earlier or _AWAY & set(after) or _SLICES & set(after) or _UNDER & set(before[-1:]):
        return None
    return Size(max(numbers) * UNITS[words[unit]], begin, unit + 1)


def _joined(words: Sequence[str], found: Sequence[Size]) -> list[Size]:
    """Join "1.2 cm x 0.9 cm"."""
    joined: list[Size] = []
    for size in found:
        if joined and set(words[joined[-1].end : size.begin]) <= {"x", "by"} and size.begin - joined[-1].end <= 1:
            last = joined.pop()
            size = Size(max(last.mm, size.mm), last.begin, size.end)
        joined.append(size)
    return joined


def _number(word: str) -> float | None:
    return float(word) if word[0] in _DIGITS else None
