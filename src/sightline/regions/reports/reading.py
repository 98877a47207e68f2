"""Read a sentence: which findings it tells, what it says of them, and where."""

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sightline.regions.reports.cues import MARKS, Cues, flag_words
from sightline.regions.reports.measurements import LOOKED_AT, UNITS, nearest_size, rounded, sizes
from sightline.regions.reports.mentions import NOT_THERE, Known, Mention, with_lungs
from sightline.regions.reports.pairs import joined_pairs
from sightline.regions.reports.places import BEGINNINGS, CONNECTING, Placed, placed_words
from sightline.regions.reports.sharing import Places
from sightline.regions.reports.spelling import Speller
from sightline.regions.reports.terms import OTHER_FINDING, Finding, Vocabulary, possible_places
from sightline.regions.reports.words import Phrases, lowered, words_of

_CUE, _MARK, _WORD, _HEAD, _CONTEXT, _UNLIKE, _PLACE = range(7)
_LARGE_MM = 10.0
_REMEMBERED = 100_000  # sentences
_LARGEST = frozenset({"largest", "larger", "dominant", "biggest", "greatest"})
_SIDES = frozenset({"right", "left"})
_WHERE = _SIDES | {"anterior", "posterior", "superior", "inferior", "medial", "lateral"}
_SIGNS = frozenset({"0", "5", "20", "0.5", "2", ",", ";", ":", "?", "("})
_MEASURABLE = frozenset({"mass", "lesion", "cyst", "aneurysm", "lymphadenopathy", "nodule"})  # a size is of the nearest
_NOWHERE: frozenset[str] = frozenset()
_Hit = tuple[int, int, Finding]
_Spans = tuple[tuple[int, int], ...]


class _Told(NamedTuple):
    """A finding, from `begin` to `end`, what is said of it, and all words that tell it."""

    finding: Finding
    begin: int
    end: int
    flags: int
    spans: _Spans


class _Said(NamedTuple):
    """A sentence: its words, what is said of each, where statements begin, and `MARKS`."""

    words: Sequence[str]
    flags: Sequence[int]
    ends: Collection[int]
    marks: Mapping[str, Collection[int]]

    def of(self, begin: int, end: int) -> int:
        """Sum of what is said of these words."""
        total = 0
        for flag in self.flags[begin:end]:
            total |= flag
        return total


class SentenceReader:
    """Reads sentences with a vocabulary.

    Args:
        vocabulary: findings and places.
        cues: what the words around them do.
    """

    def __init__(self, vocabulary: Vocabulary, cues: Cues) -> None:
        self._by_name = {finding.name: finding for finding in vocabulary.findings}
        self._gapped = cues.gapped
        self._phrases: Phrases[tuple[int, Any]] = Phrases(_entries(vocabulary, cues))
        self._speller = Speller(self._phrases)
        ends = {word for last in cues.gapped.values() for word in last}
        self._told_apart = _SIGNS | LOOKED_AT | CONNECTING | _LARGEST | ends
        self._plain: dict[str, str] = {}
        self._read = lru_cache(_REMEMBERED)(self._read_words)
        self._places_of = lru_cache(1000)(self._of_heading)

    def read(self, sentence: str, heading: str = "", known: Known = ()) -> tuple[Mention, ...]:
        """Return what a sentence tells.

        Args:
            sentence: its text in any case.
            heading: what it stands under, such as "left lung"; empty for none.
            known: what "it" and "the largest" stand for.
        """
        words = words_of(lowered(sentence))
        title = _title(words, heading) if heading else 0
        plain = self._plain
        alike = [plain.get(word) or self._find_plain(word) for word in rounded(words)]
        return self._read(tuple(alike), title, heading, known)

    def _find_plain(self, word: str) -> str:
        """Return a word that does the same: any other if it does nothing, another that begins something new.

        One letter that is wrong is mended first. Sentences that are then the same are read once.
        """
        given, (word,) = word, self._speller.mended([word])
        values = None if word in self._told_apart or word.startswith(BEGINNINGS) else self._phrases.values(word)
        other = {(): "_", ((_MARK, "opener"),): "tiny"}.get(values, word) if values is not None else word
        if len(self._plain) < _REMEMBERED:
            self._plain[given] = other
        return other

    def _read_words(self, words: tuple[str, ...], title: int, heading: str, known: Known) -> tuple[Mention, ...]:
        kinds: tuple[list[Any], ...] = ([], [], [], [], [], [], [])
        for begin, end, (kind, value) in self._phrases.find(words):
            kinds[kind].append((begin, end, value))
        hits = _hits(kinds[_WORD], kinds[_UNLIKE], title)
        if not hits:
            hits = [(0, 1, self._by_name[name]) for name, _ in known]
        sized = not UNITS.keys().isdisjoint(words)
        if not hits and not kinds[_HEAD] and not sized:
            normal = any(mark == "normal" for _, _, mark in kinds[_MARK])
            if normal or not kinds[_PLACE]:
                return ()
        marks: dict[str, set[int]] = {mark: set() for mark in MARKS}
        for begin, end, mark in kinds[_MARK]:
            marks[mark].update(range(begin, end))
        found = {at for begin, end, _ in hits for at in range(begin, end)}
        said = _Said(words, *flag_words(words, kinds[_CUE], marks, found, self._gapped), marks)
        told = [_Told(finding, begin, end, said.of(begin, end), ((begin, end),)) for begin, end, finding in hits]
        for finding, (begin, end), other in joined_pairs(words, kinds[_HEAD], kinds[_CONTEXT], said.ends, marks, found):
            if not kinds[_UNLIKE] or not _is_unlike(finding, ((begin, end), other), kinds[_UNLIKE]):
                spans = tuple(sorted({(begin, end), other}))
                told.append(_Told(finding, begin, end, said.of(begin, end), spans))
        if sized:
            told += self._sized(said, told, kinds[_CONTEXT])
        if not told:
            return _other(said, kinds[_PLACE])
        if all(each.flags & NOT_THERE for each in told):
            return tuple(Mention(each.finding.name, each.flags, frozenset(), each.spans) for each in told)
        return self._placed(said, told, kinds[_PLACE], self._places_of(heading), dict(known))

    def _sized(self, said: _Said, told: Sequence[_Told], contexts: Sequence[Any]) -> list[_Told]:
        """What a size makes of a nodule or a lymph node."""
        large, swollen = self._by_name.get("nodulegr1cm"), self._by_name.get("lymphadenopathy")
        measured = [each._replace(finding=large) for each in told if large and each.finding.name == "nodule"]
        for begin, end, (finding, _) in contexts:
            if swollen is not None and finding is swollen:
                measured.append(_Told(finding, begin, end, said.of(begin, end), ((begin, end),)))
        rivals = {each.begin for each in (*told, *measured) if each.finding.name in (*_MEASURABLE, "nodulegr1cm")}
        found = sizes(said.words)
        made: list[_Told] = []
        for each in measured:
            mm = nearest_size(found, each.begin, each.end, rivals - {each.begin})
            if mm is None or mm <= _LARGE_MM:
                continue
            size = next(size for size in found if size.mm == mm)
            spans = (*each.spans, (size.begin, size.end))
            if each.finding is large and _LARGEST & set(said.words[max(each.end, size.begin - 5) : size.begin]):
                there = each._replace(begin=size.begin, end=size.end)  # the largest of them is where its size is told
                made += [there._replace(finding=self._by_name["nodule"]), there._replace(spans=spans)]
            else:
                made.append(each._replace(spans=spans))
        return made

    def _placed(
        self,
        said: _Said,
        told: Sequence[_Told],
        hits: Sequence[Any],
        above: Sequence[Placed],
        before: Mapping[str, frozenset[str]],
    ) -> tuple[Mention, ...]:
        """Add the places: of the sentence, of what it refers to, or of the heading."""
        sides = [name.partition("_")[0] for each in above for name in each.names if name.endswith("_lung")]
        taken = {at for each in told for at in range(each.begin, each.end)}
        placed = placed_words(said.words, hits, taken, sides)
        places = Places(said.words, placed, {each.begin for each in told}, said.ends, said.flags) if placed else None
        special = [each for each in told if each.finding.kind != "generic"]
        better: Collection[int] = ()
        if special and len(special) < len(told):
            better = {at for each in special for b, e in each.spans for at in range(b, e)}
        mentions = []
        for each in told:
            finding, names = each.finding, _NOWHERE
            if not each.flags & NOT_THERE:
                names = _names(finding, places.of(each.begin, lung=finding.kind == "lung")) if places else _NOWHERE
                if not names and before:
                    names = before.get("nodule" if finding.name == "nodulegr1cm" else finding.name, _NOWHERE)
                names = names or _names(finding, above) or _of_noun(each, told)
                if each.begin in better and names and not possible_places(finding, names) - _WHERE:
                    continue  # "dilated" of a ventricle is cardiomegaly and no ectasia
            mentions.append(Mention(finding.name, each.flags, names, each.spans))
        return tuple(mentions)

    def _of_heading(self, heading: str) -> list[Placed]:
        words = words_of(lowered(heading))
        return placed_words(words, [(b, e, v) for b, e, (kind, v) in self._phrases.find(words) if kind == _PLACE], ())


def _hits(words: Sequence[_Hit], unlike: Sequence[_Hit], title: int) -> list[_Hit]:
    """Phrases of findings behind the heading, without those that mean something else; of each finding the longest."""
    if not unlike and len({finding for _, _, finding in words}) == len(words):
        return [hit for hit in words if hit[0] >= title]
    kept: list[_Hit] = []
    for begin, end, finding in sorted(words, key=lambda hit: hit[0] - hit[1]):
        if begin >= title and not _is_unlike(finding, ((begin, end),), (*unlike, *kept)):
            kept.append((begin, end, finding))
    return sorted(kept, key=lambda hit: hit[:2])


def _is_unlike(finding: Finding, spans: _Spans, unlike: Sequence[_Hit]) -> bool:
    """Some of the words belong to another phrase of the finding."""
    return any(other is finding and b < end and begin < e for b, e, other in unlike for begin, end in spans)


def _other(said: _Said, hits: Sequence[Any]) -> tuple[Mention, ...]:
    """A place of which something is said that is none of the findings, and not that it is normal."""
    if said.marks["normal"] or any(said.flags) or len(said.words) < 3 or said.words[-1] == ":":
        return ()
    placed = [each for each in placed_words(said.words, hits, ()) if each.kind in ("lung", "other") and each.names]
    names = with_lungs(frozenset(name for each in placed for name in each.names))
    return (Mention(OTHER_FINDING, 0, names, ((placed[0].begin, placed[0].end),)),) if names else ()


def _names(finding: Finding, placed: Sequence[Placed]) -> frozenset[str]:
    """Names of the places of a finding; a side alone is a side of the lungs, if it is in them or usually is."""
    if not placed:
        return _NOWHERE
    return _names_of(finding.kind, finding.usual, tuple([(each.kind, each.names) for each in placed]))


@lru_cache(10_000)
def _names_of(kind: str, usual: str, placed: Sequence[tuple[str, frozenset[str]]]) -> frozenset[str]:
    alone = {name for how, names in placed if how == "side" for name in names}
    told = {name for how, names in placed if how != "side" for name in names}
    real = told - _SIDES - {name for how, names in placed if how == "where" for name in names}
    if kind == "lung" or (usual == "lung" and not real) or real == {"lung"}:
        told |= {f"{side}_lung" for side in alone}
    return with_lungs(frozenset(told | alone))


def _of_noun(each: _Told, told: Sequence[_Told]) -> frozenset[str]:
    """Where "calcified" is, said of a granuloma of which no place is told."""
    nouns = [other.finding.usual for other in told if other.begin == each.spans[0][1]]
    return frozenset({"lung"}) if "lung" in nouns and not each.finding.usual else frozenset()


def _title(words: Sequence[str], heading: str) -> int:
    """How many words at the beginning are the heading: "bones and soft tissues: ..." tells no soft tissue."""
    if not heading or ":" not in words:
        return 0
    colon = words.index(":")
    return colon if words_of(heading) == [*words[:colon]] else 0


def _entries(vocabulary: Vocabulary, cues: Cues) -> list[tuple[str, tuple[int, Any]]]:
    entries: list[tuple[str, tuple[int, Any]]] = [
        (phrase, (_MARK if kind in MARKS else _CUE, kind)) for phrase, kind in cues.phrases
    ]
    entries += [(first, (_CUE, "still")) for first in cues.gapped if first not in dict(cues.phrases)]
    for finding in vocabulary.findings:
        entries += [(phrase, (_WORD, finding)) for phrase in finding.words]
        entries += [(phrase, (_UNLIKE, finding)) for phrase in finding.unlike]
        for heads, contexts in finding.pairs:
            pair = (finding, contexts)
            entries += [(phrase, (_HEAD, pair)) for phrase in heads]
            entries += [(phrase, (_CONTEXT, pair)) for phrase in contexts if phrase != "?"]
    entries += [(phrase, (_PLACE, line)) for line in vocabulary.places for phrase in line.words]
    return entries
