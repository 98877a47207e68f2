"""Which volumes lie under a folder: DICOM series, NIfTI files and prepared volumes.

A place is a folder with DICOM files in it, a NIfTI file or a `.zarr` folder; places are found without opening a file,
so that machines that share a tree can divide them. Series in one folder are told apart by their headers. Each volume
gets a name from its path, of letters that any file system takes, which is the same whatever part of the tree is asked
for.
"""

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sightline.data.images import DICOM, NIFTI
from sightline.data.readers.dicom_file import broken_is_data_error, open_dicom
from sightline.data.readers.files import image_stem, image_suffix, is_image_file, starts_as_dicom
from sightline.data.readers.series import holds_image
from sightline.data.volumes.store import STORE_SUFFIX
from sightline.errors import DataError, DataNotFoundError

_LONGEST = 100  # of a name, characters


@dataclass(frozen=True)
class Place:
    """Where one volume or several series lie.

    Attributes:
        id: name of its volume, unique among those found together.
        name: what to call it in messages and tables, relative to the folder that was searched.
        path: a folder with DICOM files, or a file, or a `.zarr` folder.
    """

    id: str
    name: str
    path: Path


@dataclass(frozen=True)
class Source:
    """One volume to be prepared.

    Attributes:
        id: its name; of the second series of a folder `<folder>~2`.
        name: what to call it in messages and tables.
        path: the folder or file.
        files: those of the folder that are its slices; none for all.
    """

    id: str
    name: str
    path: Path
    files: tuple[Path, ...] = ()


def find_places(root: Path, *, but: Path | None = None) -> list[Place]:
    """Find the places at or under a folder, in the order of their names; hidden files and folders are left out.

    Args:
        root: the folder, or a single file or store.
        but: a folder below it that is left out, too.

    Raises:
        DataNotFoundError: there is no such folder or file.
        DataError: there is no volume in it.
    """
    root = Path(root).absolute()
    if not root.exists():
        raise DataNotFoundError(f"no folder {root.name}; give a folder of DICOM series or NIfTI files, or a cohort")
    paths = sorted(_paths(root, but.absolute() if but else None))
    if not paths:
        raise DataError(f"{root.name}: no DICOM series, NIfTI files or .zarr volumes in it")
    names = [(path.relative_to(root) if path != root else Path(path.name)).as_posix() for path in paths]
    ids = plain_names([Path(name).with_name(_stem(path)).as_posix() for name, path in zip(names, paths, strict=True)])
    return [Place(each, name, path) for each, name, path in zip(ids, names, paths, strict=True)]


def _paths(root: Path, but: Path | None) -> Iterator[Path]:
    if root.suffix.lower() == STORE_SUFFIX or root.is_file():
        yield root
        return
    seen: set[Path] = set()  # links may lead in circles
    for folder, below, files in os.walk(root, followlinks=True):
        here = Path(folder)
        if here.resolve() in seen:
            below.clear()
            continue
        seen.add(here.resolve())
        below.sort()
        below[:] = [name for name in below if here / name != but and not name.startswith(".")]
        stores = [name for name in below if Path(name).suffix.lower() == STORE_SUFFIX]
        below[:] = [name for name in below if name not in stores]
        yield from (here / name for name in stores)
        yield from (here / name for name in files if image_suffix(Path(name)) in NIFTI and not name.startswith("."))
        if any(_is_dicom(here / name) for name in files):
            yield here


def _is_dicom(path: Path) -> bool:
    suffix = image_suffix(path)
    return is_image_file(path) and (suffix in DICOM or (suffix == "" and starts_as_dicom(path)))


def _stem(path: Path) -> str:
    return path.stem if path.suffix.lower() == STORE_SUFFIX else image_stem(path) if path.is_file() else path.name


def plain_names(names: Sequence[str]) -> list[str]:
    """Make names of letters, digits and `._-`; names that would be alike get a checksum."""
    plain = ["".join(c if c.isalnum() or c in "._-" else "_" for c in name).strip(".") for name in names]
    counts = Counter(name.casefold() for name in plain)
    return [
        short
        if 0 < len(short) <= _LONGEST and counts[short.casefold()] == 1
        else f"{short[:_LONGEST]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        for name, short in zip(names, plain, strict=True)
    ]


def needs_headers(place: Place) -> bool:
    """Tell whether headers have to be read to know the volumes of a place."""
    return place.path.suffix.lower() != STORE_SUFFIX and place.path.is_dir()


def sources_at(place: Place) -> list[Source]:
    """Return the volumes at a place, those of a folder by the first of their files' names.

    The headers of all its DICOM files are read. Reports and the like are left out. A file that cannot be read counts to
    every series beside it, since nobody knows which of them lacks it.
    """
    if not needs_headers(place):
        return [Source(place.id, place.name, place.path)]
    series: dict[str, list[Path]] = defaultdict(list)
    unreadable: list[Path] = []
    for file in sorted(file for file in place.path.iterdir() if _is_dicom(file)):
        label = f"{place.name}/{file.name}"
        try:
            with broken_is_data_error(label):
                header = open_dicom(file, pixels=False, name=label)
                if holds_image(header, label):
                    series[str(header.get("SeriesInstanceUID") or "")].append(file)
        except DataError:
            unreadable.append(file)
    if unreadable and not series:
        series[""] = []
    found = sorted((sorted([*files, *unreadable]) for files in series.values()), key=lambda files: files[0])
    if len(found) == 1:
        return [Source(place.id, place.name, place.path, tuple(found[0]))]
    return [
        Source(f"{place.id}~{number}", f"{place.name} (series {number})", place.path, tuple(files))
        for number, files in enumerate(found, start=1)
    ]
