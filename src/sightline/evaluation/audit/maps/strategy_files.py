"""Strategies as they are kept for whoever draws their sheets: `strategies.json`, and the maps of typical cases."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sightline.errors import DataError, DataNotFoundError
from sightline.evaluation.maps import CaseMap, read_maps, write_maps
from sightline.metrics.intervals import Interval
from sightline.runs import write_json

FOLDER = "strategies"


@dataclass(frozen=True)
class Strategy:
    """A group of cases whose maps are alike.

    Attributes:
        name: `strategy 1` looks outside most.
        cases: how many there are.
        inside: share of the relevance inside the region.
        area: share of the images that the region covers.
        answered: cases by class answered, the most frequent first.
        sources: cases by source, likewise; empty where none is known.
        typical: names of cases whose maps are kept, the most typical first.
    """

    name: str
    cases: int
    inside: Interval
    area: Interval
    answered: Mapping[str, int]
    sources: Mapping[str, int]
    typical: tuple[str, ...]

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Strategy":
        """Read back what `asdict` gave."""
        intervals = {name: Interval.from_dict(fields[name]) for name in ("inside", "area")}
        return cls(**{**fields, **intervals, "typical": tuple(fields["typical"])})


def write_strategies(
    folder: Path, strategies: Sequence[Strategy], eigenvalues: Sequence[float], maps: Mapping[str, CaseMap]
) -> dict[str, str]:
    """Write strategies into the folder of an audit, atomically.

    Args:
        folder: of the audit.
        strategies: ranked.
        eigenvalues: that their number was read off.
        maps: of typical cases, by name.

    Returns:
        What the files show and their names, for `Section.files`.
    """
    told = {"strategies": [asdict(strategy) for strategy in strategies], "eigenvalues": list(eigenvalues)}
    write_json(folder / FOLDER / "strategies.json", told)
    write_maps(folder / FOLDER, maps)
    return {"strategies": f"{FOLDER}/strategies.json", "maps of typical cases": f"{FOLDER}/maps.npz"}


def read_strategies(folder: Path) -> tuple[tuple[Strategy, ...], dict[str, CaseMap]]:
    """Read the strategies of an audit, ranked, and the maps of their typical cases.

    Raises:
        DataNotFoundError: the audit has none.
        DataError: a file is damaged.
    """
    file = folder / FOLDER / "strategies.json"
    if not file.is_file():
        raise DataNotFoundError(f"{file} is not there; audit a model that can be explained first")
    try:
        told = json.loads(file.read_text(encoding="utf-8"))
        return tuple(map(Strategy.from_dict, told["strategies"])), read_maps(folder / FOLDER)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file} is damaged ({error}); audit again") from error
