"""Maps of a few cases, kept so that a report can draw them: one file `maps.npz` in a folder.

For case number i the file holds `attribution_i` (float16, divided by its largest absolute value), `image_i` (uint8),
`region_i` (float16, NaN where unknown); and for all cases together `cases`, `explained`, `scales`.
"""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from sightline.errors import DataError, DataNotFoundError
from sightline.runs import atomic_path

Array = NDArray[np.float32]
_NAME = "maps.npz"


@dataclass(frozen=True, eq=False)
class CaseMap:
    """One image, where a model may look in it, and where it did.

    Attributes:
        image: the model's input in [0, 1], `(1, *S)` if all its channels are equal, else `(C, *S)`.
        attribution: signed explanation summed over channels, on the scale of the logit, `(*S)`.
        region: 1 where the model may look, 0 where not, NaN where unknown, `(1, *S)`.
        explained: index of the class explained; -1 where no single one was.
    """

    image: Array
    attribution: Array
    region: Array
    explained: int = -1


def write_maps(folder: Path, maps: Mapping[str, CaseMap]) -> Path:
    """Write maps by case into a folder, atomically and small: they are for looking at.

    The image is rounded to 256 levels, attribution and region to half precision, each map by its own scale.

    Returns:
        The file written.
    """
    scales = [float(np.abs(kept.attribution).max(initial=0.0)) or 1.0 for kept in maps.values()]
    arrays: dict[str, NDArray[np.generic]] = {
        "cases": np.array(list(maps), dtype=np.str_),
        "explained": np.array([kept.explained for kept in maps.values()], np.int64),
        "scales": np.array(scales, np.float64),
    }
    for index, (kept, scale) in enumerate(zip(maps.values(), scales, strict=True)):
        arrays[f"attribution_{index}"] = (kept.attribution / scale).astype(np.float16)
        arrays[f"image_{index}"] = np.rint(kept.image.clip(0, 1) * 255).astype(np.uint8)
        arrays[f"region_{index}"] = kept.region.astype(np.float16)
    path = folder / _NAME
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    return path


def read_maps(folder: Path) -> dict[str, CaseMap]:
    """Read the maps of a folder, by case, in the order they were written.

    Raises:
        DataNotFoundError: the folder holds no maps.
        DataError: the file is damaged.
    """
    path = folder / _NAME
    if not path.is_file():
        raise DataNotFoundError(f"{path} is not there; evaluate with keep > 0 and an explainer to have maps")
    try:
        with np.load(path, allow_pickle=False) as file:
            return {
                str(case): CaseMap(
                    file[f"image_{index}"].astype(np.float32) / 255,
                    file[f"attribution_{index}"].astype(np.float32) * np.float32(file["scales"][index]),
                    file[f"region_{index}"].astype(np.float32),
                    int(file["explained"][index]),
                )
                for index, case in enumerate(file["cases"])
            }
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error) as error:
        raise DataError(f"{path} is damaged ({error}); evaluate again") from error
