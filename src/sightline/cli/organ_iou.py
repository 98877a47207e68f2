"""How much of what models look at in volumes lies in the right organ, as a short table for the terminal."""

import json
from collections.abc import Mapping
from typing import Any

from sightline.cli.output import table
from sightline.comparing import Condition
from sightline.runs import RunFolder

Found = dict[str, dict[Condition, dict[str, Any]]]


def find_organ_iou(runs: Mapping[str, RunFolder], conditions: Mapping[str, Mapping[Condition, object]]) -> Found:
    """Read `organ_iou.json` of the conditions of each run, by name; those that have none are left out."""
    found: Found = {}
    for name, run in runs.items():
        for condition in conditions[name]:
            file = run.evaluation(condition.split, condition.bias) / "organ_iou.json"
            if file.is_file():
                found.setdefault(name, {})[condition] = json.loads(file.read_text(encoding="utf-8"))
    return found


def organ_iou_table(found: Found) -> str:
    """Lay out OrganIoU over all pairs of scan and finding and over each group, a line a run and condition."""
    results = [(name, condition, told["scores"]) for name, of in found.items() for condition, told in of.items()]
    groups = list(dict.fromkeys(group for _, _, scores in results for group in scores["per_group"]))
    rows = [
        [
            f"{name}, {condition.split}, bias {condition.bias}",
            _cell(scores["overall"]),
            *(_cell(scores["per_group"].get(group)) for group in groups),
        ]
        for name, condition, scores in results
    ]
    return table(["OrganIoU", "all", *groups], rows)


def _cell(score: Mapping[str, Any] | None) -> str:
    if score is None or score["value"] is None:
        return "-"
    limits = "" if score["low"] is None else f" [{score['low']:.2f}, {score['high']:.2f}]"
    return f"{score['value']:.2f}{limits}"
