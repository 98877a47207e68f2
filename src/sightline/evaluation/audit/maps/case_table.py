"""What a part measured, one row a case, as a table that people can open."""

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from sightline.data.cohort import Case
from sightline.errors import DataNotFoundError
from sightline.evaluation.audit.part import Array
from sightline.evaluation.audit.store import Folder
from sightline.runs import write_text


def write_case_table(
    folder: Folder, part: str, cases: Sequence[Case], columns: Mapping[str, Array | Sequence[str]]
) -> dict[str, str]:
    """Write `tables/PART.csv`: case, patient and source, then the columns; empty where unknown.

    Args:
        folder: of the audit.
        part: name of the part.
        cases: N cases.
        columns: by name, `(N,)`.

    Returns:
        What it shows and its name, for `Section.files`.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["case", "patient", "source", *columns])
    for row, case in enumerate(cases):
        writer.writerow([case.id, case.patient, case.source, *(_cell(column[row]) for column in columns.values())])
    name = f"tables/{part}.csv"
    write_text(folder.path / name, text.getvalue())
    return {"case by case": name}


def read_case_table(folder: Path, part: str) -> dict[str, list[str]]:
    """Read the table of a part: cells by name of the column.

    Args:
        folder: of the audit.
        part: name of the part.

    Raises:
        DataNotFoundError: there is none.
    """
    file = folder / "tables" / f"{part}.csv"
    if not file.is_file():
        raise DataNotFoundError(f"{file} is not there; audit a model that can be explained first")
    with file.open(encoding="utf-8", newline="") as stream:
        header, *rows = csv.reader(stream)
    return {name: [row[column] for row in rows] for column, name in enumerate(header)}


def _cell(value: object) -> str:
    if isinstance(value, float):  # of numpy too
        return "" if math.isnan(value) else repr(float(value))
    return str(value)
