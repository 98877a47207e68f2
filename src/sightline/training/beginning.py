"""The beginning of a run: its folder with the settings, which are to be the same when it is resumed."""

import json
from pathlib import Path
from typing import Any

from sightline.errors import RunError
from sightline.plain import to_plain
from sightline.runs import RunFolder, write_json, write_text
from sightline.training.environment import describe_environment
from sightline.yaml12 import dump

_NO_MATTER = frozenset({".data.cache_dir", ".data.cache_mib", ".data.workers"})  # to the result


def begin_run(settings: object, folder: Path) -> RunFolder:
    """Make the folder of a run, with its settings and what it runs on."""
    run = RunFolder.create(folder)
    write_text(run.path / "config.yaml", dump(to_plain(settings)))  # first: it makes the folder a run
    write_json(run.path / "environment.json", describe_environment())
    return run


def begun_run(settings: object, folder: Path) -> RunFolder | None:
    """Return the run to resume, or None where nothing was begun yet.

    Raises:
        RunError: it was begun with other settings.
    """
    if not (folder / "config.yaml").is_file():
        return None
    run = RunFolder.open(folder)
    if change := _change(run.config, json.loads(json.dumps(to_plain(settings)))):
        raise RunError(f"run folder {folder} was begun with other settings: {change}; keep them or choose another name")
    for unfinished in folder.rglob(".*.part"):  # writes that a kill cut off
        unfinished.unlink()
    return run


def _change(before: Any, after: Any, key: str = "") -> str:  # noqa: ANN401 - plain values
    """Say in words which setting differs first, of those that the result depends on; empty if none does."""
    if key in _NO_MATTER:
        return ""
    if isinstance(before, dict) and isinstance(after, dict):
        changes = (_change(before.get(name), after.get(name), f"{key}.{name}") for name in before | after)
        return next(filter(None, changes), "")
    return "" if before == after else f"{key[1:]} was {before} and is now {after}"
