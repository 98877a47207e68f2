"""Lists that choose images of a data set by name."""

import re
from pathlib import Path, PurePosixPath

from sightline.data.adapters.layout import user_file


def read_names(root: Path, path: Path, *, title: str) -> frozenset[str]:
    """Return whatever a list or a table of the user names: each cell, without the folder and the suffix of a file.

    Raises:
        DataNotFoundError: there is no such file in the download folder, nor where the user is.
    """
    cells = re.split(r'[\s,;"]+', user_file(root, path, title=title).read_text(encoding="utf-8-sig"))
    return frozenset(PurePosixPath(cell).stem for cell in cells if cell)
