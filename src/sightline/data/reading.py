"""Reading a cohort from whatever the user has: a table or a folder of class folders."""

from pathlib import Path

from sightline.data.cohort import Cohort
from sightline.data.folders import read_class_folders
from sightline.data.table import TABLE_NAME, read_table
from sightline.errors import DataError, DataNotFoundError


def read_cohort(path: Path) -> Cohort:
    """Read a cohort: the table in or at `path` (see `table`), or else its class folders (see `folders`).

    No image is opened; `check_cohort` does that.

    Args:
        path: a folder with `cohort.csv`, a folder of class folders, or a `.csv` file.

    Raises:
        DataNotFoundError: `path` is not there.
        DataError: it is neither a table nor class folders, or a row cannot be used.
    """
    path = Path(path)
    if not path.exists():
        raise DataNotFoundError(f"no cohort at {path}: no such file or folder")
    if path.is_dir():
        return read_table(path / TABLE_NAME) if (path / TABLE_NAME).is_file() else read_class_folders(path)
    if path.suffix.lower() != ".csv":
        raise DataError(f"cohort {path} is neither a folder nor a .csv table")
    return read_table(path)
