"""Model cards and data sheets as Markdown files."""

from collections.abc import Iterable
from pathlib import Path

from sightline.reporting.content import Card, Cell, PValue, Score, Table
from sightline.reporting.words import UNKNOWN, interval, number, p_value
from sightline.runs import write_text

_SPECIAL = str.maketrans({sign: f"\\{sign}" for sign in "\\`*_[]<>|#"} | {"\n": " "})


def write_cards(folder: Path, cards: Iterable[Card]) -> tuple[Path, ...]:
    """Write each card into a folder under its name, atomically; return the files."""
    files = []
    for card in cards:
        write_text(folder / card.file, card_markdown(card))
        files.append(folder / card.file)
    return tuple(files)


def card_markdown(card: Card) -> str:
    """Write a card as Markdown; what a user wrote stays text."""
    lines = [f"# {_plain(card.title)}"]
    for part in card.parts:
        lines += ["", f"## {_plain(part.heading)}"]
        for words in part.words:
            lines += ["", _plain(words)]
        if part.facts:
            lines += ["", *(f"- **{_plain(name)}:** {_plain(value)}" for name, value in part.facts.items())]
        for table in part.tables:
            lines += ["", *_table(table)]
    return "\n".join(lines) + "\n"


def _table(table: Table) -> list[str]:
    rules = ["---" if textual else "--:" for textual in table.textual]
    cells = [[_cell(cell, table) for cell in row] for row in table.rows]
    head = [f"**{_plain(table.title)}**", ""] + ([_plain(table.lead), ""] if table.lead else [])
    return head + [f"| {' | '.join(row)} |" for row in ([_plain(name) for name in table.columns], rules, *cells)]


def _cell(cell: Cell, table: Table) -> str:
    if isinstance(cell, Score):
        told, span = number(cell.value, signed=table.signed), interval(cell, signed=table.signed)
        return f"{told} ({span})" if span else told
    if isinstance(cell, PValue):
        return p_value(cell.value)
    return UNKNOWN if cell is None else _plain(str(cell))


def _plain(text: str) -> str:
    return text.translate(_SPECIAL)
