"""All that the files in a folder say, cell by cell and number by number, for `random_kills.py`."""

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image

TEMPORARY = ".part"  # ends the name of a file whose writing was not finished


def leaves(folder: Path) -> dict[tuple[str, ...], Any]:
    """Return all that a folder holds, cell by cell, by file and place; files that cannot be read raise."""
    found: dict[tuple[str, ...], Any] = {}
    for file in sorted(each for each in folder.rglob("*") if each.is_file()):
        name = file.relative_to(folder).as_posix()
        if file.name.endswith(TEMPORARY):
            continue
        text = file.read_bytes().replace(str(folder).encode(), b"OUT")
        found |= {(name, *place): value for place, value in _content(file, text)}
    return found


def _content(file: Path, data: bytes) -> Iterator[tuple[tuple[str, ...], Any]]:
    match file.suffix:
        case ".json":
            yield from _flat(json.loads(data))
        case ".jsonl":
            yield from _flat([json.loads(line) for line in data.decode().splitlines()])
        case ".yaml":
            yield from _flat(yaml.safe_load(data))
        case ".csv":
            yield from _flat(list(csv.reader(io.StringIO(data.decode()), strict=True)))
        case ".pt" if file.parent.name == "checkpoints":
            yield from _flat(torch.load(file, map_location="cpu", weights_only=True))
        case ".npz":
            with np.load(file, allow_pickle=False) as arrays:
                yield from _flat({key: arrays[key] for key in arrays.files})
        case ".png":
            with Image.open(file) as picture:
                yield from _flat({"pixels": np.asarray(picture)})
        case ".log":
            yield ("lines",), bool(data.decode())
        case ".html":
            yield ("end",), data.rstrip()[-7:]
            yield ("content",), hashlib.sha256(data).hexdigest()
        case _:
            yield (), hashlib.sha256(data).hexdigest()


def _flat(value: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:  # noqa: ANN401
    if isinstance(value, torch.Tensor):
        value = value.numpy()
    if isinstance(value, dict):
        yield (*place, "keys"), tuple(map(str, value))
        for key, item in value.items():
            yield from _flat(item, (*place, str(key)))
    elif isinstance(value, list | tuple):
        yield (*place, "length"), len(value)
        for number, item in enumerate(value):
            yield from _flat(item, (*place, str(number)))
    elif isinstance(value, np.ndarray):
        yield place, (value.shape, hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest())
    else:
        yield place, "nan" if value != value else value
