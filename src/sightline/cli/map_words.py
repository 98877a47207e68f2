"""What `sightline explain` says about the maps it drew: a table, and a contact sheet."""

from collections.abc import Sequence
from pathlib import Path

from sightline.attribution.methods import methods
from sightline.cli.output import table
from sightline.reporting.contact_sheet import SheetColumn, SheetRow, write_contact_sheet
from sightline.reporting.map_folder import Record, each_class
from sightline.reporting.words import percent

_ABREAST = 4  # methods


def maps_table(records: Sequence[Record]) -> str:
    """A row a case and class: its probability, and how much of each method's relevance lies inside the region.

    Of many methods each has rows of its own.
    """
    names = _methods_in(records)
    wide = len(names) <= _ABREAST
    rows = []
    for record in records:
        for index, (explained, probability) in _classes_in(record).items():
            shares = {name: _of_class(record, name, index).get("relevance_inside") for name in names}
            cells = ["-" if share is None else f"{100 * share:.0f} %" for share in shares.values()]
            first = [record["case"], explained, f"{100 * probability:.0f} %"]
            rows += [[*first, *cells]] if wide else [[*first, *each] for each in zip(names, cells, strict=True)]
    known = any(cell != "-" for row in rows for cell in row[3 if wide else 4 :])
    head = [
        "case",
        "explained",
        "probability",
        *([f"{name} inside" for name in names] if wide else ["method", "inside"]),
    ]
    width = len(head) if known else 3 + (not wide)
    return table(head[:width], [row[:width] for row in rows])


def write_sheet(folder: Path, records: Sequence[Record], title: str) -> list[Path]:
    """Draw the maps of a folder on a contact sheet beside them; return its pages."""
    names = _methods_in(records)
    columns = [SheetColumn(methods()[name].title, methods()[name].caveat) for name in names]
    rows = []
    for record in records:
        place = folder / record["folder"]
        for index in _classes_in(record):
            pictures = [_of_class(record, name, index).get("picture") for name in names]
            files = tuple(place / picture if picture else None for picture in pictures)
            rows.append(SheetRow(record["case"], row_words(record, index), place / "image.png", files))
    entries = [entry for record in records for entry in record["maps"].values()]
    outlined = any(each["relevance_inside"] is not None for entry in entries for each in each_class(entry))
    notes = ["outline: where the model may look"] if outlined else []
    return write_contact_sheet(folder / "contact_sheet.png", rows, columns, title=title, notes=notes)


def row_words(record: Record, index: int) -> str:
    """Say which class was explained, what the model answered, and what is true."""
    likely = max(record["probabilities"], key=record["probabilities"].get)
    explained, probability = _classes_in(record)[index]
    words = f"predicted {likely}, {percent(record['probabilities'][likely])}"
    if explained != likely:
        words = f"explained {explained}, {percent(probability)}; {words}"
    return words if record["label"] is None else f"{words}; true: {record['label']}"


def _methods_in(records: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(method for record in records for method in record["maps"]))


def _classes_in(record: Record) -> dict[int, tuple[str, float]]:
    """Classes explained by any method: name and probability by index."""
    return {
        each["class_index"]: (each["class"], each["probability"])
        for entry in record["maps"].values()
        for each in each_class(entry)
    }


def _of_class(record: Record, method: str, index: int) -> Record:
    entry = record["maps"].get(method)
    return next((each for each in each_class(entry) if each["class_index"] == index), {}) if entry else {}
