"""Columns of some cases: what repeats is kept once, in plain arrays that a file can hold as they are."""

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from sightline.data.images import Array

MOST = 2**16  # cases of a column, so that the number of a value takes two bytes
_FEW = 256  # texts that are kept as such once asked for
_MISSING = b"\xff"  # no text: no UTF-8 has this byte
_ERRORS = "surrogatepass"  # names of files may hold half of a pair


@dataclass(frozen=True, eq=False)
class Texts:
    """A text of each of N cases, or None.

    Attributes:
        codes: which of the texts a case has, `(N,)` uint8 or uint16; None if there is one for all, or one for each.
        ends: where each text ends, `(M,)`.
        data: the texts in UTF-8, one after the other, uint8.
    """

    codes: Array | None
    ends: Array
    data: Array

    @classmethod
    def of(cls, values: Sequence[str | None]) -> "Texts":
        """Keep some texts."""
        numbers = _Numbers()
        codes = np.fromiter(map(numbers.__getitem__, values), np.uint16, len(values))
        repeated = 2 * len(numbers) <= len(values)
        texts = [_MISSING if v is None else v.encode(errors=_ERRORS) for v in (numbers if repeated else values)]
        ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
        return cls(
            codes.astype(_narrow(len(texts))) if repeated and len(texts) > 1 else None,
            ends.astype(_narrow(int(ends[-1]) + 1)),
            np.frombuffer(b"".join(texts), np.uint8),
        )

    def get(self, row: int) -> str | None:
        """Return the text of one case."""
        place = self.codes.item(row) if self.codes is not None else row if len(self.ends) > 1 else 0
        if len(self.ends) <= _FEW:
            return self._few[place]
        text = self.data[self.ends.item(place - 1) if place else 0 : self.ends.item(place)].tobytes()
        return None if text == _MISSING else text.decode(errors=_ERRORS)

    @cached_property
    def _few(self) -> list[str | None]:
        return self.distinct()

    def distinct(self) -> list[str | None]:
        """Return the texts that are kept, `M` of them."""
        whole, starts = self.data.tobytes(), [0, *self.ends.tolist()]
        texts = (whole[start:end] for start, end in pairwise(starts))
        return [None if text == _MISSING else text.decode(errors=_ERRORS) for text in texts]

    def spread(self, values: Array, count: int) -> Array:
        """Return of a value a text, `(M,)`, the value a case, `(N,)` of `count`."""
        if self.codes is not None:
            return values[self.codes]
        return values if len(values) == count else np.broadcast_to(values, count)

    def known(self, count: int) -> Array:
        """Tell which cases have a text, `(N,)` bool."""
        starts = np.concatenate(([0], self.ends[:-1]))
        single = self.ends - starts == 1
        missing = np.zeros(len(self.ends), bool)
        missing[single] = self.data[starts[single]] == _MISSING[0]
        return self.spread(~missing, count)


@dataclass(frozen=True, eq=False)
class Files:
    """A file of each of N cases, or None; the names of folders are kept apart, because they repeat.

    Attributes:
        folders: where each file lies.
        names: its last part.
    """

    folders: Texts
    names: Texts

    @classmethod
    def of(cls, places: Iterable[tuple[str, str] | None]) -> "Files":
        """Keep some files, each as folder and last part."""
        folders, names = zip(*((None, None) if place is None else place for place in places), strict=True)
        return cls(Texts.of(folders), Texts.of(names))

    @classmethod
    def of_paths(cls, paths: Iterable[Path | None]) -> "Files":
        """Keep some files."""
        return cls.of(None if path is None else os.path.split(path) for path in paths)

    def get(self, row: int) -> Path | None:
        """Return the file of one case."""
        name, folder = self.names.get(row), self.folders.get(row)
        return None if name is None or folder is None else Path(folder, name)

    def known(self, count: int) -> Array:
        """Tell which cases have a file, `(N,)` bool."""
        return self.names.known(count)


@dataclass(frozen=True, eq=False)
class Labels:
    """The label of each of N cases: the index of a class, or a number a class.

    Attributes:
        codes: which of the values it is, `(N,)` or `(N, K)`; None if `values` are the labels themselves.
        values: the different ones, `(M,)` int64 or float64.
    """

    codes: Array | None
    values: Array

    @classmethod
    def of(cls, labels: Array) -> "Labels":
        """Keep labels, `(N,)` int64 or `(N, K)` float64."""
        words, codes = np.unique(labels.view(np.int64), return_inverse=True)  # as bits, in which NaN equals itself
        if len(words) > MOST or 4 * len(words) > labels.size:
            return cls(None, labels)
        return cls(codes.reshape(labels.shape).astype(_narrow(len(words))), words.view(labels.dtype))

    def get(self, row: int) -> int | tuple[float, ...]:
        """Return the label of one case."""
        label = self.values[row] if self.codes is None else self.values[self.codes[row]]
        if label.ndim == 0:
            return int(label)
        return tuple(math.nan if value != value else value for value in label.tolist())  # one NaN, equal to itself


def _narrow(count: int) -> Any:  # noqa: ANN401 - a type of numpy
    """Return the smallest type that tells `count` numbers from 0 on apart."""
    return next(kind for kind in (np.uint8, np.uint16, np.uint32, np.uint64) if count - 1 <= np.iinfo(kind).max)


class _Numbers(dict[str | None, int]):
    """Numbers values as they are first asked for."""

    def __missing__(self, value: str | None) -> int:
        self[value] = number = len(self)
        return number
