"""Which GPU a process of this machine sees."""

from collections.abc import Sequence


def shared_gpus(device: str, *, count: int, visible: str | None) -> tuple[str, ...]:
    """Name the GPUs that processes share out among them, as `CUDA_VISIBLE_DEVICES` names them.

    >>> shared_gpus("auto", count=2, visible="3,5")
    ('3', '5')

    Args:
        device: of the work: `auto` or `cuda` take any GPU; another is one already, and all processes use it.
        count: of GPUs that there are.
        visible: `CUDA_VISIBLE_DEVICES`; None where it is not set.

    Returns:
        Their names; none where there is nothing to choose.
    """
    if device not in ("auto", "cuda") or count < 2:
        return ()
    names = tuple(name.strip() for name in visible.split(",")) if visible else tuple(map(str, range(count)))
    return names[:count]  # what stands behind a name that is none does not count


def gpu_of(number: int, gpus: Sequence[str]) -> str:
    """Name the GPU of the process with this number, counted from 0; processes that are more share in turn.

    >>> [gpu_of(number, ("3", "5")) for number in range(3)]
    ['3', '5', '3']
    """
    return gpus[number % len(gpus)] if gpus else ""
