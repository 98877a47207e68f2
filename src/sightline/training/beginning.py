"""The beginning of a run: its folder with the settings, which are to be the same when it is resumed."""

import json
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any

from sightline.errors import RunError
from sightline.plain import to_plain
from sightline.runs import RunFolder, write_json, write_text
from sightline.training.environment import describe_environment
from sightline.training.processes import Processes
from sightline.yaml12 import dump

_NO_MATTER = frozenset({".data.cache_dir", ".data.cache_mib", ".data.workers"})  # to the result


def begin_run(settings: object, folder: Path, processes: Processes | None = None) -> RunFolder:
    """Make the folder of a run, with its settings and what it runs on."""
    run = RunFolder.create(folder)
    write_text(run.path / "config.yaml", dump(to_plain(settings)))  # first: it makes the folder a run
    write_json(run.path / "environment.json", describe_environment(processes))
    return run


def begun_run(settings: object, folder: Path) -> RunFolder | None:
    """Return the run to resume, or None where nothing was begun yet.

    Raises:
        RunError: it was begun with other settings.
    """
    if not (folder / "config.yaml").is_file():
        return None
    run = RunFolder.open(folder)
    if change := _change(run.config, settings):
        raise RunError(f"run folder {folder} was begun with other settings: {change}; keep them or choose another name")
    for unfinished in folder.rglob(".*.part"):  # writes that a kill cut off
        unfinished.unlink()
    return run


def to_resume(settings: object, folder: Path) -> RunFolder | None:
    """Return the run to resume, or None where nothing was begun yet and a new one may begin.

    Raises:
        RunError: it was begun with other settings, or the folder holds something else.
    """
    run = begun_run(settings, folder)
    if run is None:
        RunFolder.check_free(folder)  # before the images are read
    return run


def note_failure(run: RunFolder, error: BaseException) -> None:
    """Write down why a run ended."""
    reason = (str(error) or type(error).__name__).splitlines()[0]
    state = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
    write_json(run.path / "status.json", {**run.status, "state": state, "reason": reason})


def _change(before: Any, after: Any, key: str = "") -> str:  # noqa: ANN401 - a plain value, and a setting
    """Say in words which setting differs first, of those that the result depends on; empty if none does.

    A setting that did not exist when the run was begun is the same as long as it keeps its default.
    """
    if key in _NO_MATTER:
        return ""
    if is_dataclass(after) and isinstance(before, dict):
        defaults = {item.name: _default(item) for item in fields(after) if item.init}
        here = {name: getattr(after, name) for name in defaults}
        given = {name: before[name] if name in before else to_plain(value) for name, value in defaults.items()}
    elif isinstance(after, dict) and isinstance(before, dict):
        here, given = after, {name: before.get(name) for name in after}
    else:
        plain = json.loads(json.dumps(to_plain(after)))
        return "" if before == plain else f"{key[1:]} was {before} and is now {plain}"
    changes = (_change(given[name], here[name], f"{key}.{name}") for name in here)
    gone = (f"{key[1:]}.{name} was {before[name]} and is no setting now".lstrip(".") for name in before.keys() - here)
    return next(filter(None, changes), "") or next(gone, "")


def _default(item: Any) -> Any:  # noqa: ANN401 - dataclasses.Field, generic only for type checkers
    if item.default_factory is not MISSING:
        return item.default_factory()
    return None if item.default is MISSING else item.default
