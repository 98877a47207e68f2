"""Labels from free-text reports: findings by places, and the words that made them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from sightline.errors import SettingsError
from sightline.regions.reports.cues import ABSENT, ASKED, PAST, POSSIBLE, read_cues
from sightline.regions.reports.matrix import Matrix
from sightline.regions.reports.mentions import NOT_THERE, Known, Mention
from sightline.regions.reports.published import PublishedReader, read_published
from sightline.regions.reports.reading import SentenceReader
from sightline.regions.reports.sentences import Sentence, sentences
from sightline.regions.reports.terms import OTHER_FINDING, read_vocabulary
from sightline.regions.reports.words import lowered, spans_of

Uncertain = Literal["positive", "negative", "unknown"]
Status = Literal["present", "possible", "absent", "past", "asked"]
_REFERS = re.compile(
    r"\s*(?:(?:the|a)\s+)?(?:it|this|these|they|largest|dominant|index|representative|one|another|others?|larger|biggest|"
    r"latter|reference)\b",
    re.IGNORECASE,
)
_ITEM = re.compile(r"[a-z ,/-]{0,60}\d*\.?\d+\s?-?(?:mm|cm)\W*(?:\(.*)?$", re.IGNORECASE)  # "right upper lobe, 5 mm"
_PART = re.compile(r"\blobe|lingula|apex|\bbase\b|\blung\b|\b[rl][uml]l\b", re.IGNORECASE)
_MEASURED = frozenset({"nodule", "mass", "lesion", "cyst", "opacity", "lymphadenopathy", "groundglass"})
_REMEMBERED = 100_000  # sentences


@dataclass(frozen=True)
class Evidence:
    """What a sentence says of a finding.

    Attributes:
        finding: its name.
        status: `present`, `possible`, `absent`, `past` for what was there once, `asked` for what is looked for.
        places: where, as columns of the matrix; empty if not told.
        sentence: the sentence.
        words: the words that tell it.
        spans: begin and end of each of these words, in characters of the report.
    """

    finding: str
    status: Status
    places: tuple[str, ...]
    sentence: str
    words: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class ReportLabels:
    """What a report tells.

    Attributes:
        findings: names of the rows of the matrix, `other_finding` last.
        places: names of its columns, `other_location` last.
        matrix: `(findings, places)` float32: 1 where the report has the finding, 0 where not, NaN where that is not
            known; NaN throughout for an empty report.
        told: what was read, sentence by sentence, also of what is absent.
        usual: organ that a finding is in where no place is told.
    """

    findings: tuple[str, ...]
    places: tuple[str, ...]
    matrix: NDArray[np.float32]
    told: tuple[tuple[Sentence, Mention], ...] = ()
    usual: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def explanations(self) -> tuple[Evidence, ...]:
        """What was read, by where its words stand in the report."""
        told = (_evidence(sentence, mention) for sentence, mention in self.told)
        return tuple(sorted(told, key=lambda each: each.spans))

    @property
    def empty(self) -> bool:
        """The report says nothing, so nothing is known."""
        return bool(np.isnan(self.matrix).all())

    @property
    def present(self) -> tuple[str, ...]:
        """Findings that are there, `other_finding` not among them."""
        rows = (self.matrix == 1).any(axis=1)
        return tuple(name for name, there in zip(self.findings, rows, strict=True) if there and name != OTHER_FINDING)

    @property
    def sides(self) -> dict[str, frozenset[str]]:
        """Sides of each finding in the lungs that is there, `right` and `left`; empty if none is told."""
        sides = {}
        for name in self.present:
            there = {place for place in self.where(name) if place.endswith(("_lung", "_upper", "_mid", "_lower"))}
            sides[name] = frozenset(place.partition("_")[0] for place in there)
        return sides

    def value(self, finding: str) -> float:
        """1 if the finding is there, in whatever place, 0 if not, NaN if that is not known."""
        row = self.matrix[self.findings.index(finding)]
        return 1.0 if (row == 1).any() else float("nan") if np.isnan(row).any() else 0.0

    def where(self, finding: str) -> frozenset[str]:
        """Places of a finding, without `other_location`."""
        row = self.matrix[self.findings.index(finding)]
        return frozenset(name for name, value in zip(self.places[:-1], row[:-1], strict=True) if value == 1)


class Reader(Protocol):
    """What reads a sentence."""

    def read(self, sentence: str, heading: str = "", known: Known = ()) -> tuple[Mention, ...]:
        """Return what it tells; see `SentenceReader.read`."""


class ReportLabeller:
    """Labels reports.

    By default words have scopes, as in ConText: "no effusion, but a nodule" denies the effusion alone. The published
    rules instead shorten a sentence until what is left is abnormal, and search that for substrings.

    Args:
        vocabulary: `ct`, `cxr`, or a folder with tables of one's own.
        uncertain: what "possible" makes of a finding: `positive` 1, `negative` 0, `unknown` NaN.
        rules: `scoped`, ours, or `sarle`, the published ones with their own vocabulary.
        cleaned: leave out places where a finding cannot be.
        reader: reads a sentence in place of the rules, such as a `HybridReader`.

    Raises:
        SettingsError: an option is none of these.

    Reference:
        Draelos et al. 2021, doi:10.1016/j.media.2020.101857 (SARLE); the places: Draelos and Carin, arXiv:2011.08891,
        12.1 and table 4.
    """

    def __init__(
        self,
        vocabulary: str | Path = "ct",
        uncertain: Uncertain = "positive",
        *,
        rules: Literal["scoped", "sarle"] = "scoped",
        cleaned: bool = True,
        reader: Reader | None = None,
    ) -> None:
        if uncertain not in get_args(Uncertain):
            raise SettingsError(f"uncertain must be positive, negative or unknown, got {uncertain!r}")
        if rules not in ("scoped", "sarle"):
            raise SettingsError(f"rules must be scoped or sarle, got {rules!r}")
        published = read_published(str(vocabulary)) if rules == "sarle" and vocabulary in ("ct", "cxr") else None
        if rules == "sarle" and published is None:
            raise SettingsError(f"rules sarle have the vocabularies ct and cxr, got {str(vocabulary)!r}")
        self.vocabulary = published.vocabulary if published else read_vocabulary(vocabulary)
        self._matrix = Matrix(self.vocabulary)
        self._uncertain, self._cleaned = uncertain, cleaned
        self._usual = {finding.name: finding.usual for finding in self.vocabulary.findings}
        if reader is None and published is not None:
            kept = "cxr_negative" if uncertain == "negative" else "cxr_positive"
            reader = PublishedReader(published, "ct" if vocabulary == "ct" else kept)
        self._read = lru_cache(_REMEMBERED)((reader or SentenceReader(self.vocabulary, read_cues())).read)

    def __call__(self, report: str) -> ReportLabels:
        """Label a report; one without words is unknown, one without findings has none."""
        if not any(character.isalpha() for character in report):
            return ReportLabels(self._matrix.findings, self._matrix.places, self._matrix.unknown(), (), self._usual)
        told: list[tuple[Sentence, Mention]] = []
        before: Known = ()
        for sentence in sentences(report):
            known = before if before and _refers(sentence.text) else ()
            mentions = self._read(sentence.text, sentence.heading, known)
            told += [(sentence, mention) for mention in mentions]
            before = tuple([(m.finding, m.places) for m in mentions if m.finding in _MEASURED and m.there]) or known
        filled = [(mention, self._value(mention)) for _, mention in told if not mention.flags & NOT_THERE]
        filled = [(mention, value) for mention, value in filled if value != 0]
        matrix = self._matrix.of([mention for mention, _ in filled], [v for _, v in filled], cleaned=self._cleaned)
        return ReportLabels(self._matrix.findings, self._matrix.places, matrix, tuple(told), self._usual)

    def _value(self, mention: Mention) -> float:
        if not mention.flags & POSSIBLE:
            return 1.0
        return {"positive": 1.0, "negative": 0.0, "unknown": float("nan")}[self._uncertain]


def _refers(sentence: str) -> bool:
    """Tell whether a sentence is about the findings of the one before: "the largest ...", or the next of their list."""
    if _REFERS.match(sentence):
        return True
    return _ITEM.match(sentence) is not None and _PART.search(sentence.partition("\n")[0]) is not None


def _evidence(sentence: Sentence, mention: Mention) -> Evidence:
    where = spans_of(lowered(sentence.text))
    spans = tuple((where[begin][0], where[end - 1][1]) for begin, end in mention.words)
    return Evidence(
        mention.finding,
        _status(mention.flags),
        tuple(sorted(mention.places)),
        sentence.text,
        tuple(sentence.text[begin:end] for begin, end in spans),
        tuple((sentence.start + begin, sentence.start + end) for begin, end in spans),
    )


def _status(flags: int) -> Status:
    if flags & ABSENT:
        return "absent"
    if flags & PAST:
        return "past"
    if flags & ASKED:
        return "asked"
    return "possible" if flags & POSSIBLE else "present"
