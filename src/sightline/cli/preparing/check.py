"""List everything that would spoil a run; exit code 3 when there is something.

  sightline prepare check cohort --store fingerprints.sqlite
  sightline prepare check cohort --probe

Found are files that cannot be read, labels that do not fit, patients in several splits, and images that are there more
than once, also where a copy was resized, compressed, inverted or given another contrast. A table says how many images
of each class each source gives to each split.

--probe tells how well class and source can be told from the images with the region erased: the area under the curve on
unseen patients, with its interval. One half is what a data set without bias has.
"""

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightline.cli.output import say, say_json, table
from sightline.cli.parser import Parser
from sightline.cli.stopping import UsageError
from sightline.cli.talk import progress

if TYPE_CHECKING:
    from sightline.data import Cohort, Problem
    from sightline.data.duplicates import Copy
    from sightline.evaluation.background_probe import Probe

_NETWORK_SIZE = 64  # pixels a side: letters can be read
_PROBE = ("erase", "margin", "border", "images", "splits", "network")


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("cohort", type=Path, help="folder or table")
    parser.add_argument("--no-pixels", action="store_true", help="leave the images and masks unopened")
    parser.add_argument(
        "--store",
        type=Path,
        metavar="FILE",
        help="keep what was found out about each image here, so that a search for copies goes on where it was stopped",
    )
    parser.add_argument("--probe", action="store_true", help="tell class and source from what surrounds the region")
    parser.add_argument(
        "--erase",
        choices=("outline", "hull", "box"),
        help="the region as drawn, its convex hull, or the box around it; default: hull",
    )
    parser.add_argument("--margin", type=float, metavar="SHARE", help="the region grows by; default: 0.03 of the side")
    parser.add_argument("--border", type=float, metavar="SHARE", help="width of the outer frame; default: 0.1")
    parser.add_argument("--images", type=int, metavar="N", help="most images to probe; default: 5000")
    parser.add_argument(
        "--splits", nargs="+", metavar="NAME", help="to probe; default: train if there is one, else all"
    )
    parser.add_argument(
        "--network", action="store_true", default=None, help="a small network in place of a linear probe"
    )
    parser.add_common()


def run(arguments: Namespace) -> int:
    """Check, and say what is wrong."""
    from sightline.cli.preparing.tables import lone_sources, split_table
    from sightline.data import read_cohort

    for name in _PROBE:
        if getattr(arguments, name) is not None and not arguments.probe:
            raise UsageError(f"--{name} is for the probe; add --probe")
    if arguments.no_pixels and (arguments.probe or arguments.store):
        raise UsageError("--no-pixels leaves nothing to look at; leave it out for --probe and --store")
    cohort = read_cohort(arguments.cohort)
    problems, copies = _problems(cohort, arguments)
    probe = _probe(cohort, arguments) if arguments.probe else None
    split_of = {case.id: case.split for case in cohort.cases}
    parted = {copy for copy in copies if split_of[copy.first] != split_of[copy.second]}
    head, rows = split_table(cohort)
    notes = lone_sources(cohort)
    if arguments.json:
        say_json(
            {
                "problems": [vars(problem) for problem in problems],
                "copies": [{**vars(copy), "parted": copy in parted} for copy in copies],
                "notes": notes,
                "table": [dict(zip(head, row, strict=True)) for row in rows],
                "probe": _probe_json(probe) if probe else None,
            }
        )
        return 3 if problems else 0
    for problem in problems:
        say(problem.what)
    if not problems:
        splits = ", ".join(f"{name} {len(cohort.split(name).cases)}" for name in cohort.splits)
        say(f"nothing wrong: {len(cohort.cases)} images of {cohort.num_classes} classes ({splits or 'not split'})")
    together = len(copies) - len(parted)
    if together:
        notes = [*notes, f"{together} pairs of copies inside of a split; --json lists them"]
    say("\n".join(["", *(f"note: {note}" for note in notes), *([""] if notes else []), table(head, rows)]))
    if probe:
        say("\n" + probe_text(probe))
    return 3 if problems else 0


def _problems(cohort: "Cohort", arguments: Namespace) -> tuple[list["Problem"], list["Copy"]]:
    """Return what is wrong, and the pairs of copies."""
    from sightline.data import check_cohort
    from sightline.data.check import readable_cases
    from sightline.data.duplicates import find_copies

    problems = check_cohort(cohort, pixels=False)
    if arguments.no_pixels:
        return problems, []
    with progress() as stage:
        problems += readable_cases(cohort, progress=stage("reading every file"))[1]
        copies = find_copies(cohort, store=arguments.store, progress=stage("looking for copies"))
    problems = list(dict.fromkeys(problems))
    return [*problems, *_copy_problems(copies, cohort)], copies


def _copy_problems(copies: list["Copy"], cohort: "Cohort") -> list["Problem"]:
    """Copies that a run must not have: in two splits, or with two labels."""
    import numpy as np

    from sightline.data import Problem

    by_id = {case.id: case for case in cohort.cases}
    found = []
    for copy in copies:
        one, other = by_id[copy.first], by_id[copy.second]
        names = f"{cohort.name(one.image)} and {cohort.name(other.image)}"
        what = "the same file" if copy.identical else f"copies of one image (correlation {copy.correlation:.2f})"
        if one.split != other.split:
            found.append(Problem(one.id, f"{names}: {what}, in splits {one.split!r} and {other.split!r}"))
        if not np.array_equal(np.asarray(one.label, float), np.asarray(other.label, float), equal_nan=True):
            found.append(Problem(one.id, f"{names}: {what}, with different labels"))
    return found


def _probe(cohort: "Cohort", arguments: Namespace) -> "Probe":
    from dataclasses import replace

    from sightline.evaluation.background_probe import ProbeSettings, background_probe

    given: dict[str, Any] = {name: getattr(arguments, name) for name in _PROBE if getattr(arguments, name) is not None}
    splits = given.pop("splits", ["train"] if "train" in cohort.splits else [])
    if splits:
        wanted = {name for name in splits if cohort.split(name)}
        cohort = replace(cohort, cases=tuple(case for case in cohort.cases if case.split in wanted))
    settings = ProbeSettings(**given | ({"size": _NETWORK_SIZE} if arguments.network else {}))
    with progress() as stage:
        return background_probe(cohort, settings, progress=stage("probing"))


def probe_text(probe: "Probe") -> str:
    """Write the scores of a probe as a table with its circumstances above."""
    from sightline.evaluation.background_probe.probe import MEAN, VIEWS

    settings = probe.settings
    kind = "small network" if settings.network else "linear probe"
    grown = f"grown by {settings.margin:.0%} of the side"
    area = {"outline": "the region", "hull": "its convex hull", "box": "the box around it"}[settings.erase]
    lines = [
        f"{kind}, {settings.size} px, {settings.folds} folds by patient: {probe.images} images of {probe.patients} "
        f"patients; erased: {area}, {grown}; border: {settings.border:.0%} of the side",
        "area under the curve on unseen patients, "
        f"{settings.resampling.level:.0%} interval over patients; 0.50 is what chance gives",
    ]
    lines += [f"{probe.without_region} images without a region: border and whole only"] * bool(probe.without_region)
    lines += [f"{probe.unreadable} images cannot be read"] * bool(probe.unreadable)
    columns = list(dict.fromkeys((score.target, score.of) for score in probe.scores))
    columns = [each for each in columns if each[1] != MEAN or sum(other[0] == each[0] for other in columns) > 2]
    rows = []
    for view, words in VIEWS.items():
        for shuffled in (False, True):
            of = {
                (score.target, score.of): f"{score.auroc.value:.2f} [{score.auroc.low:.2f}, {score.auroc.high:.2f}]"
                for score in probe.scores
                if (score.view, score.shuffled) == (view, shuffled)
            }
            if of:
                rows.append([words + ", labels shuffled" * shuffled, *(of[column] for column in columns)])
    return "\n".join([*lines, "", table(["seen", *(f"{target} {name}" for target, name in columns)], rows)])


def _probe_json(probe: "Probe") -> dict[str, Any]:
    from dataclasses import asdict

    about = {name: getattr(probe, name) for name in ("images", "patients", "without_region", "unreadable")}
    return {**about, "settings": asdict(probe.settings), "scores": [score.as_dict() for score in probe.scores]}
