"""How much one client may ask for, and how much all of them together."""

from dataclasses import dataclass, replace

from sightline.errors import SettingsError

_MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """Limits of a server; the defaults are for images.

    Attributes:
        max_bytes: of the body of a request.
        max_pixels: of an image, or voxels of a volume, that its file declares.
        max_files: in a request.
        timeout_s: from the first byte of a request to its answer, s.
        header_s: for the line and the headers of a request to arrive, s.
        queue: requests that are worked on or wait; more are sent away.
        batch: most images in one pass through the model.
        window_s: how long the first image of a pass waits for others, s.
        readers: processes that read files.
    """

    max_bytes: int = 64 * _MIB
    max_pixels: int = 32 * _MIB
    max_files: int = 16
    timeout_s: float = 30.0
    header_s: float = 10.0
    queue: int = 64
    batch: int = 16
    window_s: float = 0.005
    readers: int = 2

    def __post_init__(self) -> None:
        for name in ("max_bytes", "max_pixels", "max_files", "queue", "batch", "readers"):
            if getattr(self, name) < 1:
                raise SettingsError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not (0 < self.timeout_s < float("inf") and 0 < self.header_s < float("inf")):
            raise SettingsError(f"time limits must be above 0 s, got {self.timeout_s:g} and {self.header_s:g}")
        if not 0 <= self.window_s <= 1:
            raise SettingsError(f"window_s must be in [0, 1], got {self.window_s:g}")

    @classmethod
    def of(cls, axes: int, **given: float | None) -> "Limits":
        """Return the defaults for images of 2 or volumes of 3 axes, with what is given and not None in their place."""
        limits = cls()
        if axes == 3:
            limits = cls(512 * _MIB, 256 * _MIB, max_files=1, timeout_s=120.0, queue=8, batch=1, readers=1)
        return replace(limits, **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]  # of the command line, which knows its types

    @property
    def reader_bytes(self) -> int:
        """Memory that reading one image may take beyond the process that reads it: 24 bytes a pixel and some."""
        return 256 * _MIB + 24 * self.max_pixels
