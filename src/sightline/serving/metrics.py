"""Counters of a server, in the text format of Prometheus (version 0.0.4)."""

import bisect
import itertools
from collections import Counter
from dataclasses import dataclass, field

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
COUNTS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass
class Histogram:
    """How often a value was at most each of some bounds."""

    bounds: tuple[float, ...]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def add(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect.bisect_left(self.bounds, value)] += 1
        self.total += value

    def lines(self, name: str, label: str = "") -> list[str]:
        """Write it down; `label` is as `path="/predict"`."""
        bounds = [*(f"{bound:g}" for bound in self.bounds), "+Inf"]
        sums = list(itertools.accumulate(self.counts))
        both = [label + "," if label else "", f"{{{label}}}" if label else ""]
        rows = [f'{name}_bucket{{{both[0]}le="{bound}"}} {count}' for bound, count in zip(bounds, sums, strict=True)]
        return [*rows, f"{name}_sum{both[1]} {self.total:.6f}", f"{name}_count{both[1]} {sums[-1]}"]


@dataclass
class Metrics:
    """What a server has done; touched by one thread only.

    Attributes:
        requests: by path and status.
        seconds: of requests, by path.
        batches: images in a pass through the model.
        maps: drawn, by method.
        in_flight: requests for an answer at the moment.
    """

    requests: Counter[tuple[str, int]] = field(default_factory=Counter)
    seconds: dict[str, Histogram] = field(default_factory=dict)
    batches: Histogram = field(default_factory=lambda: Histogram(COUNTS))
    maps: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0

    def answered(self, path: str, status: int, seconds: float) -> None:
        """Count a request."""
        self.requests[path, status] += 1
        self.seconds.setdefault(path, Histogram(SECONDS)).add(seconds)

    def text(self) -> str:
        """Write all of it down."""
        name = "sightline_request_seconds"
        parts = {
            ("sightline_requests_total", "counter", "Requests answered."): [
                f'sightline_requests_total{{path="{path}",status="{status}"}} {count}'
                for (path, status), count in sorted(self.requests.items())
            ],
            (name, "histogram", "Time from the first byte to the answer, in seconds."): [
                line for path, seconds in sorted(self.seconds.items()) for line in seconds.lines(name, f'path="{path}"')
            ],
            ("sightline_batch_images", "histogram", "Images in one pass through the model."): self.batches.lines(
                "sightline_batch_images"
            ),
            ("sightline_maps_total", "counter", "Maps drawn."): [
                f'sightline_maps_total{{method="{method}"}} {count}' for method, count in sorted(self.maps.items())
            ],
            ("sightline_in_flight", "gauge", "Requests for an answer at the moment."): [
                f"sightline_in_flight {self.in_flight}"
            ],
        }
        head = "# HELP {0} {2}\n# TYPE {0} {1}"
        return "\n".join(line for about, lines in parts.items() for line in (head.format(*about), *lines)) + "\n"
