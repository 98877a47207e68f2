"""The vocabulary: findings and places by name, read from tables with one entry a line."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

from sightline.errors import DataError, SettingsError

Kind = Literal["lung", "heart", "generic"]
OTHER_FINDING, OTHER_PLACE = "other_finding", "other_location"
ELSEWHERE = "nowhere"  # words that keep a side to themselves
_HERE = Path(__file__).parent


@dataclass(frozen=True, eq=False)
class Finding:
    """An entry of `findings.txt`.

    Attributes:
        name: of the finding.
        kind: `lung` or `heart` for what is nowhere else, else `generic`.
        usual: organ that is meant where the report says none: `lung`, `heart`, `vessel`, `mediastinum` or empty.
        allowed: of the organs `lung`, `heart` and `vessel` those that a generic finding is kept in.
        words: phrases of which one is enough.
        pairs: phrases and what one of them must be said of, as (`enlarg*`, ...) and (`heart`, ...).
        unlike: phrases in which the same words mean something else.
    """

    name: str
    kind: Kind
    usual: str
    allowed: frozenset[str]
    words: tuple[str, ...]
    pairs: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]
    unlike: tuple[str, ...]


@dataclass(frozen=True)
class PlaceWords:
    """A line of `places.txt`.

    Attributes:
        names: of the places, or sides `right` and `left`, or levels `upper`, `mid`, `lower`, or `right_upper`.
        kind: `side`, `level`, `lung`, `weak`, `where` or `other`.
        words: phrases.
    """

    names: tuple[str, ...]
    kind: str
    words: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """Findings and places that a report is searched for.

    Attributes:
        findings: in their order.
        places: lines of the table of places.
        place_names: names of all places, the lobes and lungs first.
    """

    findings: tuple[Finding, ...]
    places: tuple[PlaceWords, ...]
    place_names: tuple[str, ...]

    @property
    def finding_names(self) -> tuple[str, ...]:
        """In their order."""
        return tuple(finding.name for finding in self.findings)


_LUNG = tuple(f"{side}_{level}" for side in ("right", "left") for level in ("upper", "mid", "lower", "lung"))
ORGAN_PLACES: Mapping[str, frozenset[str]] = {
    "lung": frozenset((*_LUNG, "lung", "airways")),
    "heart": frozenset({"heart", "mitral_valve", "aortic_valve", "tricuspid_valve", "pulmonary_valve"}),
    "vessel": frozenset({"aorta", "svc", "ivc", "pulmonary_artery", "pulmonary_vein"}),
}
"""Places of the organs that the vocabulary's kinds and columns name."""


@cache
def read_vocabulary(name: str | Path) -> Vocabulary:
    """Read a vocabulary.

    Args:
        name: `ct` or `cxr`, or a folder of one's own with `findings.txt` and `places.txt`.

    Raises:
        SettingsError: there is none of that name.
        DataError: a line cannot be understood.
    """
    folder = _HERE / f"{name}_vocabulary" if name in ("ct", "cxr") else Path(name)
    findings, places = folder / "findings.txt", folder / "places.txt"
    if name == "cxr":
        places = _HERE / "ct_vocabulary" / "places.txt"
    for file in (findings, places):
        if not file.is_file():
            raise SettingsError(f"vocabulary must be ct, cxr, or a folder with {file.name}, got {str(name)!r}")
    entries = tuple(_finding(row, file=findings) for row in table_rows(findings))
    lines = tuple(_place(row, file=places) for row in table_rows(places))
    doubled = {entry.name for entry in entries if sum(entry.name == other.name for other in entries) > 1}
    if doubled:
        raise DataError(f"{findings}: {min(doubled)} is there twice; put its words on one line")
    named = [name for line in lines if line.kind in ("side", "where", "lung", "other") for name in line.names]
    return Vocabulary(entries, lines, tuple(dict.fromkeys([*_LUNG, *(n for n in named if n != ELSEWHERE)])))


def table_rows(file: Path) -> Iterator[list[str]]:
    """Yield the cells of each line of a table, its cells apart by `|`, comments and empty lines left out."""
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            yield [cell.strip() for cell in line.split("|")]


def listed(cell: str, mark: str = ",") -> tuple[str, ...]:
    """Return what stands in a cell, without empty items.

    >>> listed("mass, masses, ")
    ('mass', 'masses')
    """
    return tuple(item.strip() for item in cell.split(mark) if item.strip())


def _finding(row: Sequence[str], *, file: Path) -> Finding:
    if len(row) != 7 or row[1] not in ("lung", "heart", "generic") or not row[0]:
        raise DataError(
            f"{file}: a line must be name | lung, heart or generic | usual place | may also be in | words | "
            f"head & what it is said of; ... | not, got {' | '.join(row)!r}"
        )
    name, kind, usual, allowed, words, pairs, unlike = row
    both = [pair.split("&") for pair in listed(pairs, ";")]
    if any(len(pair) != 2 for pair in both):
        raise DataError(f"{file}: {name}: a pair must be head & what it is said of, got {pairs!r}")
    known: Mapping[str, Kind] = {"lung": "lung", "heart": "heart", "generic": "generic"}
    parts = tuple((listed(head, "/"), listed(context, "/")) for head, context in both)
    return Finding(name, known[kind], usual, frozenset(allowed.split()), listed(words), parts, listed(unlike))


def _place(row: Sequence[str], *, file: Path) -> PlaceWords:
    kinds = ("side", "level", "lung", "weak", "where", "other")
    if len(row) != 3 or row[1] not in kinds or not row[0]:
        raise DataError(f"{file}: a line must be name | {', '.join(kinds)} | words, got {' | '.join(row)!r}")
    return PlaceWords(tuple(row[0].split("+")), row[1], listed(row[2]))


@lru_cache(100_000)
def possible_places(finding: Finding, places: frozenset[str]) -> frozenset[str]:
    """Return those of the places where a finding can be.

    What is in the lungs by definition is in `lung` at least, and in no other organ; likewise the heart. A generic
    finding is kept in the organs that its entry allows, and in whatever is none of them.
    """
    if finding.kind == "generic":
        barred = [organ for organ in ORGAN_PLACES if organ not in finding.allowed]
        return places - frozenset().union(*(ORGAN_PLACES[organ] for organ in barred))
    return (places & ORGAN_PLACES[finding.kind]) | {finding.kind}
