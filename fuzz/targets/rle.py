"""Masks from run lengths; the first three bytes say which kind, and height and width."""

import json
from collections.abc import Iterator
from contextlib import suppress

from sightline.errors import SightlineError
from sightline.regions.rle import coco_counts, mask_from_coco, mask_from_gaps, mask_from_starts

WORDS = (b"-1", b"99999999999999999999", b"9223372036854775807", b" ", b"\n", b"[", b",", b"1e3", b"oooo", b"PPPP")


def one(data: bytes) -> None:
    """Read run lengths in each way of writing them."""
    kind, height, width = data[:3].ljust(3, b"\0")
    size, body = (height, width), data[3:]
    text = body.decode("utf-8", "replace")
    with suppress(SightlineError):
        match kind % 5:
            case 0:
                assert mask_from_starts(text.split("\n"), size).shape == size
            case 1:
                assert mask_from_gaps(text.split("\n"), size).shape == size
            case 2:
                assert mask_from_coco(text, size).shape == size
            case 3:
                assert mask_from_coco(body, size).shape == size
                coco_counts(body)
            case 4:
                assert (
                    mask_from_coco(
                        [int(word) for word in text.split()[:99] if word.isdecimal() and len(word) < 99], size
                    ).shape
                    == size
                )


def seeds() -> Iterator[tuple[str, bytes]]:
    """A mask of 4 x 5 pixels in each."""
    head = bytes([4, 5])
    yield "starts", b"\0" + head + b"3 4 12 2\n-1\n\n20 1"
    yield "gaps", b"\1" + head + b"2 4 5 2"
    yield "coco", b"\2" + head + b"2472005"
    yield "coco-bytes", b"\3" + head + b"2472O005"
    yield (
        "coco-lengths",
        b"\4" + head + json.dumps([2, 4, 7, 7]).replace("[", "").replace("]", "").replace(",", "").encode(),
    )
