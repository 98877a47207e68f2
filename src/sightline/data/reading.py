"""Reading a cohort from whatever the user has: a table, here or in a store, or a folder of class folders."""

from pathlib import Path

from sightline.data.cohort import Cohort
from sightline.data.folders import read_class_folders
from sightline.data.table import SETTINGS_NAME, TABLE_NAME, read_table
from sightline.errors import DataError, DataNotFoundError
from sightline.stores import mirrored, refreshed
from sightline.urls import url_of


def read_cohort(path: Path) -> Cohort:
    """Read a cohort: the table in or at `path` (see `table`), or else its class folders (see `folders`).

    No image is opened; `check_cohort` does that. Of a cohort in a store the table is loaded, and a file when it is
    opened.

    Args:
        path: a folder with `cohort.csv`, a folder of class folders, or a `.csv` file; or the address of a folder with
            `cohort.csv`, or of a `.csv` file, such as `s3://bucket/folder`.

    Raises:
        DataNotFoundError: `path` is not there.
        DataError: it is neither a table nor class folders, or a row cannot be used.
        SettingsError: the address holds a secret.
        ServerError: the store refuses or does not answer.
        MissingExtraError: the package for this kind of store is not installed.
    """
    path = Path(path)
    if (url := url_of(path)) is not None:
        return _from_store(url)
    if not path.exists():
        raise DataNotFoundError(f"no cohort at {path}: no such file or folder")
    if path.is_dir():
        return read_table(path / TABLE_NAME) if (path / TABLE_NAME).is_file() else read_class_folders(path)
    if path.suffix.lower() != ".csv":
        raise DataError(f"cohort {path} is neither a folder nor a .csv table")
    return read_table(path)


def _from_store(url: str) -> Cohort:
    place = mirrored(url)
    table = place if place.suffix.lower() == ".csv" else place / TABLE_NAME
    if not refreshed(table):
        raise DataNotFoundError(
            f"no cohort at {url}: the store has no {table.name} there; "
            "folders of classes are not looked through in a store, so put a table beside them"
        )
    refreshed(table.with_name(SETTINGS_NAME))
    return read_table(table)
