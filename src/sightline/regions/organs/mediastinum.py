"""The mediastinum as the centre-left of the box around both lungs."""

from typing import TypeAlias

from sightline.regions.organs.halves import Codes
from sightline.regions.organs.settings import MEDIASTINUM

Box: TypeAlias = tuple[slice, slice, slice]


def mark_mediastinum(codes: Codes, box: Box) -> None:
    r"""Mark what is no lung in the centre-left of the box around the lungs, in place.

    With columns from $r$ to $l$ and $q = \lfloor (l - r) / 4 \rfloor$ it reaches from $r + q$ to
    $l - \lfloor q / 2 \rfloor$: a quarter is cut on the right and an eighth on the left, where the heart is. All slices
    and rows of the box are taken, so heart, great vessels and central airways are in it, and so are spine, breastbone
    and, below the domes of the diaphragm, the upper abdomen.

    Args:
        codes: 1 in the right and 3 in the left lung, `(D, H, W)`.
        box: around both lungs, ends not included.

    Reference:
        Draelos and Carin, arXiv:2011.08891, supplement 12.2, "the center-left nonlung region inside of the lung
        bounding box"; the shares are from the code published with it.
    """
    slices, rows, columns = box
    quarter = (columns.stop - columns.start) // 4
    inside = codes[slices, rows, columns.start + quarter : columns.stop - quarter // 2]
    inside[inside == 0] = MEDIASTINUM
