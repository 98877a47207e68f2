"""Look at cases in a browser: images, maps over them, runs side by side, and marks of reviewers.

sightline view runs/isnet
sightline view runs/plain runs/isnet --reviewer Ada
sightline view cohort/
sightline view runs/isnet --export-reviews marks.csv

The page is served to this machine alone, until Ctrl-C. It asks for nothing from elsewhere.
"""

import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from sightline.cli.output import say, say_json
from sightline.cli.parser import Parser
from sightline.cli.stopping import UsageError
from sightline.urls import url_of

if TYPE_CHECKING:
    from sightline.runs import RunFolder
    from sightline.training import TrainSettings
    from sightline.viewer import Reviews, View

PORT = 8642
_REVIEWS = "reviews.sqlite"


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("folders", nargs="+", type=Path, metavar="RUN|COHORT", help="runs of one cohort, or a cohort")
    parser.add_argument("--port", type=int, help=f"0 for any that is free; default: {PORT}, or any if it is taken")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to serve at; others than this machine's own ask for a token"
    )
    parser.add_argument("--token", action="store_true", help="ask for a token on this machine, too")
    parser.add_argument("--open", action="store_true", help="open the page in the browser of this machine")
    parser.add_argument(
        "--reviews", type=Path, metavar="FILE", help=f"where marks are kept; default: {_REVIEWS} in the folder"
    )
    parser.add_argument("--reviewer", default="", metavar="NAME", help="whose marks they are; can be set in the page")
    parser.add_argument("--export-reviews", type=Path, metavar="CSV", help="write the marks as a table, and end")
    parser.add_argument("--max-upload", type=float, default=256, metavar="MIB", help="default: %(default)s")
    parser.add_common()


def run(arguments: Namespace) -> int:
    """Serve the page, or write the marks."""
    runs = _runs(arguments.folders)
    reviews = _reviews(arguments, runs)
    if arguments.export_reviews:
        return _export(arguments, reviews)
    if arguments.max_upload <= 0:
        raise UsageError(f"--max-upload must be over 0, got {arguments.max_upload:g}")
    view = _view(arguments.folders, runs)
    with TemporaryDirectory(prefix="sightline-maps-") as spare:
        return _serve(arguments, view, reviews, Path(spare))


def _serve(arguments: Namespace, view: "View", reviews: Mapping[str, "Reviews"], spare: Path) -> int:
    try:
        from sightline.viewer.desk import Desk, store_folder
        from sightline.viewer.maps import MapStore
        from sightline.viewer.server import prepare_page
        from sightline.viewer.uploads import Uploads
    except ImportError as error:
        from sightline.errors import MissingExtraError

        raise MissingExtraError(f"view needs {error.name}: pip install 'sightline[serve]'") from error

    uploads = Uploads(most_bytes=int(arguments.max_upload * 2**20))
    stores = {name: MapStore(store_folder(each, spare)) for name, each in view.runs.items()}
    desk = Desk(view, uploads, reviews, stores, reviewer=arguments.reviewer)
    page = prepare_page(
        desk,
        host=arguments.host,
        port=PORT if arguments.port is None else arguments.port,
        any_port=arguments.port is None,
        token=arguments.token,
    )
    if arguments.json:
        say_json({"address": page.address, "cases": len(view.cohort.cases), "runs": list(view.runs)})
    else:
        say(f"{view.title}: {len(view.cohort.cases)} cases at\n{page.address}\nCtrl-C ends it")
    sys.stdout.flush()  # whoever waits for the address behind a pipe gets it now
    if arguments.open:
        import webbrowser

        webbrowser.open(page.address)
    page.serve()
    return 0


def _runs(folders: list[Path]) -> "dict[str, tuple[TrainSettings, RunFolder]]":
    """Open the runs; none where the one folder is a cohort."""
    from sightline.cli.opening import open_runs, runs_in

    are_runs = [(folder / "config.yaml").is_file() or bool(runs_in(folder)) for folder in folders]
    if not any(are_runs) and len(folders) == 1:
        return {}
    if not all(are_runs):
        other = folders[are_runs.index(False)]
        raise UsageError(f"{other} is no run; name runs of one cohort, or one cohort alone")
    return open_runs(folders, rename=True)


def _view(folders: list[Path], runs: "Mapping[str, tuple[TrainSettings, RunFolder]]") -> "View":
    from sightline.data import read_cohort
    from sightline.viewer import open_view

    paths = {name: settings.data.cohort for name, (settings, _) in runs.items()} or {"": folders[0]}
    if len({path.resolve() for path in paths.values()}) > 1:
        told = ", ".join(f"{name} on {path}" for name, path in paths.items())
        raise UsageError(f"runs of one cohort can be looked at together, not {told}")
    return open_view(runs, read_cohort(next(iter(paths.values()))))


def _reviews(arguments: Namespace, runs: "Mapping[str, tuple[TrainSettings, RunFolder]]") -> "dict[str, Reviews]":
    """Open the marks of each run: in its folder, or all in the file that is named."""
    from sightline.viewer import Reviews

    first = arguments.folders[0]
    places = {name: folder.path / _REVIEWS for name, (_, folder) in runs.items()}
    if not places and not arguments.reviews and url_of(first):
        raise UsageError(f"marks cannot be kept in a store; name a file for them by --reviews, beside {url_of(first)}")
    places = places or {"": (first if first.is_dir() else first.parent) / _REVIEWS}
    if arguments.reviews:
        places = dict.fromkeys(places, arguments.reviews)
    opened = {file: Reviews(file) for file in places.values()}
    return {name: opened[file] for name, file in places.items()}


def _export(arguments: Namespace, reviews: Mapping[str, "Reviews"]) -> int:
    from sightline.runs import write_text
    from sightline.viewer import reviews_csv

    files = {each.file: each for each in reviews.values()}
    found = [review for each in files.values() for review in each.all() if review.run in reviews]
    write_text(arguments.export_reviews, reviews_csv(found))
    if arguments.json:
        say_json({"reviews": len(found), "file": arguments.export_reviews.as_posix()})
    else:
        say(f"{len(found)} reviews in {arguments.export_reviews}")
    return 0
