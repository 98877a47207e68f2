"""Reports from a table or a folder of text files."""

import csv
from dataclasses import dataclass
from pathlib import Path

from sightline.errors import DataError, DataNotFoundError

_TEXTS = ("text", "report", "Text", "Report", "report_text")
_MOST_CHARACTERS = 10_000_000  # of a cell


@dataclass(frozen=True)
class ReportFile:
    """A report.

    Attributes:
        id: of the report.
        text: empty if it is, or if it cannot be read.
        problem: why it cannot be read; empty if it can.
    """

    id: str
    text: str
    problem: str = ""


def read_reports(path: Path) -> list[ReportFile]:
    """Read reports.

    Args:
        path: a CSV with the columns `id` and `text` (or `report`), or a folder of `.txt` files, whose names are ids.

    Returns:
        The reports, in the order of the table or of the names.

    Raises:
        DataNotFoundError: there is nothing of that name, or no text file in the folder.
        DataError: the table has other columns, an id twice or none.
    """
    if path.is_dir():
        files = sorted(path.glob("*.txt"))
        if not files:
            raise DataNotFoundError(f"{path} has no .txt files; reports are such files, or a CSV with id and text")
        return [_read_file(file) for file in files]
    if not path.is_file():
        raise DataNotFoundError(f"{path} is neither a folder of .txt files nor a CSV with the columns id and text")
    return _read_table(path)


def _read_file(file: Path) -> ReportFile:
    try:
        return ReportFile(file.stem, _decoded(file.read_bytes()))
    except (OSError, UnicodeError) as error:
        return ReportFile(file.stem, "", f"{file.name} cannot be read: {error}")


def _decoded(data: bytes) -> str:
    if b"\0" in data and data[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        raise UnicodeError("it is no text")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252")


def _read_table(path: Path) -> list[ReportFile]:
    limit = csv.field_size_limit(_MOST_CHARACTERS)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            columns = list(reader.fieldnames or ())
            column = next((name for name in _TEXTS if name in columns), None)
            if "id" not in columns or column is None:
                raise DataError(
                    f"{path} must have the columns id and text (or report), got {', '.join(columns) or 'none'}"
                )
            reports = [ReportFile((row["id"] or "").strip(), row[column] or "") for row in reader]
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no CSV in UTF-8: {error}") from None
    finally:
        csv.field_size_limit(limit)
    ids: set[str] = set()
    for number, report in enumerate(reports, 1):
        if not report.id or report.id in ids:
            raise DataError(
                f"{path}: report {number} has {f'the id {report.id!r} of another' if report.id else 'no id'}"
            )
        ids.add(report.id)
    if not reports:
        raise DataError(f"{path} has no reports")
    return reports
