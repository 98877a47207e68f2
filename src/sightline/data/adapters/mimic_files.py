"""Films of MIMIC-CXR for data sets that add something to them and do not hold them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from sightline.data.adapters.layout import found_in
from sightline.data.cohort import Case
from sightline.data.readers.dicom import read_about
from sightline.data.readers.picture import picture_size
from sightline.errors import DataNotFoundError

_SUFFIXES = (".dcm", ".jpg", ".png")
_SPLITS = {"train": "train", "valid": "val", "validate": "val", "val": "val", "test": "test"}


@dataclass(frozen=True)
class MimicFilms:
    """Where the films are.

    Args:
        folder: of MIMIC-CXR or MIMIC-CXR-JPG, up to two above `files/p10/p10000032/s50414267/<dicom_id>.dcm` or
            `.jpg`; or of some of its films alone, as `<dicom_id>.jpg` in it or in folders up to two below. Where one of
            these is called train, valid or test, that is the split.
    """

    folder: Path

    def find(self, path: PurePosixPath) -> Path:
        """Return the film that MIMIC-CXR calls `.../files/p10/...`, whether it is there or not."""
        if self._tree is not None:
            film = self._tree / str(path).rpartition("files/")[2]
            return next((there for suffix in _SUFFIXES if (there := film.with_suffix(suffix)).is_file()), film)
        return self._flat.get(path.stem, self.folder / path.name)

    def split(self, film: Path) -> str:
        """Return the split that the folder of a film names, else nothing."""
        below = film.relative_to(self.folder).parts[:-1] if film.is_relative_to(self.folder) else ()
        return next((_SPLITS[part.casefold()] for part in below if part.casefold() in _SPLITS), "")

    def check(self, cases: Sequence[Case], *, title: str) -> None:
        """Check that the folder is the right one.

        Raises:
            DataNotFoundError: none of the films is there.
        """
        if cases and not any(case.image.is_file() for case in cases):
            raise DataNotFoundError(
                f"{title}: none of its {len(cases):,} films is in {self.folder.name or self.folder}, "
                f"{found_in(self.folder)}; they are those of MIMIC-CXR or MIMIC-CXR-JPG: say images=FOLDER, the folder "
                "that holds files/p10"
            )

    @cached_property
    def _tree(self) -> Path | None:
        folders = (self.folder, self.folder / "files", *self.folder.glob("*/files"), *self.folder.glob("*/*/files"))
        return next((folder for folder in folders if any(folder.glob("p1[0-9]"))), None)

    @cached_property
    def _flat(self) -> Mapping[str, Path]:
        films = (film for depth in ("*", "*/*", "*/*/*") for film in sorted(self.folder.glob(depth)))
        return {film.stem: film for film in films if film.suffix.lower() in _SUFFIXES}


def film_size(film: Path) -> tuple[int, int]:
    """Return height and width of a film as its file stores it, pixels.

    Raises:
        DataError: the file cannot be read.
    """
    if film.suffix.lower() == ".dcm":
        about = read_about(film)
        return int(about["rows"]), int(about["columns"])
    return picture_size(film, name=film.name)
