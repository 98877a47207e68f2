"""Sections and sentences of a report, each with the place it has in the text."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

_BREAK = re.compile(  # begins with its characters, so that all others are passed over quickly
    r"[.!?\n;](?:(?<=[.!?])[.!?]*[\"')\]]*\s+|(?<=\.)(?=[A-Z][a-z]|[a-z]{4})|(?<=\n)\s*|(?<=;)\s+(?=\d{1,2}[.)]\s+[A-Z]))"
)
_ITEM = re.compile(r"(?:[-*•\u2013]|\(?\d{1,2}[.)])\s|[A-Z][A-Za-z /&]{1,40}:\s")
_MARKER = re.compile(r"\s*(?:[-*•\u2013]+|\(?\d{1,2}[.)])\s+")
_RUN_ON = re.compile(r"[a-z]{2}\.[A-Z][a-z]|[a-z]{4}\.[a-z]{4}")
_NAME = re.compile(r"(?:^|[\n.;:!?)*\]]\s?|\s\s)[ \t*#]*([A-Za-z][^\n.;:!?*\]]{0,45}?)[ \t*]*$")
_ABBREVIATIONS = frozenset(
    (
        "dr",
        "mr",
        "mrs",
        "ms",
        "vs",
        "approx",
        "e.g",
        "i.e",
        "st",
        "fig",
        "ca",
        "no",
        "cf",
        "max",
        "min",
        "incl",
        "resp",
        "est",
    )
)
_LIST_NUMBER = re.compile(r"(?:^|\n|[.;:)]\s)\s*\(?\d{1,2}[.)]$")
_LEADING = re.compile(r"\s*([A-Za-z][A-Za-z /,&()'-]{1,60}?)\s*:\s*")
_SHORT_LINE = 60  # characters; a longer line without a full stop goes on in the next


class Sentence(NamedTuple):
    """A sentence of a report.

    Attributes:
        text: as it stands there, its heading within it.
        start: its first character in the report.
        heading: what it stands under within its section, such as "left lung"; empty for none.
        section: what it stands in, in lower case, such as "findings"; empty before the first.
    """

    text: str
    start: int
    heading: str
    section: str


def sentences(report: str) -> Iterator[Sentence]:
    """Yield the sentences that tell what is seen.

    What stands in sections such as Indication, History, Comparison and Technique is left out. Numbers ("1.2 cm"),
    abbreviations ("vs.") and list markers ("2.") end no sentence; a short line without a full stop ends one if the next
    begins with a capital letter.

    Args:
        report: free text; its sections, if it has any, begin with their names and a colon, or on lines of their own.
    """
    for start, end, section in _sections(report):
        heading = ""
        for first, last in _pieces(report, start, end):
            text = report[first:last]
            leading = _LEADING.match(text) if ":" in text else None
            if leading:
                name = leading.group(1).lower()
                if set(re.findall(r"[a-z]+", name)) <= _headings():
                    heading = name
            yield Sentence(text, first, heading, section)


def _sections(report: str) -> Iterator[tuple[int, int, str]]:
    """Yield begin, end and name of each section that tells findings."""
    begin, name = 0, ""
    for start, end, following in _section_names(report):
        if begin < start and name not in _left_out():
            yield begin, start, name
        begin, name = end, following
    if begin < len(report) and name not in _left_out():
        yield begin, len(report), name


def _section_names(report: str) -> list[tuple[int, int, str]]:
    """Begin, end and name of each that has a colon where a sentence may begin, or a line of its own."""
    names = _names()
    found: list[tuple[int, int, str]] = []
    colon = report.find(":")
    while colon >= 0:
        match = _NAME.search(report[max(colon - 60, 0) : colon])
        name = " ".join(match.group(1).lower().split()) if match else ""
        if match and name in names:
            found.append((max(colon - 60, 0) + match.start(1), colon + 1, name))
        colon = report.find(":", colon + 1)
    start = 0
    for line in report.splitlines(keepends=True):
        if len(line) < _SHORT_LINE and ":" not in line:
            name = " ".join(line.strip(" \t\r\n*#_-=").lower().split())
            if name in names:
                found.append((start, start + len(line), name))
        start += len(line)
    return sorted(found)


def _pieces(report: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield begin and end of each sentence, without space and list markers around it."""
    begin = start
    for cut in _cuts(report, start, end):
        yield from _trimmed(report, begin, cut)
        begin = cut
    yield from _trimmed(report, begin, end)


def _cuts(report: str, start: int, end: int) -> Iterator[int]:
    for match in _BREAK.finditer(report, start, end):
        at, stop = match.span()
        if report[at] == "\n":
            if _line_ends(report, start, at, stop):
                yield stop
        elif at + 1 == stop:
            if _RUN_ON.search(report[max(at - 4, 0) : at + 5]):
                yield stop
        elif not (_initial(report, at) or _abbreviated(report, start, at + 1) or _is_marker(report, at + 1)):
            yield stop


def _line_ends(report: str, start: int, at: int, stop: int) -> bool:
    """An empty line, a list, a heading or, after a short line without a full stop, a capital letter follows."""
    if "\n" in report[at + 1 : stop] or _ITEM.match(report, stop):
        return True
    line = max(report.rfind("\n", start, at) + 1, start)
    return at - line < _SHORT_LINE and report[stop : stop + 1].isupper()


def _initial(report: str, at: int) -> bool:
    """The full stop belongs to a name, as "J. Smith"."""
    return report[at] == "." and report[at - 1 : at].isupper() and not report[at - 2 : at - 1].isalnum()


def _abbreviated(report: str, start: int, end: int) -> bool:
    word = report[max(start, end - 8) : end - 1].rpartition(" ")[2].lower().lstrip("(")
    if report[end - 1] != "." or word not in _ABBREVIATIONS:
        return False
    return word not in ("no", "max", "min", "st", "est") or report[end : end + 20].lstrip()[:1].isdigit()


def _is_marker(report: str, end: int) -> bool:
    """What ends here is the "2." of a list."""
    return report[end - 2 : end - 1].isdigit() and _LIST_NUMBER.search(report[max(end - 8, 0) : end]) is not None


def _trimmed(report: str, begin: int, end: int) -> Iterator[tuple[int, int]]:
    marker = _MARKER.match(report, begin, end)
    if marker:
        begin = marker.end()
    text = report[begin:end]
    end -= len(text) - len(text.rstrip())
    begin += len(text) - len(text.lstrip())
    if begin < end:
        yield begin, end


@cache
def _table() -> dict[str, tuple[str, ...]]:
    kinds: dict[str, list[str]] = {}
    kind = ""
    for line in Path(__file__).with_name("sections.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("["):
            kind = line.strip("[]")
        elif line.strip() and not line.startswith("#"):
            kinds.setdefault(kind, []).append(line.strip())
    return {kind: tuple(names) for kind, names in kinds.items()}


@cache
def _left_out() -> frozenset[str]:
    return frozenset(_table()["left_out"])


@cache
def _names() -> frozenset[str]:
    """Of all sections."""
    return _left_out() | frozenset(_table()["told"])


@cache
def _headings() -> frozenset[str]:
    return frozenset(_table()["headings"])
