"""Check a cohort, split it by patient, or make one of phantoms.

A cohort is a folder with `cohort.csv` and `cohort.yaml`, or a folder of class folders with a parallel `masks/` tree.
"""

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sightline.cli.output import say, say_json
from sightline.cli.parser import Parser
from sightline.cli.stopping import UsageError
from sightline.cli.talk import progress

Number = TypeVar("Number", int, float)


def configure(parser: Parser) -> None:
    """Add the three things to do and their options."""
    todo = parser.add_subparsers(dest="todo", required=True, metavar="check | split | phantoms")
    check = todo.add_parser("check", help="list everything that would spoil a run; exit code 3 when there is something")
    check.add_argument("cohort", type=Path, help="folder or table")
    check.add_argument("--no-pixels", action="store_true", help="leave the images and masks unopened")
    split = todo.add_parser("split", help="split by patient, so that every split has its share of each class")
    split.add_argument("cohort", type=Path, help="folder or table")
    split.add_argument("--out", type=Path, required=True, help="folder for cohort.csv and cohort.yaml")
    split.add_argument("--fractions", default="train=0.7,val=0.1,test=0.2", help="default: %(default)s")
    split.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    phantoms = todo.add_parser("phantoms", help="make chest radiographs with known lungs, findings and hospital marks")
    phantoms.add_argument("out", type=Path, help="folder to make")
    phantoms.add_argument("--size", type=int, default=96, help="side in pixels; default: %(default)s")
    phantoms.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    phantoms.add_argument("--counts", default="train=600,val=150,test=240,ood=240", help="default: %(default)s")
    for each in (check, split, phantoms):
        each.add_common()


def run(arguments: Namespace) -> int:
    """Do what was asked."""
    return {"check": _check, "split": _split, "phantoms": _phantoms}[arguments.todo](arguments)


def _check(arguments: Namespace) -> int:
    from sightline.data import check_cohort, read_cohort

    cohort = read_cohort(arguments.cohort)
    problems = check_cohort(cohort, pixels=not arguments.no_pixels)
    if arguments.json:
        say_json([{"case": problem.case, "what": problem.what} for problem in problems])
    else:
        for problem in problems:
            say(problem.what)
        if not problems:
            splits = ", ".join(f"{name} {len(cohort.split(name).cases)}" for name in cohort.splits)
            say(f"nothing wrong: {len(cohort.cases)} images of {cohort.num_classes} classes ({splits or 'not split'})")
    return 3 if problems else 0


def _split(arguments: Namespace) -> int:
    from sightline.data import read_cohort, split_by_patient, write_cohort

    fractions = pairs(arguments.fractions, "--fractions", float)
    cohort = split_by_patient(read_cohort(arguments.cohort), fractions=fractions, seed=arguments.seed)
    write_cohort(cohort, arguments.out)
    counts = {name: len(cohort.split(name).cases) for name in cohort.splits}
    if arguments.json:
        say_json({"cohort": arguments.out.as_posix(), "images": counts})
    else:
        say(f"{arguments.out}: " + ", ".join(f"{name} {count}" for name, count in counts.items()))
    return 0


def _phantoms(arguments: Namespace) -> int:
    from sightline.data.phantoms import make_phantom_cohort

    counts = pairs(arguments.counts, "--counts", int)
    with progress() as stage:
        folder = make_phantom_cohort(
            arguments.out, seed=arguments.seed, size=arguments.size, counts=counts, progress=stage("phantoms")
        )
    if arguments.json:
        say_json({"cohort": folder.as_posix(), "images": counts})
    else:
        say(f"{folder}: {sum(counts.values())} phantoms")
    return 0


def pairs(text: str, option: str, kind: Callable[[str], Number]) -> dict[str, Number]:
    """Read `train=0.7,val=0.3`.

    Raises:
        UsageError: it looks otherwise.
    """
    try:
        words = [item.split("=") for item in text.split(",")]
        return {name.strip(): kind(value) for name, value in words}
    except ValueError:
        raise UsageError(f"{option} must look like train=0.7,val=0.1,test=0.2, got {text!r}") from None
