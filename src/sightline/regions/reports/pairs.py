"""Findings that are told by two words: "enlarged" of the heart, "thickening" of the pleura."""

from collections.abc import Collection, Mapping, Sequence

from sightline.regions.reports.terms import Finding

Pair = tuple[Finding, tuple[str, ...]]  # finding, and the words its head is said of
Hit = tuple[int, int, Pair]
PairHit = tuple[Finding, tuple[int, int], tuple[int, int]]  # finding, where its status is read, the other word
_REACH = 8
_ADJECTIVES = frozenset({"large", "prominent", "big", "bulky", "increased", "calcific", "mechanical", "prosthetic"})
_LISTED = frozenset({"pleural_effusion", "pericardial_effusion"})  # "pleural, or pericardial, effusion"
_ADJECTIVE_ENDS = ("ed", "ic", "al", "ous")
_STANDS_ALONE = "?"


def joined_pairs(
    words: Sequence[str],
    heads: Sequence[Hit],
    contexts: Sequence[Hit],
    ends: Collection[int],
    marks: Mapping[str, Collection[int]],
    found: Collection[int] = (),
) -> list[PairHit]:
    """Find the words that belong together.

    An adjective is said of what follows, else of what went before ("the heart is enlarged"); a noun the other way
    round ("pleural thickening", "thickening of the pleura"). Words between may be others of the same kind, but no other
    head, no new statement and, before the head, no comma.

    Args:
        words: of the sentence.
        heads: first words of pairs.
        contexts: what they may be said of.
        ends: words at which a statement begins.
        marks: see `flag_words`.
        found: words of findings that are told by one word.
    """
    if not heads:
        return []
    joined_ones: dict[tuple[str, int], PairHit] = {}
    starts = {begin for begin, _, _ in heads}
    for begin, end in sorted({(begin, end) for begin, end, _ in heads}):
        here = [pair for b, e, pair in heads if b == begin and e == end]
        fitting = [hit for hit in contexts if any(hit[2] is pair for pair in here)]
        adjective = words[begin].endswith("ed") or words[begin] in _ADJECTIVES
        listed = any(finding.name in _LISTED for finding, _ in here)
        closed = starts | set(found) if listed else starts
        before = _before(words, begin, fitting, ends, closed, marks, listed=listed)
        after = _after(words, end, fitting, ends, starts, marks)
        joined = (after or before) if adjective else (before or after)
        if not joined:
            joined = [(finding, (begin, end)) for finding, said_of in here if _STANDS_ALONE in said_of]
        for finding, other in joined:
            coordinated = other[1] <= begin and any(word in ("and", "or", ",") for word in words[other[1] : begin])
            own = (other, (begin, end)) if coordinated and finding.name in _LISTED else ((begin, end), other)
            joined_ones.setdefault((finding.name, begin), (finding, *own))
    return list(joined_ones.values())


def _before(
    words: Sequence[str],
    begin: int,
    contexts: Sequence[Hit],
    ends: Collection[int],
    starts: Collection[int],
    marks: Mapping[str, Collection[int]],
    *,
    listed: bool,
) -> list[tuple[Finding, tuple[int, int]]]:
    fitting = [hit for hit in contexts if hit[0] < begin and hit[1] <= begin]
    if not fitting:
        return []
    stop = begin
    while stop > 0 and begin - stop < _REACH and stop not in ends:
        at = stop - 1
        if (
            words[at] == ";"
            or (at in starts and not any(hit[0] <= at < hit[1] for hit in contexts))
            or at in marks["normal"]
            or (words[at] == "," and not listed)
        ):
            break
        stop -= 1
    return [(hit[2][0], (hit[0], hit[1])) for hit in fitting if stop <= hit[0]]


def _after(
    words: Sequence[str],
    end: int,
    contexts: Sequence[Hit],
    ends: Collection[int],
    starts: Collection[int],
    marks: Mapping[str, Collection[int]],
) -> list[tuple[Finding, tuple[int, int]]]:
    fitting = [hit for hit in contexts if end <= hit[0] < end + _REACH]
    if not fitting:
        return []
    own = {hit[0] for hit in fitting}
    stop = end
    while stop < len(words) and stop - end < _REACH and stop not in ends:
        if (
            words[stop] in (";", "with")
            or (stop in starts and stop not in own and not words[stop].endswith(_ADJECTIVE_ENDS))
            or stop in marks["verb"]
        ):
            break
        stop += 1
    fitting = [hit for hit in fitting if hit[0] < stop]
    first = min((hit[0] for hit in fitting), default=0)
    return [(hit[2][0], (hit[0], hit[1])) for hit in fitting if hit[0] == first]
