"""The published term search: substrings of what the phrase rules left of a sentence, each finding at each place.

Reference:
    Draelos et al. 2021, doi:10.1016/j.media.2020.101857; the places: Draelos and Carin, arXiv:2011.08891, 12.1.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sightline.regions.reports.mentions import Known, Mention, with_lungs
from sightline.regions.reports.phrases import abnormal_part, cleaned, read_phrase_rules
from sightline.regions.reports.terms import OTHER_FINDING, Finding, PlaceWords, Vocabulary, listed, table_rows
from sightline.regions.reports.words import lowered, words_of

_PUBLISHED = Path(__file__).parent / "published"
_LARGE_CM = 1.0


@dataclass(frozen=True)
class Terms:
    """An entry that is searched for as substrings.

    Attributes:
        words: one of them is enough.
        first: or one of these
        second: and one of these.
        without: and none of these.
    """

    words: tuple[str, ...]
    first: tuple[str, ...]
    second: tuple[str, ...]
    without: tuple[str, ...]

    def within(self, sentence: str) -> bool:
        """Tell whether the entry is in a sentence."""
        there = any(word in sentence for word in self.words)
        if not there and self.first:
            there = any(word in sentence for word in self.first) and any(word in sentence for word in self.second)
        return there and not any(word in sentence for word in self.without)

    def hit(self, sentence: str) -> str:
        """Which word is in it."""
        return next((word.strip() for word in (*self.words, *self.first) if word in sentence), "")


@dataclass(frozen=True, eq=False)
class PublishedVocabulary:
    """The published word lists.

    Attributes:
        vocabulary: names of findings and places, and which may be where.
        findings: by name.
        places: by name.
    """

    vocabulary: Vocabulary
    findings: Mapping[str, Terms]
    places: Mapping[str, Terms]


@cache
def read_published(name: str) -> PublishedVocabulary:
    """Read the published vocabulary `ct` or `cxr`."""
    lists = {row[0]: listed(row[1]) for row in table_rows(_PUBLISHED / "ct_lists.txt")}
    entries, findings = [], {}
    for title, kind, _, allowed, words, pair, without in table_rows(_PUBLISHED / f"{name}_findings.txt"):
        findings[title] = _terms(words, pair, without, lists)
        known = {"lung": "lung", "heart": "heart"}.get(kind, "generic")
        entries.append(Finding(title, known, "", frozenset(allowed.split()), (), (), ()))  # type: ignore[arg-type]
    places = {row[0]: _terms(row[2], row[3], row[4], lists) for row in table_rows(_PUBLISHED / "ct_places.txt")}
    lines = tuple(PlaceWords((place,), "other", ()) for place in places)
    return PublishedVocabulary(Vocabulary(tuple(entries), lines, tuple(places)), findings, places)


def _terms(words: str, pair: str, without: str, lists: Mapping[str, tuple[str, ...]]) -> Terms:
    def spelled(items: Sequence[str]) -> tuple[str, ...]:
        return tuple(each.replace("_", " ") for item in items for each in lists.get(item, (item,)))

    first, _, second = pair.partition("&")
    return Terms(
        spelled(listed(words)), spelled(listed(first, "/")), spelled(listed(second, "/")), spelled(listed(without))
    )


class PublishedReader:
    """Reads sentences by the published rules.

    Args:
        published: the word lists.
        rules: `ct`, `cxr_positive` or `cxr_negative`.
    """

    def __init__(self, published: PublishedVocabulary, rules: str) -> None:
        self._vocabulary = published.vocabulary
        self._findings, self._places = published.findings, published.places
        self._rules = read_phrase_rules(rules)

    def read(self, sentence: str, heading: str = "", known: Known = ()) -> tuple[Mention, ...]:
        """Return what a sentence tells; neither its heading nor the sentence before counts."""
        left = abnormal_part(cleaned(sentence), self._rules)
        return self.search(left, sentence) if left.strip() else ()

    def search(self, left: str, sentence: str) -> tuple[Mention, ...]:
        """Search what is left of a sentence, cleaned, for findings and places."""
        left = f" {left.strip()} "
        found = [entry for entry in self._vocabulary.findings if self._is_there(entry.name, left)]
        places = {name for name, terms in self._places.items() if terms.within(left)}
        if any(entry.kind == "lung" for entry in found):
            places |= {"lung"} | {"right_lung" for _ in "r" if "right" in left}
            places |= {"left_lung" for _ in "l" if "left" in left or "lingula" in left}
        if any(entry.kind == "heart" for entry in found):
            places.add("heart")
        sides = places & {"right", "left"}
        names = (with_lungs(frozenset(places)) - {"right", "left"}) | sides
        words = words_of(lowered(sentence))
        if not found:
            return (Mention(OTHER_FINDING, 0, names, ((0, len(words)),)),) if names else ()
        return tuple(Mention(entry.name, 0, names, self._span(entry.name, left, words)) for entry in found)

    def _is_there(self, name: str, left: str) -> bool:
        if name == "nodulegr1cm":
            return "nodul" in left and _size_cm(left, "nodul") > _LARGE_CM
        if name == "lymphadenopathy":
            node = " node" in left or " nodal" in left
            return "adenopathy" in left or (node and ("large" in left or _size_cm(left, "node") > _LARGE_CM))
        return self._findings[name].within(left)

    def _span(self, name: str, left: str, words: Sequence[str]) -> tuple[tuple[int, int], ...]:
        hit = {"nodulegr1cm": "nodul", "lymphadenopathy": "node"}.get(name) or self._findings[name].hit(left)
        first = words_of(hit)[:1]
        at = next((index for index, word in enumerate(words) if first and first[0] in word), None)
        return ((0, len(words)),) if at is None else ((at, at + 1),)


def _size_cm(sentence: str, split: str) -> float:
    """The size told before the word that splits the sentence, else after it if it is said to be measured."""
    before, _, after = sentence.partition(split)
    for part in (before, after if "measur" in after else ""):
        for unit, scale in (("cm", 1.0), ("mm", 0.1)):
            match = re.search(rf"(\d*\.?\d+)\s*{unit}", part)
            if match:
                return float(match.group(1)) * scale
    return 0.0
