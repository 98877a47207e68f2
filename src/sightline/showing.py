"""How records show themselves in a notebook: small self-contained HTML, for pages light or dark.

Nothing here fails for what it is given: what cannot be drawn is told in words.
"""

import base64
import html
import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    Floats = NDArray[np.float64]

FOR = (225, 29, 42)  # red: speaks for the class
AGAINST = (37, 99, 235)  # blue: speaks against it

IMAGES, CLASSES = 4, 6  # shown of a batch
SIDE = 128  # CSS pixels of the longest side of a map
_PERCENTILE = 99.5  # of the absolute map, at full colour
_FONT = "font:13px/1.45 system-ui,sans-serif"
_FAINT = "opacity:.7"
_LINE = "1px solid color-mix(in srgb, currentColor 25%, transparent)"


def maps_html(attribution: "Tensor", names: Sequence[Sequence[str]], *, every: bool, head: str) -> str:
    """Draw the first maps of a batch: red speaks for the class, blue against it, nothing where it is zero.

    Channels are summed. Of a volume the three planes through the voxel of the largest value are drawn; a signal is a
    strip. Full colour is at a percentile of each map's absolute values.

    Args:
        attribution: `(N, C, *S)`, or `(N, K, C, *S)` where `every` class was explained; `*S` of any number of axes.
        names: what stands under each map, by image and class; what is missing has nothing under it.
        every: whether there is an axis of classes.
        head: what the whole is, in words.

    Returns:
        HTML.
    """
    import numpy as np

    told = [head]
    axes = attribution.ndim - (3 if every else 2)
    images = len(attribution) if attribution.ndim else 0
    if axes not in (1, 2, 3) or not attribution.numel() or attribution.is_meta:
        return _page([*told, f"maps {tuple(attribution.shape)} are not drawn"], "")
    values = np.asarray(attribution[:IMAGES].detach().cpu().double().numpy()).sum(2 if every else 1)
    if images > IMAGES:
        told.append(f"the first {IMAGES} images")
    if every and values.shape[1] > CLASSES:
        told.append(f"the first {CLASSES} classes")
    if axes == 3:
        told.append("three planes through the largest value")
    if not np.isfinite(values).all():
        told.append("NaN or infinity is left out")
    told.append(f"{_dot(FOR)} for the class, {_dot(AGAINST)} against it")
    rows = []
    for number, image in enumerate(values):
        maps = list(image[:CLASSES]) if every else [image]
        under = [*(names[number] if number < len(names) else ()), *[""] * len(maps)]
        rows.append([_figure(one, name) for one, name in zip(maps, under, strict=False)])
    lines = rows if every else [[figure for row in rows for figure in row]]
    flow = '<div style="display:flex;flex-wrap:wrap;gap:10px">{}</div>'
    return _page(told, "".join(flow.format("".join(line)) for line in lines))


def table_html(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Draw a table whose first column names the rows.

    Args:
        head: of the columns.
        rows: cells, as text.

    Returns:
        HTML.
    """
    cell = "padding:3px 14px 3px 0;text-align:left;vertical-align:top;background:none;border:0"
    line = f"border-bottom:{_LINE}"
    top = "".join(f'<th style="{cell};{line};font-weight:600">{_text(name)}</th>' for name in head)
    body = "".join(
        "<tr>"
        + "".join(f'<td style="{cell};font-variant-numeric:tabular-nums">{_text(one)}</td>' for one in row)
        + "</tr>"
        for row in rows
    )
    table = f'<table style="border-collapse:collapse;margin:0;{_FONT}"><tr>{top}</tr>{body}</table>'
    return f'<div style="overflow-x:auto;margin:0 0 8px">{table}</div>'


def told_html(told: Sequence[str]) -> str:
    """Write what stands above maps and tables, in small words."""
    return _page([_text(words) for words in told], "")


def interval_words(value: float, low: float, high: float) -> str:
    """Write a number as `0.81 [0.76, 0.85]`; without limits that are unknown, and `-` for one that is."""
    if value != value:
        return "-"
    return f"{value:.2f}" + ("" if low != low else f" [{low:.2f}, {high:.2f}]")


def _figure(values: "Floats", name: str) -> str:
    planes = _planes(values)
    longest = max(max(plane.shape) for plane in planes)
    pictures = "".join(_picture(plane, longest, values) for plane in planes)
    caption = f'<figcaption style="{_FAINT};max-width:{len(planes) * (SIDE + 6)}px">{_text(name)}</figcaption>'
    row = f'<div style="display:flex;gap:6px;align-items:flex-start">{pictures}</div>'
    return f'<figure style="margin:0 0 6px">{row}{caption}</figure>'


def _planes(values: "Floats") -> "list[Floats]":
    """The map itself, a strip of a signal, or the planes of a volume through its largest value."""
    import numpy as np

    if values.ndim == 1:
        return [np.repeat(values[None], max(1, len(values) // 8), axis=0)]
    if values.ndim == 2:
        return [values]
    peak = np.unravel_index(int(np.abs(np.nan_to_num(values, posinf=0, neginf=0)).argmax()), values.shape)
    return [np.take(values, int(place), axis) for axis, place in enumerate(peak)]


def _picture(plane: "Floats", longest: int, whole: "Floats") -> str:
    import numpy as np
    from PIL import Image

    known = np.nan_to_num(plane, posinf=0, neginf=0)
    magnitude = np.abs(np.nan_to_num(whole, posinf=0, neginf=0))
    limit = float(np.percentile(magnitude, _PERCENTILE)) or float(magnitude.max(initial=0.0)) or 1.0
    share = np.clip(known / limit, -1, 1)
    tall, wide = (max(1, round(SIDE * side / longest)) for side in plane.shape)
    if longest > 2 * SIDE:  # twice as fine as it is shown, and no finer
        fine = Image.fromarray(share.astype(np.float32)).resize((2 * wide, 2 * tall), Image.Resampling.BOX)
        share = np.asarray(fine, dtype=float)
    colour = np.where(share[..., None] > 0, FOR, AGAINST)
    pixels = np.concatenate([colour, 255 * np.abs(share)[..., None]], axis=-1).round().astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG", optimize=True)
    data = base64.b64encode(stream.getvalue()).decode()
    style = f"width:{wide}px;height:{tall}px;max-width:none;margin:0;outline:{_LINE};background:none"
    return f'<img alt="" src="data:image/png;base64,{data}" style="{style}">'


def _page(told: Sequence[str], body: str) -> str:
    words = " · ".join(part for part in told if part)
    return f'<div style="{_FONT}"><div style="{_FAINT};margin:0 0 6px">{words}</div>{body}</div>'


def _dot(colour: tuple[int, int, int]) -> str:
    return f'<span style="color:rgb{colour}">&#9679;</span>'


def _text(text: object) -> str:
    return html.escape(str(text))
