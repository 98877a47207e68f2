"""Run folders as the verbs see them: a folder with settings that read back."""

from pathlib import Path

from sightline.cli.settings import read_settings
from sightline.errors import RunError
from sightline.runs import RunFolder
from sightline.training import TrainSettings


def open_run(path: Path) -> tuple[TrainSettings, RunFolder]:
    """Open a run and read its settings.

    Raises:
        RunError: it is no run folder.
        SettingsError: its `config.yaml` does not fit this version.
    """
    run = RunFolder.open(path)
    return read_settings(TrainSettings, [str(path / "config.yaml")]), run


def open_runs(paths: list[Path]) -> dict[str, tuple[TrainSettings, RunFolder]]:
    """Open runs, or the runs in a folder of a comparison, by name.

    Raises:
        RunError: a folder holds no run, or two runs have one name.
    """
    found: dict[str, tuple[TrainSettings, RunFolder]] = {}
    for path in paths:
        inside = sorted(config.parent for config in path.glob("*/config.yaml"))
        for folder in inside if inside and not (path / "config.yaml").is_file() else [path]:
            settings, run = open_run(folder)
            if settings.name in found:
                raise RunError(f"two runs are called {settings.name}; compare runs with different names")
            found[settings.name] = settings, run
    return found
