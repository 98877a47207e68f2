"""What one part of an audit found: a question, its answer in words, and the numbers behind it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sightline.metrics.intervals import Interval

Verdict = Literal["good", "doubtful", "bad", "unknown"]
"""`good`: nothing against the model was found; `bad`: something was; `doubtful`: not certain either way; `unknown`: not
tested."""


@dataclass(frozen=True)
class Number:
    """One number of a part.

    Attributes:
        name: what was measured, such as `share of relevance inside`.
        interval: the number with its interval.
        of: whom it speaks of, such as `class effusion` or `source east`; empty for all.
        p_value: of the test against no difference, corrected for as many tests as stand under one name; None if none.
        note: a few words more.
    """

    name: str
    interval: Interval
    of: str = ""
    p_value: float | None = None
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Fields by name, for JSON."""
        return {
            "name": self.name,
            "of": self.of,
            **self.interval.as_dict(),
            "p_value": self.p_value,
            "note": self.note,
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Number":
        """Read back what `as_dict` gave."""
        own = {name: fields[name] for name in ("name", "of", "p_value", "note")}
        return cls(interval=Interval.from_dict({k: v for k, v in fields.items() if k not in own}), **own)


@dataclass(frozen=True)
class Shown:
    """A case worth looking at.

    Attributes:
        case: its name.
        why: what is to be seen, in words.
        value: what it was sorted by; NaN for nothing.
    """

    case: str
    why: str
    value: float = float("nan")


@dataclass(frozen=True)
class Section:
    """What a part of an audit found.

    Attributes:
        name: of the part, one word.
        question: what was asked, in plain words.
        verdict: the answer in one word.
        answer: the answer in one to three sentences, with its numbers.
        numbers: the numbers behind it, the most telling first.
        cases: what to look at, the worst first.
        limits: what the part does not say, a sentence each.
        files: pictures and tables that belong to it, by what they show, relative to the folder of the audit.
    """

    name: str
    question: str
    verdict: Verdict
    answer: str
    numbers: tuple[Number, ...] = ()
    cases: tuple[Shown, ...] = ()
    limits: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Fields by name, for JSON."""
        return {
            "name": self.name,
            "question": self.question,
            "verdict": self.verdict,
            "answer": self.answer,
            "numbers": [number.as_dict() for number in self.numbers],
            "cases": [{"case": shown.case, "why": shown.why, "value": shown.value} for shown in self.cases],
            "limits": list(self.limits),
            "files": dict(self.files),
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Section":
        """Read back what `as_dict` gave, also after JSON has turned NaN into null."""
        return cls(
            fields["name"],
            fields["question"],
            fields["verdict"],
            fields["answer"],
            tuple(map(Number.from_dict, fields["numbers"])),
            tuple(
                Shown(shown["case"], shown["why"], float("nan") if shown["value"] is None else shown["value"])
                for shown in fields["cases"]
            ),
            tuple(fields["limits"]),
            dict(fields["files"]),
        )
