"""A folder that is there whole or not at all."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sightline.errors import ExportError

_OURS = ("model.json", "config.json", "configs/metadata.json")  # one of them is in every folder that we write


def check_place(target: Path, *, again: bool) -> None:
    """Check that a folder can be written.

    Raises:
        ExportError: it is there, and is not to be replaced, or is nothing that an export wrote.
    """
    if not target.exists() and not target.is_symlink():
        return
    if not again:
        raise ExportError(f"{target} exists already; replace it with --again, or choose another folder with --out")
    if target.is_symlink() or not any((target / name).is_file() for name in _OURS):
        raise ExportError(f"{target} was not written by an export, so it is not replaced; choose another with --out")


@contextmanager
def new_folder(target: Path, *, again: bool = False) -> Iterator[Path]:
    """Yield an empty folder that becomes `target` when the block ends well, and vanishes when it does not.

    Args:
        target: name that it gets; its parents are made.
        again: replace what an earlier export wrote.

    Raises:
        ExportError: see `check_place`.
    """
    check_place(target, again=again)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.", suffix=".part") as name:
        made, old = Path(name) / "new", Path(name) / "old"
        made.mkdir()
        yield made
        if target.exists():
            target.rename(old)
        try:
            made.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise


def sizes(folder: Path) -> dict[str, int]:
    """Return the bytes of each file below a folder, by its path there."""
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    return {file.relative_to(folder).as_posix(): file.stat().st_size for file in files}
