"""The verdict page of an audit: every question, its answer in plain words, and the numbers behind it."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from sightline.evaluation.audit import Audit, Number, Section, Verdict
from sightline.reporting.content import Cell, PValue, Score, Table
from sightline.reporting.gallery_page import make_gallery
from sightline.reporting.gallery_rows import GalleryRow
from sightline.reporting.page import Chart, render_page
from sightline.reporting.themes import png_bytes
from sightline.runs import write_text

VERDICTS: Mapping[Verdict, tuple[str, str]] = {
    "bad": ("✗", "speaks against it"),
    "doubtful": ("?", "open"),
    "good": ("✓", "nothing found"),
    "unknown": ("\N{EN DASH}", "not tested"),
}
"""Sign and words of each verdict."""


@dataclass(frozen=True)
class Sheet:
    """A picture that belongs to a part.

    Attributes:
        title: what it shows.
        figure: the picture.
    """

    title: str
    figure: Figure

    @property
    def address(self) -> str:
        """An address that holds the picture, as a JPEG: photographs as PNG would make the page many times as large."""
        with Image.open(io.BytesIO(png_bytes(self.figure))) as drawn:
            stream = io.BytesIO()
            drawn.convert("RGB").save(stream, format="JPEG", quality=88)
        return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


@dataclass(frozen=True)
class AuditContent:
    """Everything on the page; a part that is empty is left out.

    Attributes:
        audit: what was found.
        title: heading of the page.
        charts: figures of a part, by its name.
        sheets: pictures of a part, by its name.
        gallery: images with their maps.
        region_name: what is inside the region, with its article.
        facts: what was audited on what, name to value.
        commands: command lines that make the audit again.
        environment: machine, versions, and the like, name to value.
    """

    audit: Audit
    title: str
    charts: Mapping[str, Sequence[Chart]] = field(default_factory=dict)
    sheets: Mapping[str, Sequence[Sheet]] = field(default_factory=dict)
    gallery: Sequence[GalleryRow] = ()
    region_name: str = "the region"
    facts: Mapping[str, str] = field(default_factory=dict)
    commands: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


def write_audit_page(path: Path, content: AuditContent) -> None:
    """Write `content` as one self-contained HTML file, atomically.

    Raises:
        DataError: rows of the gallery do not fit each other.
        ShapeError: a map or region has another size than its image.
    """
    write_text(path, render_audit_page(content))


def render_audit_page(content: AuditContent) -> str:
    """Return the page as text; see `write_audit_page`."""
    return render_page(
        "audit.html.j2",
        content=content,
        answer=verdict_sentence(content.audit),
        verdicts=VERDICTS,
        tables={section.name: numbers_table(section) for section in content.audit.sections if section.numbers},
        gallery=make_gallery(content.gallery, region_name=content.region_name) if content.gallery else None,
    )


def verdict_sentence(audit: Audit) -> str:
    """Say in a sentence or two what the parts found together."""
    by: dict[Verdict, list[Section]] = {verdict: [] for verdict in VERDICTS}
    for section in audit.sections:
        by[section.verdict].append(section)
    tested = len(audit.sections) - len(by["unknown"])
    if not tested:
        return "Nothing could be tested; each part below says what it needs."
    if by["bad"]:
        first = f"{_count(len(by['bad']), 'answer')} of {tested} {'speaks' if len(by['bad']) == 1 else 'speak'} against"
        return f"{first[0].upper()}{first[1:]} {audit.subject}." + _open(by)
    if by["doubtful"]:
        return f"Nothing was found against {audit.subject}." + _open(by)
    return f"Nothing was found against {audit.subject} by {_count(tested, 'question')}." + _open(by)


def _open(by: Mapping[Verdict, Sequence[Section]]) -> str:
    parts = []
    if by["doubtful"]:
        parts.append(
            f"{_count(len(by['doubtful']), 'question')} {'stays' if len(by['doubtful']) == 1 else 'stay'} open"
        )
    if by["unknown"]:
        parts.append(f"{_count(len(by['unknown']), 'question')} could not be tested")
    text = " and ".join(parts)
    return f" {text[0].upper()}{text[1:]}." if text else ""


def numbers_table(section: Section) -> Table:
    """Lay out the numbers of a part, in their order."""
    shown = section.numbers
    columns: list[tuple[str, Sequence[Cell]]] = [("Measured", [number.name for number in shown])]
    if any(number.of for number in shown):
        columns.append(("Of", [number.of or "all" for number in shown]))
    columns.append(("Value", [_score(number) for number in shown]))
    if any(number.p_value is not None for number in shown):
        p_values = [None if number.p_value is None else PValue(number.p_value) for number in shown]
        columns.append(("p", p_values))
    columns.append(("Cases", [number.interval.n for number in shown]))
    columns.append(("Patients", [number.interval.n_patients for number in shown]))
    if any(number.note for number in shown):
        columns.append(("Note", [number.note for number in shown]))
    level = next((number.interval.level for number in shown), 0.95)
    return Table(
        f"Numbers: {section.question}",
        tuple(name for name, _ in columns),
        tuple(zip(*(cells for _, cells in columns), strict=True)),
        lead=f"Small numbers are {100 * level:.0f} % intervals.",
    )


def _score(number: Number) -> Score:
    return Score(number.interval.value, number.interval.low, number.interval.high)


def _count(number: int, what: str) -> str:
    """`one answer`, `3 answers`."""
    return f"one {what}" if number == 1 else f"{number} {what}s"
