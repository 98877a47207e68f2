"""Fast morphology of sections: whole-array shifts of bool arrays instead of a filter with a footprint."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Bools: TypeAlias = NDArray[np.bool_]
Ints: TypeAlias = NDArray[np.integer[Any]]


def grow(mask: Bools, reach: int) -> Bools:
    """Dilate a section by an octagon that reaches `reach` pixels along rows and columns; outside is False."""
    grown = mask.copy()
    for step in range(reach):
        across = grown.copy()
        across[:, 1:] |= grown[:, :-1]
        across[:, :-1] |= grown[:, 1:]
        source = across if step % 2 else grown  # a square and a cross in turn make an octagon
        grown = across.copy()
        grown[1:] |= source[:-1]
        grown[:-1] |= source[1:]
    return grown


def shrink(mask: Bools, reach: int) -> Bools:
    """Erode a section by the octagon of `grow`; outside counts as True."""
    return ~grow(~mask, reach)


def close(mask: Bools, reach: int) -> Bools:
    """Fill what the octagon of `grow` does not fit into, also at the border."""
    wide = np.pad(mask, reach)
    closed: Bools = shrink(grow(wide, reach), reach)[reach : reach + mask.shape[0], reach : reach + mask.shape[1]]
    return closed


def inner(mask: Bools) -> Bools:
    """Keep the pixels of a section whose four neighbours are in it too; outside counts as True."""
    return shrink(mask, 1)


def fill_holes(mask: Bools, most: float) -> Bools:
    """Fill the holes of a section of at most `most` pixels; what touches the border is no hole."""
    labels, count = ndimage.label(~mask)
    if count < 2:
        return mask
    hole = np.bincount(labels.ravel(), minlength=count + 1) <= most
    hole[at_border(labels)] = False
    return mask | parts_kept(labels, hole)


def parts_kept(labels: Ints, keep: Bools) -> Bools:
    """Return where the labels are those to keep, `keep` being a flag for each from 0 on; 0, the ground, never is."""
    kept: Bools = np.where(np.arange(len(keep)) > 0, keep, False)[labels]
    return kept


def at_border(labels: Ints) -> Ints:
    """Return the labels on the outermost pixels of a section."""
    edges = (labels[0], labels[-1], labels[:, 0], labels[:, -1])
    found: Ints = np.unique(np.concatenate(edges))
    return found


def bounding_box(mask: Bools) -> tuple[slice, slice, slice] | None:
    """Return the box around what is True in a volume, or None."""
    ends = []
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        there = np.flatnonzero(mask.any(axis=others))
        if not there.size:
            return None
        ends.append(slice(int(there[0]), int(there[-1]) + 1))
    return ends[0], ends[1], ends[2]
