"""The folder of an audit: what was measured so far, so that an audit that was killed goes on where it was."""

import hashlib
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.errors import RunError
from sightline.evaluation.audit.section import Section
from sightline.runs import atomic_path, is_empty, write_json

Array = NDArray[Any]


@dataclass(frozen=True)
class Folder:
    """Files of an audit: `asked.json`, `measured/PART/NUMBER.npz`, `sections/PART.json`, and pictures and tables.

    Attributes:
        path: the folder.
    """

    path: Path

    def begin(self, asked: Mapping[str, Any], *, again: bool = False) -> None:
        """Say what is audited, or see that it is what was audited before.

        Args:
            asked: all that results depend on: model, cases, options.
            again: forget what was measured with other settings.

        Raises:
            RunError: the folder holds an audit of something else, or something that is no audit.
        """
        file = self.path / "asked.json"
        taken = self.path.is_dir() and not is_empty(self.path)  # asked first: another process may begin it now
        wanted = json.loads(json.dumps(asked))
        if file.is_file() and not again:
            before = json.loads(file.read_text(encoding="utf-8"))
            different = sorted(key for key in {*before, *wanted} if before.get(key) != wanted.get(key))
            if different:
                raise RunError(
                    f"{self.path} holds an audit with another {', '.join(different)}; choose another folder with "
                    "--out, or replace it with --again"
                )
            return
        if taken and not file.is_file():
            raise RunError(f"{self.path} holds something else than an audit; choose another folder with --out")
        if again:
            self._forget()
        write_json(file, wanted)

    def _forget(self) -> None:
        """Remove what an earlier audit measured and concluded."""
        for pattern in ("measured/*/*.npz", "sections/*.json"):
            for file in self.path.glob(pattern):
                file.unlink()

    def write_chunk(self, part: str, number: int, values: Mapping[str, Array]) -> None:
        """Keep what a part measured of the cases of one chunk, atomically."""
        with atomic_path(self._chunk(part, number)) as temporary, temporary.open("wb") as stream:
            np.savez_compressed(stream, **values)  # type: ignore[arg-type]  # arrays by name

    def read_chunk(self, part: str, number: int) -> dict[str, Array] | None:
        """Return what was kept; None where nothing was, or nothing that can be read."""
        file = self._chunk(part, number)
        try:
            with np.load(file, allow_pickle=False) as held:
                return dict(held)
        except FileNotFoundError:
            return None
        except (OSError, EOFError, ValueError, zlib.error, zipfile.BadZipFile):
            file.unlink()
            return None

    def write_section(self, section: Section) -> None:
        """Keep what a part found, atomically."""
        write_json(self.path / "sections" / f"{section.name}.json", section.as_dict())

    def read_section(self, part: str) -> Section | None:
        """Return what a part found; None where it is not there."""
        file = self.path / "sections" / f"{part}.json"
        return Section.from_dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else None

    def _chunk(self, part: str, number: int) -> Path:
        return self.path / "measured" / part / f"{number:05d}.npz"


def fingerprint(named: Mapping[str, Array]) -> str:
    """Return a checksum of arrays and their names, hexadecimal."""
    digest = hashlib.sha256()
    for name in sorted(named):
        array = np.ascontiguousarray(named[name])
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
