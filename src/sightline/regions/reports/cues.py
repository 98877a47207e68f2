"""What the words around a finding say of it: that it is not there, may be there, was there, or is asked for.

In the manner of NegEx and ConText: a trigger has a scope to its right, its left or both, which ends at the end of its
statement. What ends a statement are words such as "but", and a comma or an "and" after which something new begins: "no
effusion, small pneumothorax" against "no effusion, pneumothorax or mass".

Reference:
    Chapman et al. 2001, doi:10.1006/jbin.2001.1029 (NegEx); Harkema et al. 2009, doi:10.1016/j.jbi.2009.05.002
    (ConText). The triggers and the rules for where a statement ends are our own.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from sightline.errors import DataError

ABSENT, POSSIBLE, PAST, ASKED = 1, 2, 4, 8  # flags of a word
_FLAGS = {"absent": ABSENT, "possible": POSSIBLE, "past": PAST, "asked": ASKED}
_SCOPES = ("after", "before", "around", "here", "end")
_KINDS = {f"{name}_{scope}": (flag, scope) for name, flag in _FLAGS.items() for scope in _SCOPES}
MARKS = ("opener", "verb", "seen", "normal")
_OTHERS = ("still", "end", "turn")
_JOINTS = frozenset({",", "and", "with"})
_SHOWING = frozenset({"demonstrates", "demonstrate", "shows", "show", "reveals", "reveal"})
_TABLE = Path(__file__).with_name("cues.txt")
_GAP = 4  # words that `~` stands for at most
_NEGATING = ("absent_after", "absent_before", "absent_around")

Cue = tuple[int, int, str]  # begin, end and kind


@dataclass(frozen=True, eq=False)
class Cues:
    """The table of triggers.

    Attributes:
        phrases: phrase and kind.
        gapped: of a trigger with `~`, by its first words: the word at its end, and the kind.
    """

    phrases: tuple[tuple[str, str], ...]
    gapped: Mapping[str, Mapping[str, str]]


@cache
def read_cues(file: Path = _TABLE) -> Cues:
    """Read the table of triggers.

    Raises:
        DataError: a heading is none of the kinds.
    """
    kinds = {*_KINDS, *MARKS, *_OTHERS}
    phrases: list[tuple[str, str]] = []
    gapped: dict[str, dict[str, str]] = {}
    kind = ""
    for line in file.read_text(encoding="utf-8").splitlines():
        phrase = line.strip()
        if not phrase or phrase.startswith("#"):
            continue
        if phrase.startswith("["):
            kind = phrase.strip("[]")
            if kind not in kinds:
                raise DataError(f"{file}: [{kind}] is none of {', '.join(sorted(kinds))}")
        elif "~" in phrase:
            first, _, last = phrase.partition("~")
            gapped.setdefault(first.strip(), {})[last.strip()] = kind
        else:
            phrases.append((phrase, kind))
    return Cues(tuple(phrases), gapped)


class Statement(NamedTuple):
    """What is needed to know where scopes end in a sentence.

    Attributes:
        words: of the sentence.
        ends: words at which a statement begins, whatever was before.
        turns: words at which what is absent ends.
        marks: words of each kind of `MARKS`.
    """

    words: Sequence[str]
    ends: Collection[int]
    turns: Collection[int]
    marks: Mapping[str, Collection[int]]

    def scope_after(self, begin: int, flag: int) -> int:
        """Return where the scope of a trigger that ends at `begin` ends, to its right."""
        words, count, at = self.words, len(self.words), begin
        while at < count:
            word = words[at]
            if at in self.ends or word == ";" or (flag & (ABSENT | ASKED) and at in self.turns):
                return at
            if flag == ASKED and word in _SHOWING:
                return at
            if word in _JOINTS:
                after = at + 1
                while after < count and words[after] in _JOINTS:
                    after += 1
                if self._begins_anew(begin, at, after):
                    return at
                at = after
            else:
                at += 1
        return count

    def scope_before(self, end: int) -> int:
        """Return where the scope of a trigger that begins at `end` begins, to its left."""
        words = self.words
        start = max((each for each in self.ends if each <= end), default=0)
        for at in range(end - 1, start - 1, -1):
            word = words[at]
            if word == ";":
                return at + 1
            if word in _JOINTS and at < end - 1:
                listed = word == "," and any(each in ("and", "or") for each in words[at + 1 : end])
                if self._has("verb", start, at) or (word == "," and not listed):
                    return at + 1
        return start

    def _begins_anew(self, begin: int, joint: int, after: int) -> bool:
        """Tell whether what follows a comma or an "and" is a statement of its own."""
        words, count = self.words, len(self.words)
        if after >= count or after in self.ends:
            return True
        hard = min((each for each in self.ends if each > after), default=count)
        last = next((each for each in range(after, hard) if words[each] in ("or", "nor")), None)
        if last is not None and words[joint] == "," and not self._has("verb", after + 1, last):
            return False
        if after in self.marks["opener"]:
            return True
        until = next((each for each in range(after, hard) if words[each] in (",", ";", "and")), hard)
        verb = next((each for each in range(after + 1, until) if each in self.marks["verb"]), None)
        if verb is None:
            return False
        shared = any(each in self.marks["seen"] for each in range(verb, min(verb + 4, until)))
        start = max((each for each in self.ends if each <= begin), default=0)
        return not shared or "there" in words[max(start - 3, 0) : start] or self._has("verb", start, joint)

    def _has(self, mark: str, begin: int, end: int) -> bool:
        there = self.marks[mark]
        return bool(there) and any(each in there for each in range(begin, end))


def flag_words(
    words: Sequence[str],
    cues: Sequence[Cue],
    marks: Mapping[str, Collection[int]],
    found: Collection[int],
    gapped: Mapping[str, Mapping[str, str]],
) -> tuple[list[int], frozenset[int]]:
    """Flag each word by what is said of it.

    Args:
        words: of the sentence.
        cues: every trigger in it, by where they begin.
        marks: words of each kind of `MARKS`.
        found: words of findings.
        gapped: see `Cues`.

    Returns:
        Sum of `ABSENT`, `POSSIBLE`, `PAST` and `ASKED` for each word, and where statements begin.
    """
    used = list(_in_use(words, cues, found, gapped))
    ends = frozenset(each for begin, end, kind in used if kind == "end" for each in (begin, end))
    turns = frozenset(begin for begin, _, kind in used if kind == "turn")
    statement = Statement(words, ends, turns, marks)
    flags = [0] * len(words)
    for begin, end, kind in used:
        if kind in _KINDS:
            flag, scope = _KINDS[kind]
            for at in _scope(statement, begin, end, flag, scope, found):
                flags[at] |= flag
    return flags, ends


def _scope(statement: Statement, begin: int, end: int, flag: int, scope: str, found: Collection[int]) -> Iterator[int]:
    if scope == "end":  # only if its statement ends with it
        after = statement.words[end : end + 1]
        if not after or after[0] in _JOINTS or after[0] == ";" or end in statement.ends:
            joints = (at + 1 for at in range(begin - 1, -1, -1) if statement.words[at] in _JOINTS)
            starts = max(statement.scope_before(begin), next(joints, 0))
            if not starts or starts not in statement.ends:  # "other than a nodule the lungs are normal"
                yield from range(starts, begin)
        return
    if scope == "here":
        yield from range(begin, min(end + 1, len(statement.words)))
        return
    before = scope_is_before = scope == "before"
    if scope == "around":
        before = True
        begins = statement.scope_before(begin)
        scope_is_before = flag == ABSENT and any(each in found for each in range(begins, begin))
    if before:
        yield from range(statement.scope_before(begin), begin)
    if not scope_is_before:
        yield from range(end, statement.scope_after(end, flag))


def _in_use(
    words: Sequence[str], cues: Sequence[Cue], found: Collection[int], gapped: Mapping[str, Mapping[str, str]]
) -> Iterator[Cue]:
    """Yield the longest trigger at each place, and what a word after it makes of it."""
    longest: dict[int, Cue] = {}
    for cue in cues:
        if cue[0] not in longest or cue[1] > longest[cue[0]][1]:
            longest[cue[0]] = cue
    upto = 0
    for begin in sorted(longest):
        if begin < upto:
            continue
        _, end, kind = longest[begin]
        if kind in _NEGATING or kind == "still":
            end, kind = _gapped(words, begin, end, kind, found, gapped)
        if kind == "absent_after" and end == len(words):
            kind = "absent_before"  # "pleural effusion: no"
        upto = end
        yield begin, end, kind


def _gapped(
    words: Sequence[str],
    begin: int,
    end: int,
    kind: str,
    found: Collection[int],
    gapped: Mapping[str, Mapping[str, str]],
) -> tuple[int, str]:
    """Look for the end of a trigger with `~` that begins here."""
    for first in (" ".join(words[begin : begin + 2]), words[begin]):
        if first in gapped:
            start = begin + len(first.split())
            for at in range(start, min(start + _GAP + 1, len(words))):
                word = words[at]
                if word in gapped[first]:
                    return max(end, at + 1), gapped[first][word]
                if word in (",", ";", "or") or at in found:
                    break
    return end, kind
