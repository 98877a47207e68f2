"""Where images, labels and regions lie in a batch of a data loader of somebody."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from sightline.errors import DataError
from sightline.types import Batch

Parts = tuple[Tensor, Tensor, Tensor]
Read = Callable[[Any], Parts]
_NAMES = {
    "images": ("images", "image", "pixel_values"),
    "labels": ("labels", "label"),
    "regions": ("regions", "region"),
}


def read_batch(batch: Any) -> Parts:  # noqa: ANN401 - whatever a loader gives
    """Find images, labels and regions in a batch, as most loaders make them.

    Args:
        batch: a `Batch`, a mapping with `images`, `labels` and `regions` (or `image` or `pixel_values`, `label`,
            `region`), or a sequence that begins with the three.

    Returns:
        Images, labels and regions.

    Raises:
        DataError: one of them is not there, or no tensor.
    """
    if isinstance(batch, Batch):
        return batch.images, batch.labels, batch.regions
    if isinstance(batch, Mapping):
        found = [take(batch, what, names) for what, names in _NAMES.items()]
    elif isinstance(batch, Sequence) and len(batch) >= len(_NAMES):
        found = list(batch[: len(_NAMES)])
    else:
        size = f" of {len(batch)}" if isinstance(batch, Sequence) else ""
        raise DataError(
            f"a batch must hold images, labels and regions, got a {type(batch).__name__}{size}; "
            "add the regions (NaN where unknown), or say with `read` where they are"
        )
    return checked(found)


def take(batch: Mapping[Any, Any], what: str, names: Sequence[str]) -> Any:  # noqa: ANN401 - whatever a loader gives
    """Return the first entry of a batch that is there under one of the names.

    Raises:
        DataError: none is.
    """
    for name in names:
        if name in batch:
            return batch[name]
    there = ", ".join(map(str, batch)) or "nothing"
    hint = "; add them, NaN where unknown" if what == "regions" else ""
    raise DataError(f"a batch must hold {what} as {' or '.join(map(repr, names))}, got {there}{hint}")


def checked(parts: Sequence[Any]) -> Parts:
    """Check what was read from a batch.

    Raises:
        DataError: it is not three tensors.
    """
    if len(parts) != len(_NAMES) or not all(isinstance(part, Tensor) for part in parts):
        came = ", ".join(type(part).__name__ for part in parts)
        raise DataError(f"images, labels and regions of a batch must be tensors, got {came}")
    images, labels, regions = parts
    return images, labels, regions
