"""Runs as the verbs see them: one by one, or those in the folder of a comparison."""

from collections import Counter
from itertools import count
from pathlib import Path

from sightline.errors import RunError
from sightline.runs import RunFolder
from sightline.training import TrainSettings, open_run


def open_runs(paths: list[Path], *, rename: bool = False) -> dict[str, tuple[TrainSettings, RunFolder]]:
    """Open runs, or the runs in a folder of a comparison, by name.

    Args:
        paths: of the folders.
        rename: call runs that share a name by the ends of their paths that tell them apart, and take a run that is
            named twice once.

    Raises:
        RunError: a folder holds no run, or two runs have one name and are not to be renamed.
    """
    opened = [open_run(folder) for path in paths for folder in runs_in(path) or [path]]
    if rename:
        opened = list({run.path.resolve(): (settings, run) for settings, run in opened}.values())
    times = Counter(settings.name for settings, _ in opened)
    twice = [run.path.resolve() for settings, run in opened if times[settings.name] > 1]
    if twice and not rename:
        name = next(name for name, number in times.items() if number > 1)
        raise RunError(f"two runs are called {name}; compare runs with different names")
    ends = _ends(twice, {name for name, number in times.items() if number == 1})
    return {ends.get(run.path.resolve(), settings.name): (settings, run) for settings, run in opened}


def runs_in(path: Path) -> list[Path]:
    """List the run folders in a folder that is no run itself."""
    if (path / "config.yaml").is_file():
        return []
    return sorted(config.parent for config in path.glob("*/config.yaml"))


def _ends(folders: list[Path], taken: set[str]) -> dict[Path, str]:
    """Name folders by as many of the last parts of their paths as tell them apart, from one another and from others."""
    for parts in count(1):
        names = {folder: "/".join(folder.parts[-parts:]) for folder in folders}
        if len({*names.values()} | taken) == len(folders) + len(taken):
            break
    return names
