"""A prepared volume: a Zarr v3 group in the folder `<id>.zarr`.

| array | what |
|---|---|
| `ct` | int16 HU, `(D, H, W)` |
| `organs` | uint8 codes of a partition, `(D, H, W)`, if it was asked for |

Its attributes are `spacing_mm` and `affine` (as `Volume` has them), those of the source in `source_spacing_mm` and
`source_shape`, and what the writer adds. An array is one file (a shard) of compressed slabs of whole slices, so that
slices can be read without the rest and a cohort of ten thousand volumes has no million files.

A store appears whole or not at all: it is written under another name beside its own and then renamed. A part that was
lost later, in a copy or on a disk, does not pass as zeros: the fill value is none that a voxel may have.
"""

import math
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sightline.data.images import Array
from sightline.data.readers.volume import Volume
from sightline.errors import DataError, DataNotFoundError, MissingExtraError, RunError

STORE_SUFFIX = ".zarr"
STORE_HEAD = "zarr.json"
STORE_HEADS = (STORE_HEAD, f"ct/{STORE_HEAD}")
"""Files that `read_about` reads."""
_LOST = {"ct": -(1 << 15), "organs": 255}  # fill values: what is missing reads as this
_TYPES = {"ct": np.int16, "organs": np.uint8}
_SLAB = 2 << 20  # voxels of a compressed piece, about


def is_store(path: Path) -> bool:
    """Tell whether a path is the folder of a prepared volume, by its name."""
    return path.suffix.lower() == STORE_SUFFIX and path.is_dir()


def write_store(
    path: Path,
    ct: Array,
    *,
    spacing_mm: tuple[float, float, float],
    affine: Array,
    organs: Array | None = None,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write a prepared volume atomically; one that is there already is replaced.

    Args:
        path: `<id>.zarr`.
        ct: whole HU over -32,768, `(D, H, W)` int16.
        spacing_mm: between slices, rows and columns.
        affine: `(4, 4)`, as `Volume.affine`.
        organs: codes below 255, `(D, H, W)` uint8.
        about: further attributes, JSON values.

    Raises:
        MissingExtraError: zarr is not installed.
        RunError: the folder cannot be written to.
    """
    zarr = _zarr(path.name)
    arrays = {"ct": ct} | ({} if organs is None else {"organs": organs})
    attributes = {**(about or {}), "spacing_mm": [float(s) for s in spacing_mm], "affine": affine.tolist()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(path)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part"))
        try:
            group = zarr.create_group(temporary, zarr_format=3, attributes=attributes, overwrite=True)
            for name, values in arrays.items():
                _write_array(group, name, values)
            temporary.chmod(0o755)  # mkdtemp makes it private
            _rename(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise RunError(f"{path} cannot be written ({error.strerror or type(error).__name__})") from None


def _write_array(group: Any, name: str, values: Array) -> None:  # noqa: ANN401 - zarr.Group
    from zarr.codecs import BloscCodec, BloscShuffle

    slices = min(max(_SLAB // (values.shape[1] * values.shape[2]), 1), values.shape[0])
    array = group.create_array(
        name,
        shape=values.shape,
        dtype=_TYPES[name],
        chunks=(slices, *values.shape[1:]),
        shards=(math.ceil(values.shape[0] / slices) * slices, *values.shape[1:]),
        fill_value=_LOST[name],
        compressors=BloscCodec(cname="lz4", clevel=5, shuffle=BloscShuffle.bitshuffle),
        dimension_names=("slice", "row", "column"),
        config={"write_empty_chunks": True},
    )
    array[...] = values


def _rename(temporary: Path, path: Path) -> None:
    """Give a folder its name; the one that has it is put aside first, since folders cannot replace each other."""
    if path.exists():
        aside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part"))
        path.rename(aside / path.name)
        shutil.rmtree(aside, ignore_errors=True)
    temporary.rename(path)


def remove_leftovers(path: Path) -> None:
    """Remove what a killed writer of this store has left beside it."""
    for leftover in path.parent.glob(f".{path.name}.*.part"):
        if "." not in leftover.name[len(path.name) + 2 : -len(".part")]:
            shutil.rmtree(leftover, ignore_errors=True)


def read_store(path: Path, *, name: str = "") -> Volume:
    """Read the volume of a store; it keeps its whole HU, as float32.

    Args:
        path: `<id>.zarr`.
        name: what to call it in messages.

    Raises:
        DataNotFoundError: there is no such folder.
        DataError: it holds no volume, or a part of it is damaged or lost.
        MissingExtraError: zarr is not installed.
    """
    name = name or path.name
    values, about = read_array(path, "ct", name=name), read_about(path, name=name)
    try:
        slices, rows, columns = (float(length) for length in about["spacing_mm"])
        affine = np.asarray(about["affine"], np.float64).reshape(4, 4)
    except (KeyError, TypeError, ValueError):
        raise DataError(f"{name}: a store without spacing_mm and affine, so no prepared volume") from None
    return Volume(values.astype(np.float32), (slices, rows, columns), affine)


def read_array(path: Path, array: str, *, name: str = "") -> Array:
    """Read an array of a store, `ct` (int16) or `organs` (uint8); arguments and errors as `read_store`."""
    name = name or path.name
    opened = open_array(path, array, name=name)
    try:
        values: Array = np.asarray(opened[...])
    except Exception as error:  # zarr and its codecs raise anything
        raise DataError(f"{name}: array {array!r} is damaged ({type(error).__name__}); prepare it anew") from None
    if (values == _LOST[array]).any():
        raise DataError(f"{name}: array {array!r} has lost a part; prepare it anew")
    return values


def open_array(path: Path, array: str = "ct", *, name: str = "") -> Any:  # noqa: ANN401 - zarr.Array
    """Open an array of a store without reading it, for slices of it; arguments and errors as `read_store`."""
    name = name or path.name
    zarr = _zarr(name)
    if not path.is_dir():
        raise DataNotFoundError(f"{name}: no such volume")
    try:
        opened: Any = zarr.open_group(path, mode="r", zarr_format=3)[array]
        fits = opened.ndim == 3 and opened.dtype == _TYPES[array]
    except Exception as error:
        hint = "; prepare it with --organs" if array == "organs" and isinstance(error, KeyError) else ""
        raise DataError(f"{name}: no array {array!r} in it ({type(error).__name__}){hint}") from None
    if not fits:
        raise DataError(f"{name}: array {array!r} must be (slices, rows, columns) {np.dtype(_TYPES[array])}")
    return opened


def read_about(path: Path, *, name: str = "") -> dict[str, Any]:
    """Return the attributes of a store, and the `shape` of its volume; arguments and errors as `read_store`."""
    name = name or path.name
    shape = list(open_array(path, name=name).shape)
    return {**dict(_zarr(name).open_group(path, mode="r", zarr_format=3).attrs), "shape": shape}


def _zarr(name: str) -> Any:  # noqa: ANN401 - the module
    try:
        import zarr
    except ImportError as error:
        raise MissingExtraError(f"{name}: a .zarr volume needs the extra 'ct': pip install 'sightline[ct]'") from error
    return zarr
