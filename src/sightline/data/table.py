"""A cohort as `cohort.csv` with `cohort.yaml` beside it.

`cohort.yaml` has the keys `task` (multiclass, binary or multilabel), `classes` (their names in order), `value_range`
(the two pixel values that stand for black and white) and `units`; all but `classes` of a multilabel cohort may be left
out.

`cohort.csv` has one row an image. File names are relative to its folder, or addresses in a store (`s3://bucket/film.png`).

| column | meaning | left out |
|---|---|---|
| `image` | file of the image | must be there |
| `label` | name of the class | a column per class instead: 1, 0, or empty if unknown (multilabel) |
| `id` | name of the image | as `image` |
| `patient` | who is on it | every image is a patient of its own |
| `source`, `split` | where it comes from; train, val, test or another name | empty |
| `mask`, `mask:<class>` | file of the region for all classes or for one | region unknown |
| `image:<variant>` | the same image as `off` (without its known bias) or `swapped` | no variant |
| `gaze`, `report` | file of where a reader looked, or of what was written | not known |
| `sha256` | checksum of the image file | not checked |

Other columns (`study`, `view`, `age`, ...) are kept as text in `about`, unless the name of one resembles a column that
is missing.
"""

import csv
import io
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from sightline.data.case_table import Block
from sightline.data.cohort import Case, Cohort
from sightline.data.table_cache import kept_cohort
from sightline.data.table_columns import COLUMNS, hint
from sightline.data.table_head import read_head
from sightline.data.table_rows import Row, read_rows
from sightline.errors import DataError, DataNotFoundError
from sightline.stores import put_text, store_url

TABLE_NAME, SETTINGS_NAME = "cohort.csv", "cohort.yaml"


def read_table(path: Path) -> Cohort:
    """Read a cohort from its table and the `cohort.yaml` beside it, if there is one.

    Args:
        path: the `.csv` file.

    Raises:
        DataNotFoundError: there is no such file.
        DataError: a row, column or key cannot be used; all unusable rows are counted, the first is named.
    """
    if not path.is_file():
        raise DataNotFoundError(f"no table at {path}")
    settings = path.parent.absolute() / SETTINGS_NAME

    def make() -> tuple[Cohort, Iterator[Block]]:
        return read_rows(path, partial(table_rows, path), partial(read_head, settings), settings=SETTINGS_NAME)

    return kept_cohort(path, settings, make)


def write_cohort(cohort: Cohort, folder: Path) -> Path:
    """Write `cohort.yaml` and `cohort.csv` atomically, file names relative to `folder`; return its path."""
    head: dict[str, Any] = {"task": cohort.task, "classes": list(cohort.classes)}
    if cohort.value_range is not None:
        head["value_range"] = list(cohort.value_range)
    if cohort.units:
        head["units"] = cohort.units
    folder = Path(folder)
    rows = [_row(case, cohort, folder.absolute()) for case in cohort.cases]
    names = tuple(dict.fromkeys(name for row in rows for name in row))
    required = {"image", *(cohort.classes if cohort.task == "multilabel" else ["label"])}
    columns = [name for name in names if name in required or any(row.get(name) for row in rows)]
    missing = [name for name in COLUMNS if name not in columns]
    own = {name for case in cohort.cases for name in case.about}.intersection(columns)
    columns += [name for name in missing if any(hint(column, [name]) for column in own)]  # else it would be refused
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    put_text(folder / SETTINGS_NAME, yaml.safe_dump(head, sort_keys=False, allow_unicode=True))
    put_text(folder / TABLE_NAME, text.getvalue())
    return folder / TABLE_NAME


def table_rows(path: Path) -> Iterator[Row]:
    """Yield the rows of a table that are not blank, after its header."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            yield 1, [name.strip() for name in next(reader, [])]
            for row in reader:
                if row:
                    yield reader.line_num, [cell.strip() for cell in row]
    except OSError as error:
        raise DataError(f"{path.name}: cannot be read: {error.strerror}") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path.name} is not a table of comma-separated values in UTF-8: {error}") from None


def _row(case: Case, cohort: Cohort, folder: Path) -> dict[str, str]:
    def name(path: Path | None) -> str:
        if path is None:
            return ""
        url = None if path.is_relative_to(folder) else store_url(path)
        return url or Path(os.path.relpath(path, folder)).as_posix()

    if isinstance(case.label, int):
        labels = {"label": cohort.classes[case.label]}
    else:
        labels = {c: "" if v != v else f"{v:g}" for c, v in zip(cohort.classes, case.label, strict=True)}
    about = {"id": case.id, "image": name(case.image), **labels, "patient": case.patient}
    more = {"source": case.source, "split": case.split, "mask": name(case.mask)}
    more |= {"gaze": name(case.gaze), "report": name(case.report), "sha256": case.sha256}
    masks = {f"mask:{c}": name(path) for c, path in case.class_masks.items()}
    variants = {f"image:{v}": name(path) for v, path in case.variants.items()}
    known = about | more | masks | variants
    return known | {column: cell for column, cell in case.about.items() if column not in known}
