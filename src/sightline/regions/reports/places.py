"""Where a sentence says that its findings are.

Sides go with the part of the body that follows: "right upper and lower lobes" are two lobes of the right lung, "left
atrium" says nothing of the left lung.
"""

from collections.abc import Collection, Sequence
from functools import cache
from typing import NamedTuple

from sightline.regions.reports.terms import ELSEWHERE, PlaceWords

PlaceHit = tuple[int, int, PlaceWords]
JOINTS = frozenset({",", ";", "and", "or", "nor", "with", "versus", "vs", "plus"})
_BARE = frozenset({"upper", "middle", "mid", "lower"})  # of a lung only before such words
_AFTER_BARE = (
    "upper",
    "mid",
    "lower",
    "base",
    "apic",
    "hemi",
    "pleura",
    "side",
    "hil",
    "lob",
    "lung",
    "zone",
    "and",
    "or",
    ",",
    "to",
    "predomina",
    "greater",
)
NOUNS = ("lobe", "lung", "base", "apex", "apic", "lingul", "zone", "fissure", "hilum", "hila", "mediastinum", "side")
_NOT_LUNG = frozenset(
    (
        *("liver", "thyroid", "kidney", "spleen", "breast", "adrenal_gland", "gallbladder", "pancreas", "bone", "rib"),
        *("pulmonary_artery", "pulmonary_vein"),
    )
)
_BOTH = frozenset({"right", "left"})
NEAR = frozenset(
    {"adjacent", "associated", "surrounding", "representing", "consistent", "compatible", "its", "internal"}
)
_OF = frozenset({"of", "the", "on", "in", "lung"})
CONNECTING = JOINTS | _BARE | NEAR | _OF | {"both"}
"""Words that connect places and findings, which are no places themselves."""
BEGINNINGS = tuple(each for each in (*_AFTER_BARE, *NOUNS) if each.isalpha())
"""Of words that parts of lungs are told by."""


class Placed(NamedTuple):
    """A place that is told somewhere in a sentence.

    Attributes:
        begin: its first word.
        end: after its last word.
        names: of places, `right_upper` without its `right_lung`.
        kind: `lung`, `other`, `where` (as "anterior"), or `side` for one that stands alone.
    """

    begin: int
    end: int
    names: frozenset[str]
    kind: str


def placed_words(
    words: Sequence[str], hits: Sequence[PlaceHit], found: Collection[int], heading: Collection[str] = ()
) -> list[Placed]:
    """Put sides, levels and parts of the body together.

    Args:
        words: of the sentence.
        hits: lines of the vocabulary's places whose phrases are in it, by where they begin.
        found: words of findings; a side does not reach across them.
        heading: sides that the heading tells.
    """
    placed: list[Placed] = []
    closed = frozenset(found)
    side: frozenset[str] = frozenset()
    free: tuple[int, int] | None = None  # where the side stands while no part of the body took it
    at = 0

    def let_go() -> None:
        if free is not None:
            placed.append(Placed(*free, side, "side"))

    known = _longest(hits)
    for index, (begin, end, line) in enumerate(known):
        names = line.names
        if line.kind == "level" and end - begin == 1 and words[begin] in _BARE and not _is_level(words, end):
            continue
        if words[begin] == "both" and not _is_level(words, end):
            continue
        if side and (";" in words[at:begin] or not closed.isdisjoint(range(at, begin))):
            let_go()
            free = None
            if ";" in words[at:begin] or line.kind != "level" or not _is_single(words, begin, end):
                side = frozenset()
        if line.kind == "side":
            near = free is not None and begin - at <= 3
            if not near:
                let_go()
            side = side | frozenset(names) if near else frozenset(names)
            free = (free[0] if near and free else begin, end)
        elif line.kind == "level":
            sides = side or _side_after(words, known, index) or frozenset(heading)
            alone = end - begin == 2 and words[begin] == "middle" and words[begin + 1] == "lobe"
            placed.append(Placed(begin, end, _levels(names, sides, alone=alone), "lung"))
            free = None
        elif line.kind in ("lung", "weak"):
            sides = side if free is not None else frozenset()
            placed.append(Placed(begin, end, _lungs(sides), line.kind))
            free = None
        else:
            there = frozenset(name for name in names if name != ELSEWHERE)
            if line.kind == "other":
                there, side, free = there | (side if free else frozenset()), frozenset(), None
            placed.append(Placed(begin, end, there, line.kind))
        at = end
    let_go()
    strong = any(each.names & _NOT_LUNG for each in placed if each.kind == "other")
    return [
        Placed(each.begin, each.end, each.names, "lung") if each.kind == "weak" else each
        for each in placed
        if each.kind != "weak" or not strong
    ]


def _longest(hits: Sequence[PlaceHit]) -> list[PlaceHit]:
    best: dict[int, PlaceHit] = {}
    for hit in hits:
        if hit[0] not in best or hit[1] > best[hit[0]][1]:
            best[hit[0]] = hit
    kept: list[PlaceHit] = []
    for begin in sorted(best):
        if not kept or begin >= kept[-1][1]:
            kept.append(best[begin])
    return kept


def _is_level(words: Sequence[str], end: int) -> bool:
    return end < len(words) and words[end].startswith(_AFTER_BARE)


def _is_single(words: Sequence[str], begin: int, end: int) -> bool:
    """One lobe, whose side was said before: not "lobes", nor what "lower lobe predominant" is said of."""
    return not words[end - 1].endswith("s") and not "".join(words[end : end + 1]).startswith("predomin")


def _side_after(words: Sequence[str], known: Sequence[PlaceHit], index: int) -> frozenset[str]:
    """The side in "apex of the left lung"."""
    end = known[index][1]
    if index + 1 < len(known) and known[index + 1][2].kind == "side":
        between = words[end : known[index + 1][0]]
        if set(between) <= _OF and "of" in between:
            return frozenset(known[index + 1][2].names)
    return frozenset()


@cache
def _lungs(sides: frozenset[str]) -> frozenset[str]:
    return frozenset(f"{each}_lung" for each in sides) | sides | {"lung"}


@cache
def _levels(names: Sequence[str], sides: frozenset[str], *, alone: bool) -> frozenset[str]:
    """Lobes of these levels; the middle lobe without a side (`alone`) is the right one."""
    if "_" in names[0]:
        return frozenset(names)
    either = frozenset({"right"}) if alone else _BOTH
    return frozenset(f"{side}_{level}" for side in sides or either for level in names) | sides
