"""Split by patient, so that every split has its share of each class.

Images with the same file, or with the same checksum in the table, stay in one split whoever is said to be on them. With
--copies the images are read, and copies that were resized, compressed, inverted or given another contrast stay
together, too. With --previous nobody who is in a split of an earlier cohort moves, so that rows may be added to it.
"""

from argparse import Namespace
from pathlib import Path

from sightline.cli.output import say, say_json
from sightline.cli.parser import Parser
from sightline.cli.preparing.pairs import pairs
from sightline.cli.stopping import UsageError
from sightline.cli.talk import progress


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("cohort", type=Path, help="folder or table")
    parser.add_argument("--out", type=Path, required=True, help="folder for cohort.csv and cohort.yaml")
    parser.add_argument("--fractions", default="train=0.7,val=0.1,test=0.2", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--previous", type=Path, metavar="COHORT", help="its patients stay in their splits")
    parser.add_argument("--copies", action="store_true", help="read the images, and keep copies in one split")
    parser.add_argument("--store", type=Path, metavar="FILE", help="see `sightline prepare check`")
    parser.add_common()


def run(arguments: Namespace) -> int:
    """Split, and write the table."""
    from sightline.data import read_cohort, split_by_patient, write_cohort
    from sightline.data.duplicates import find_copies

    fractions = pairs(arguments.fractions, "--fractions", float)
    if arguments.store and not arguments.copies:
        raise UsageError("--store is for --copies; add it")
    cohort = read_cohort(arguments.cohort)
    same: list[tuple[str, str]] = []
    if arguments.copies:
        with progress() as stage:
            copies = find_copies(cohort, store=arguments.store, progress=stage("looking for copies"))
        same = [(copy.first, copy.second) for copy in copies]
    previous = read_cohort(arguments.previous) if arguments.previous else None
    cohort = split_by_patient(cohort, fractions=fractions, seed=arguments.seed, previous=previous, same=same)
    write_cohort(cohort, arguments.out)
    counts = {name: len(cohort.split(name).cases) for name in cohort.splits}
    if arguments.json:
        say_json({"cohort": arguments.out.as_posix(), "images": counts, "copies": len(same)})
    else:
        say(f"{arguments.out}: " + ", ".join(f"{name} {count}" for name, count in counts.items()))
    return 0
