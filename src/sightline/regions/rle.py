"""Masks from run lengths, as COCO and Kaggle write them.

All of them count pixels column by column: first down the leftmost column, then down the next.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from sightline.errors import DataError

Mask = NDArray[np.bool_]


def mask_from_coco(counts: Sequence[int] | str | bytes, size: tuple[int, int]) -> Mask:
    """Read COCO's run lengths: pixels outside and inside in turn, the first run outside.

    Args:
        counts: the lengths, or COCO's compressed string of them.
        size: height and width, pixels.

    Returns:
        True inside, `(H, W)`.

    Raises:
        DataError: the string holds other characters or ends early, a length is negative, or they do not add up to
            the number of pixels.

    Reference:
        cocodataset/cocoapi, `common/maskApi.c`, `rleDecode` and `rleFrString`.
    """
    lengths = coco_counts(counts) if isinstance(counts, str | bytes) else list(counts)
    pixels = size[0] * size[1]
    if min(lengths, default=0) < 0 or sum(lengths) != pixels:
        raise DataError(
            f"run lengths must be 0 or more and add up to {size[0]} x {size[1]} = {pixels} pixels, "
            f"got {len(lengths)} of {sum(lengths)} pixels, the smallest {min(lengths, default=0)}"
        )
    inside = np.arange(len(lengths)) % 2 == 1
    return _by_columns(np.repeat(inside, lengths), size)


def coco_counts(text: str | bytes) -> list[int]:
    """Read COCO's compressed string of run lengths.

    Each character holds five bits, the lowest first, with a bit that says if more follow; the last one's highest bit
    is the sign. From the fourth number on what is written is the difference to the number two before.

    Raises:
        DataError: a character is none of COCO's, or the last number is cut off.
    """
    codes = [ord(letter) for letter in text] if isinstance(text, str) else list(text)
    counts: list[int] = []
    value = shift = 0
    for code in codes:
        bits = code - 48
        if not 0 <= bits < 64:
            raise DataError(f"{chr(code)!r} is no character of COCO's compressed run lengths")
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            value -= (1 << shift) if bits & 16 else 0
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    if shift:
        raise DataError(f"COCO's compressed run lengths end within number {len(counts) + 1}")
    return counts


def mask_from_starts(rows: Iterable[str], size: tuple[int, int]) -> Mask:
    """Read Kaggle's usual run lengths: `start length start length ...`, the first pixel being 1.

    Args:
        rows: one text an annotation; all of an image are united. Empty and `-1` stand for no pixel.
        size: height and width, pixels.

    Returns:
        True inside, `(H, W)`.

    Raises:
        DataError: a row holds anything but pairs of whole numbers, or a run lies outside the image.
    """
    return _united(((starts - 1, lengths) for starts, lengths in map(_pairs, rows)), size)


def mask_from_gaps(rows: Iterable[str], size: tuple[int, int]) -> Mask:
    """Read the run lengths of the SIIM-ACR pneumothorax challenge: `gap length gap length ...`.

    A gap is the number of pixels between the end of a run and the start of the next; the first counts from the first
    pixel. Otherwise as `mask_from_starts`.
    """
    return _united(
        ((np.cumsum(gaps + lengths) - lengths, lengths) for gaps, lengths in map(_pairs, rows)),
        size,
    )


def _pairs(row: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    words = row.split()
    if words in ([], ["-1"]):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    try:
        numbers = np.asarray([int(word) for word in words], np.int64)
    except (ValueError, OverflowError):
        raise DataError(f"run lengths must be whole numbers, got {' '.join(words[:4])!r}") from None
    if len(numbers) % 2:
        raise DataError(f"run lengths must come in pairs, got {len(numbers)} numbers")
    return numbers[::2], numbers[1::2]


def _united(runs: Iterable[tuple[NDArray[np.int64], NDArray[np.int64]]], size: tuple[int, int]) -> Mask:
    """Unite runs given by first pixel, counted from 0, and length."""
    pixels = size[0] * size[1]
    inside = np.zeros(pixels, bool)
    for starts, lengths in runs:
        ends = starts + lengths
        if min(starts.min(initial=0), lengths.min(initial=0)) < 0 or ends.max(initial=0) > pixels:
            raise DataError(
                f"run lengths leave the image of {size[0]} x {size[1]} = {pixels} pixels: "
                f"from pixel {starts.min()} to {ends.max()}, counted from 0"
            )
        for start, end in zip(starts, ends, strict=True):
            inside[start:end] = True
    return _by_columns(inside, size)


def _by_columns(pixels: Mask, size: tuple[int, int]) -> Mask:
    return np.ascontiguousarray(pixels.reshape(size[1], size[0]).T)
