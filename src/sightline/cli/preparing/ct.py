"""Make raw chest CT ready: HU checked, one orientation, one spacing, clipped, kept as compressed arrays.

  sightline prepare ct scans prepared --organs
  sightline prepare ct scans prepared --labels labels.csv --jobs 4

SOURCE is a folder with DICOM series and NIfTI files anywhere in it, or a cohort of volumes. OUT gets volumes/<id>.zarr,
volumes.csv, and broken.csv with the reason for each series that cannot be used. From a cohort, or with --labels, it
becomes a cohort. The cohort and OUT may lie in a store (s3://bucket/folder). The table of labels has `id` and a column
a class, and may have `patient`, `split`, `source` and `mask:<class>` (a file relative to the table, or organs such as
#1+3).

What was stopped or killed goes on with the same command. Machines that share a disk may divide the work by --shard 1/3,
2/3 and 3/3; the command without it then writes the tables. --cluster gives it to a Dask cluster.
"""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sightline.cli.output import say, say_json
from sightline.cli.parser import Parser
from sightline.cli.stopping import RunFailedError, StoppedError, UsageError
from sightline.cli.talk import progress
from sightline.errors import DataError, RunError
from sightline.shards import read_shard
from sightline.urls import url_of

if TYPE_CHECKING:
    from sightline.data.volumes import Outcome

_SHOWN = 5  # broken series that are told one by one


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_argument("source", type=Path, metavar="SOURCE", help="folder of scans, or a cohort of volumes")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to make, or to go on with; also in a store")
    parser.add_argument(
        "--spacing",
        nargs=3,
        type=float,
        default=[0.8, 0.8, 0.8],
        metavar=("SLICE", "ROW", "COLUMN"),
        help="mm; default: 0.8 0.8 0.8",
    )
    parser.add_argument(
        "--clip", nargs=2, type=int, default=[-1000, 1000], metavar=("LOW", "HIGH"), help="HU; default: -1000 1000"
    )
    parser.add_argument("--organs", action="store_true", help="also find the lungs and the mediastinum")
    parser.add_argument("--labels", type=Path, metavar="TABLE", help="what is known about the volumes, by id")
    parser.add_argument("--jobs", type=int, metavar="N", help="processes; default: one a core and 3 GiB of memory")
    parser.add_argument("--cluster", metavar="ADDRESS", help="Dask scheduler, such as tcp://10.0.0.1:8786")
    parser.add_argument("--shard", metavar="I/N", help="do only the I-th of N parts")
    parser.add_common()
    parser.set_defaults(out_may_be_store=True)


def run(arguments: Namespace) -> int:
    """Prepare, and list what came of it."""
    from sightline.data import write_cohort
    from sightline.data.volumes import (
        Machines,
        Preparation,
        plan_volumes,
        prepare_volumes,
        prepared_cohort,
        write_tables,
    )
    from sightline.stores import place_for_results

    if arguments.jobs is not None and arguments.jobs < 1:
        raise UsageError(f"--jobs must be at least 1, got {arguments.jobs}")
    slices, rows, columns = arguments.spacing
    low, high = arguments.clip
    way = Preparation((slices, rows, columns), (low, high), arguments.organs)
    machines = Machines(arguments.jobs or 0, arguments.cluster or "")
    shard = read_shard(arguments.shard) if arguments.shard else None
    out = place_for_results(arguments.out)
    try:
        with progress() as stage:
            looking = stage("looking for volumes")
            plan = plan_volumes(
                arguments.source, out, way, labels=arguments.labels, shard=shard, machines=machines, progress=looking
            )
            outcomes = prepare_volumes(plan.jobs, machines, stage("preparing volumes"))
    except KeyboardInterrupt:
        raise StoppedError("stopped; the same command continues", exit_code=130) from None
    except RunError as error:
        raise RunFailedError(str(error)) from error
    broken = write_tables(outcomes, out, suffix=f"-{shard[0]}-of-{shard[1]}" if shard else "")[1]
    if outcomes and all(outcome.reason for outcome in outcomes):
        raise DataError(f"none of {len(outcomes)} can be used, see {broken.name}; the first: {outcomes[0].reason}")
    cohort = None
    if plan.labelled is not None and shard is None:
        by_id = {outcome.id: outcome for outcome in outcomes}
        cohort = prepared_cohort(plan.labelled, plan.names, by_id, way, out)
        write_cohort(cohort, out)
    _tell(
        outcomes,
        url_of(arguments.out) or arguments.out.as_posix(),
        0 if cohort is None else len(cohort.cases),
        as_json=arguments.json,
    )
    return 0


def _tell(outcomes: Sequence["Outcome"], out: str, cases: int, *, as_json: bool) -> None:
    from sightline.data.volumes.prepare_many import organs_words

    broken = [outcome for outcome in outcomes if outcome.reason]
    made = len(outcomes) - len(broken)
    words = [organs_words(outcome.about) for outcome in outcomes]
    doubtful = sum(each not in ("", "ok") for each in words)
    if as_json:
        listed = [{"source": outcome.source, "reason": outcome.reason} for outcome in broken]
        kept = sum(outcome.kept for outcome in outcomes)
        counts = {"volumes": made, "kept": kept, "organs_doubtful": doubtful, "cases": cases}
        say_json({"out": out, **counts, "broken": listed})
        return
    for outcome in broken[:_SHOWN]:
        say(f"broken: {outcome.reason}")
    if len(broken) > _SHOWN:
        say(f"broken: {len(broken) - _SHOWN} more, listed in {out}/broken.csv")
    organs = f", the organs of {doubtful} doubtful" if doubtful else ""
    cohort = f", a cohort of {cases}" if cases else ""
    say(f"{out}: {made} volumes{organs}{cohort}")
