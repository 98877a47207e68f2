"""How well models draw where readers look, as a short table for the terminal."""

from collections.abc import Mapping
from typing import Any

from sightline.cli.output import table
from sightline.comparing import Condition
from sightline.evaluation.saliency import read_saliency
from sightline.runs import RunFolder

COLUMNS = {"kl": "KL", "cc": "CC", "hs": "HS"}

Found = dict[str, dict[Condition, dict[str, Any]]]


def find_saliency(runs: Mapping[str, RunFolder], conditions: Mapping[str, Mapping[Condition, object]]) -> Found:
    """Read `saliency.csv` of the conditions of each run, by name; those that have none are left out."""
    found: Found = {}
    for name, run in runs.items():
        for condition in conditions[name]:
            folder = run.evaluation(condition.split, condition.bias)
            if (folder / "saliency.csv").is_file():
                found.setdefault(name, {})[condition] = read_saliency(folder).as_dict()
    return found


def saliency_table(found: Found) -> str:
    """Lay out the measures of maps, a line a run and condition, each with its standard deviation over the cases."""
    rows = []
    for name, results in found.items():
        for condition, result in results.items():
            cells = [_cell(result["metrics"][measure]) for measure in COLUMNS]
            rows.append([f"{name}, {condition.split}, bias {condition.bias}", *cells])
    return table(["", *COLUMNS.values()], rows)


def _cell(measured: Mapping[str, float]) -> str:
    value, spread = measured["value"], measured["sd"]
    return "-" if value != value else f"{value:.3f} ± {spread:.3f}"
