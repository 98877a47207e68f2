"""Train a classifier, plain or guided, into a new run folder.

  sightline train -c isnet-stochastic data.cohort=my-xrays
  sightline train -c isnet-stochastic -c mine.yaml optim.lr=1e-4 --out runs/first

The command line wins over a later file, a later file over an earlier one. Ctrl-C finishes the step and saves;
--resume goes on from there.
"""

from argparse import Namespace
from pathlib import Path

from sightline.cli.output import say, say_json
from sightline.cli.parser import Parser
from sightline.cli.stopping import UsageError
from sightline.cli.talk import progress

SETTINGS = ("sightline.training.settings", "TrainSettings")


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="run folder; default: runs/NAME")
    parser.add_argument("--resume", action="store_true", help="continue the run in the folder")
    parser.add_common()


def run(arguments: Namespace) -> int:
    """Train."""
    from sightline.cli.settings import read_settings, to_yaml, words_to_overrides
    from sightline.cli.training import train_in_stages
    from sightline.training import TrainSettings

    bare, overrides = words_to_overrides(arguments.words)
    if bare:
        raise UsageError(f"unknown argument {bare[0]}; files and recipes are given as -c {bare[0]}")
    files = list(arguments.config)
    if arguments.resume and arguments.out and not files and not overrides:
        files = [str(arguments.out / "config.yaml")]
    settings = read_settings(TrainSettings, files, overrides)
    if arguments.print_config:
        say(to_yaml(settings).rstrip())
        return 0
    folder = arguments.out or Path("runs") / settings.name
    with progress() as stage:
        trained = train_in_stages(settings, folder, stage, resume=arguments.resume)
    if arguments.json:
        say_json({"run": trained.path.as_posix(), **trained.status})
    else:
        say(f"{trained.path}: {trained.status.get('state', 'done')}; next: sightline evaluate {trained.path}")
    return 0
