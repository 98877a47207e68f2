"""Train a classifier, plain or guided, into a new run folder.

  sightline train -c isnet-stochastic data.cohort=my-xrays
  sightline train -c isnet-stochastic -c mine.yaml optim.lr=1e-4 --out runs/first

The command line wins over a later file, a later file over an earlier one. Ctrl-C finishes the step and saves;
--resume goes on from there. --devices 8 trains on eight GPUs, with the same result.
"""

import logging
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from sightline.cli.launching import add_options, check_devices, has_ended, is_asked_for, launch, speaking_once
from sightline.cli.output import say, say_json
from sightline.cli.parser import Parser
from sightline.cli.stopping import UsageError
from sightline.cli.talk import progress, start_logging

if TYPE_CHECKING:
    from sightline.training import TrainSettings
    from sightline.training.joining import Place

_log = logging.getLogger(__name__)

SETTINGS = ("sightline.training.settings", "TrainSettings")


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="run folder; default: runs/NAME")
    parser.add_argument("--resume", action="store_true", help="continue the run in the folder")
    add_options(parser)
    parser.add_common()


def run(arguments: Namespace) -> int:
    """Train, in this process or in several."""
    if is_asked_for(arguments):
        return _start(arguments)
    if has_ended():
        return 0
    from sightline.training import find_place

    place = find_place()
    with speaking_once(place.rank, place.count):
        return _train(arguments, place)


def _start(arguments: Namespace) -> int:
    """Start the processes that train, if the settings are as they should be."""
    settings, _ = _read(arguments)
    if arguments.print_config:
        return _print(settings)
    check_devices(arguments.devices or 1, settings.device)
    words = ["train", *(word for file in arguments.config for word in ("-c", file)), *arguments.words]
    words += ["--out", str(arguments.out)] if arguments.out else []
    words += ["--resume"] if arguments.resume else []
    words += ["--strategy", arguments.strategy]
    words += ["--json"] if arguments.json else []
    words += {-1: ["-q"], 1: ["-v"]}.get(arguments.verbosity, [])
    return launch(arguments, words)


def _train(arguments: Namespace, place: "Place") -> int:
    """Train in this process, which may be one of several."""
    from sightline.cli.training import train_in_stages
    from sightline.training import joined

    if place.rank:
        start_logging(-1)
    settings, folder = _read(arguments)
    if arguments.print_config:
        return 0 if place.rank else _print(settings)
    again = arguments.resume or place.restarts > 0
    with joined(place, device=settings.device, strategy=arguments.strategy) as processes, progress() as stage:
        if processes.first and processes.restarts:
            _log.warning("a process died; all go on from the last checkpoint (restart %d)", processes.restarts)
        trained = train_in_stages(settings, folder, stage, resume=again, processes=processes)
    if place.rank:
        return 0
    if arguments.json:
        say_json({"run": trained.path.as_posix(), **trained.status})
    else:
        say(f"{trained.path}: {trained.status.get('state', 'done')}; next: sightline evaluate {trained.path}")
    return 0


def _read(arguments: Namespace) -> "tuple[TrainSettings, Path]":
    """Settings and run folder."""
    from sightline.cli.settings import read_settings, words_to_overrides
    from sightline.training import TrainSettings

    bare, overrides = words_to_overrides(arguments.words)
    if bare:
        raise UsageError(f"unknown argument {bare[0]}; files and recipes are given as -c {bare[0]}")
    files = list(arguments.config)
    if arguments.resume and arguments.out and not files and not overrides:
        files = [str(arguments.out / "config.yaml")]
    settings = read_settings(TrainSettings, files, overrides)
    return settings, arguments.out or Path("runs") / settings.name


def _print(settings: "TrainSettings") -> int:
    from sightline.cli.settings import to_yaml

    say(to_yaml(settings).rstrip())
    return 0
