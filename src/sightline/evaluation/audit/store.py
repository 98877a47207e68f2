"""The folder of an audit: what was measured so far, so that an audit that was killed goes on where it was."""

import hashlib
import json
import logging
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline import __version__
from sightline.errors import RunError
from sightline.evaluation.audit.section import Section
from sightline.runs import atomic_path, is_empty, write_json

Array = NDArray[Any]
_CONCLUDING = ("resampling",)  # what is measured does not depend on it
_CODE = "sightline"
"""Key of the version that measured: in `asked.json` that which began the audit, in a chunk that of the chunk."""
_log = logging.getLogger(__name__)


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
            if different := self._different(wanted):
                raise RunError(
                    f"{self.path} holds an audit with another {', '.join(different)}; choose another folder with "
                    "--out, or replace it with --again"
                )
            return
        if taken and not file.is_file():
            raise RunError(f"{self.path} holds something else than an audit; choose another folder with --out")
        if again:
            self._forget()
        write_json(file, {**wanted, _CODE: __version__})

    def check(self, asked: Mapping[str, Any]) -> None:
        """See that the audit of this folder is that which another process has begun.

        Raises:
            RunError: there is none, or it is of something else than this process sees.
        """
        if not (self.path / "asked.json").is_file():
            raise RunError(f"no audit in {self.path} for a process that measures; do all machines see the same files?")
        different = [key for key in self._different(json.loads(json.dumps(asked))) if key not in _CONCLUDING]
        if different:
            raise RunError(
                f"a process that measures sees another {', '.join(different)} than the command did; do all machines "
                "see the same files, and is the model the same each time that it is opened?"
            )

    def _different(self, wanted: Mapping[str, Any]) -> list[str]:
        """Names of what the audit was begun with otherwise."""
        before = json.loads((self.path / "asked.json").read_text(encoding="utf-8"))
        begun = before.pop(_CODE, __version__)
        if begun != __version__:
            _log.warning("%s was begun by sightline %s; --again measures all by %s", self.path, begun, __version__)
        return sorted(key for key in {*before, *wanted} if before.get(key) != wanted.get(key))

    def _forget(self) -> None:
        """Remove what an earlier audit measured and concluded."""
        for pattern in ("measured/*/*.npz", "sections/*.json"):
            for file in self.path.glob(pattern):
                file.unlink()

    def write_chunk(self, part: str, number: int, values: Mapping[str, Array]) -> None:
        """Keep what a part measured of the cases of one chunk, atomically."""
        with atomic_path(self._chunk(part, number)) as temporary, temporary.open("wb") as stream:
            np.savez_compressed(stream, **values, **{_CODE: np.array(__version__)})  # type: ignore[arg-type]  # by name

    def read_chunk(self, part: str, number: int) -> dict[str, Array] | None:
        """Return what was kept; None where nothing was, or nothing that can be read."""
        file = self._chunk(part, number)
        try:
            with np.load(file, allow_pickle=False) as held:
                return {name: array for name, array in held.items() if name != _CODE}
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
