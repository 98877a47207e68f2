"""A folder of maps to look at and to compute with: a folder a case, in it what each method drew.

```
CASE/image.png     the image as the model sees it
CASE/METHOD.png    the map over the image; METHOD.07-CLASS.png where all classes were explained
CASE/METHOD.npy    the map, float32, channels summed, at the size of the model's input: (*S), or (K, *S) of all classes
CASE/METHOD.nii.gz the same as NIfTI, its axes the other way round: (W, H), (W, H, D); all classes (W, H, 1 or D, K)
CASE/METHOD.*.dcm  DICOM objects of the result, see `sightline.reporting.dicom`
CASE/maps.json     what was asked of each method, what came out, and by which version of Sightline
```

Every file is written atomically, `maps.json` last: what it names is there and whole. Of a volume, pictures show the
slice across the first axis that holds most of the map.
"""

import gzip
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sightline import __version__
from sightline.data.images import IMAGE_SUFFIXES
from sightline.errors import RunError
from sightline.evaluation.explain_cases import Piece
from sightline.reporting.overlay import heatmap_overlay, save_image
from sightline.runs import atomic_path, write_json

Raw = Literal["", "npy", "nifti"]
SIDE = 448  # pixels of a picture
_LONGEST = 100  # letters of a folder's name
_SUFFIX: Mapping[Raw, str] = {"npy": ".npy", "nifti": ".nii.gz"}
_OF_IMAGE = ("image_sha256", "bias")  # what the model is shown depends on these
_BY_CLASS = ("class", "class_index", "logit", "probability", "relevance_inside", "gap")

Floats = NDArray[np.float32]
Record = dict[str, Any]


@dataclass(frozen=True)
class MapFolder:
    """Maps by case and method.

    Attributes:
        path: the folder.
        classes: names of the classes.
        raw: keep maps as arrays, too: `npy` or `nifti`; empty for not.
        again: replace what was drawn with other settings.
        dicom: writes a map of one class as DICOM objects into the folder of its case too, and returns the names of the
            files; None for not.
    """

    path: Path
    classes: tuple[str, ...]
    raw: Raw = ""
    again: bool = False
    dicom: Callable[[Path, Piece], list[str]] | None = None

    def record(self, name: str) -> Record:
        """Return what `maps.json` says about a case, by the name of its folder; empty where there is none.

        Raises:
            RunError: it cannot be read.
        """
        file = self.path / name / "maps.json"
        try:
            record = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {"maps": {}}
        except ValueError:
            record = None
        if not isinstance(record, dict) or not isinstance(record.get("maps"), dict):
            raise RunError(f"{file} is damaged; remove it to draw the case again")
        return record

    def missing(self, wanted: Mapping[str, Mapping[str, Record]]) -> dict[str, set[str]]:
        """Say which maps are to be drawn: those that are not there, and with `again` those that differ.

        Args:
            wanted: by the name of a case's folder and by method, what is asked of the method, as JSON can hold it.

        Returns:
            Names of methods, by the name of the folder.

        Raises:
            RunError: there are maps that were drawn with other settings, and `again` is off.
        """
        left: dict[str, set[str]] = {}
        others: list[str] = []
        for name, methods in wanted.items():
            there = self.record(name)["maps"]
            left[name] = {method for method in methods if not self._is_whole(name, there.get(method))}
            for method in methods:
                if method in there and (difference := _difference(there[method], methods[method])):
                    left[name].add(method)
                    others.append(f"{method} of {name} was drawn with {difference}")
        if others and not self.again:
            more = f" (and {len(others) - 1} more)" if len(others) > 1 else ""
            raise RunError(f"{self.path}: {others[0]}{more}; replace with --again, or choose another --out")
        return left

    def write(self, name: str, pieces: Iterable[Piece], asked: Record, about: Record) -> None:
        """Write the maps of one case by one method, as they come.

        Args:
            name: of the folder of the case.
            pieces: all of them, at least one.
            asked: what was asked, as JSON can hold it; `missing` compares it. Among its keys are `method`, `target`,
                and `image_sha256` and `bias` of the image.
            about: further facts of the case.
        """
        folder, method, every = self.path / name, asked["method"], asked["target"] == "every"
        record, shown = self._cleared(name, method), {key: asked.get(key) for key in _OF_IMAGE}
        array = folder / f"{method}{_SUFFIX[self.raw]}" if self.raw else None
        entry: Record = {**asked, "sightline": __version__, "file": array and array.name, "pictures": []}
        values: dict[str, list[Any]] = {}
        with _array(array, several=every) as add:
            for piece in pieces:
                if (
                    any(record.get(key) != value for key, value in shown.items())
                    or not (folder / "image.png").is_file()
                ):
                    save_image(heatmap_overlay(*_slice(piece.image), size=SIDE), folder / "image.png")
                    record |= shown
                add(piece)
                entry["pictures"] += self._draw(folder, method, piece, every=every)
                entry["shape"] = [*([piece.total] if every else []), *piece.maps.shape[1:]]
                entry["drawn_at"] = list(piece.drawn_at)
                for key, column in self._columns(piece).items():
                    values.setdefault(key, []).extend(column)
                record |= self._answers(piece)
        if self.dicom is not None:
            entry["dicom"] = self.dicom(folder, piece)
        entry |= values if every else {key: value for key, (value,) in values.items()}
        write_json(folder / "maps.json", {**about, **record, **about, "maps": {**record["maps"], method: entry}})

    def _cleared(self, name: str, method: str) -> Record:
        """The record without a method, whose files are removed."""
        record = self.record(name)
        entry = record["maps"].pop(method, None)
        if entry is not None:
            write_json(self.path / name / "maps.json", record)
            for file in _files(entry):
                (self.path / name / file).unlink(missing_ok=True)
        return record

    def _is_whole(self, name: str, entry: Record | None) -> bool:
        if entry is None or (self.raw and not (entry["file"] or "").endswith(_SUFFIX[self.raw])):
            return False
        if self.dicom is not None and not entry.get("dicom"):
            return False
        return all((self.path / name / file).is_file() for file in ("image.png", *_files(entry)))

    def _draw(self, folder: Path, method: str, piece: Piece, *, every: bool) -> list[str]:
        names = []
        for index, drawn, region in zip(piece.classes.tolist(), piece.maps, piece.regions, strict=True):
            part = f".{index:02d}-{_plain(self.classes[index])}" if every else ""
            names.append(f"{method}{part}.png")
            save_image(heatmap_overlay(*_slice(piece.image, drawn, region), size=SIDE), folder / names[-1])
        return names

    def _columns(self, piece: Piece) -> dict[str, list[Any]]:
        indices = piece.classes.tolist()
        offset = len(self.classes) - len(piece.logits)
        return {
            "class": [self.classes[index] for index in indices],
            "class_index": indices,
            "logit": [float(piece.logits[index - offset]) for index in indices],
            "probability": [float(piece.probabilities[index]) for index in indices],
            "relevance_inside": piece.relevance_inside.tolist(),
            "gap": [None] * len(indices) if piece.gap is None else piece.gap.tolist(),
        }

    def _answers(self, piece: Piece) -> Record:
        outputs = self.classes[len(self.classes) - len(piece.logits) :]
        return {
            "logits": dict(zip(outputs, piece.logits.tolist(), strict=True)),
            "probabilities": dict(zip(self.classes, piece.probabilities.tolist(), strict=True)),
        }


def each_class(entry: Record) -> list[Record]:
    """Split what `maps.json` says about a method by class: `class`, `logit`, `picture` and so on."""
    several = isinstance(entry["class"], list)
    columns = {key: entry[key] if several else [entry[key]] for key in _BY_CLASS} | {"picture": entry["pictures"]}
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def folder_names(cases: Sequence[str]) -> dict[str, str]:
    """Name a folder for each case: the case without its suffix and without what the name of a file may not hold.

    Cases that would share a folder get a part of their checksum, too.
    """
    plain = {case: _plain(_without_suffix(case)) for case in cases}
    counts = Counter(name.casefold() for name in plain.values())
    return {
        case: name
        if counts[name.casefold()] == 1 and len(name) <= _LONGEST
        else f"{name[:_LONGEST]}-{hashlib.sha256(case.encode()).hexdigest()[:8]}"
        for case, name in plain.items()
    }


def _without_suffix(case: str) -> str:
    stem, dot, suffix = case.rpartition(".")
    return stem if dot + suffix.lower() in IMAGE_SUFFIXES and stem else case


def _plain(name: str) -> str:
    letters = "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in name)
    return "_" + letters.lstrip(".") if letters.startswith(".") or not letters else letters


def _files(entry: Record) -> list[str]:
    return [*entry["pictures"], *([entry["file"]] if entry["file"] else []), *entry.get("dicom", ())]


def _difference(entry: Record, asked: Record) -> str:
    """What differs first in words, empty where nothing does."""
    there, wanted = (dict(_leaves({key: record.get(key) for key in asked})) for record in (entry, asked))
    for key in [*wanted, *there]:
        if there.get(key) != wanted.get(key):
            return f"{key} {there.get(key)}, not {wanted.get(key)}"
    return ""


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(item, f"{key}.{name}" if key else name)
    else:
        yield key, value


def _slice(image: Floats, *maps: Floats) -> tuple[Floats, ...]:
    """Image, map and region as they are, or of a volume the slice with most of the map, or the middle one."""
    if image.ndim != 4:
        return image, *maps
    mass = np.abs(maps[0]).sum((1, 2)) if maps else np.zeros(1)
    at = int(mass.argmax()) if mass.any() else image.shape[1] // 2
    return image[:, at], *(one[at] for one in maps)


@contextmanager
def _array(path: Path | None, *, several: bool) -> Iterator[Callable[[Piece], None]]:
    """Yield a function that adds maps to the array in `path`, whose shape the first ones tell."""
    if path is None:
        yield lambda piece: None
        return
    kept: list[Floats] = []
    filled = 0
    with atomic_path(path) as temporary, TemporaryDirectory() as folder:
        is_nifti = path.name.endswith(_SUFFIX["nifti"])
        stored = Path(folder) / "maps.npy" if is_nifti else temporary

        def add(piece: Piece) -> None:
            nonlocal filled
            if not kept:
                shape = (*([piece.total] if several else []), *piece.maps.shape[1:])
                kept.append(np.lib.format.open_memmap(stored, mode="w+", dtype=np.dtype("<f4"), shape=shape))
            rows = kept[0] if several else kept[0][None]
            rows[filled : filled + len(piece.maps)] = piece.maps
            filled += len(piece.maps)

        yield add
        for array in kept:
            array.flush()  # type: ignore[attr-defined]  # of a memory map
            if is_nifti:
                _write_nifti(temporary, array[:, None] if several and array.ndim == 3 else array)
        kept.clear()


def _write_nifti(path: Path, maps: Floats) -> None:
    import nibabel

    image = nibabel.Nifti1Image(np.ascontiguousarray(maps.T), None)  # type: ignore[no-untyped-call]
    with path.open("wb") as file, gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0) as packed:
        packed.write(image.to_bytes())
