"""Work over many processes: the options that ask for it, and what is said where some of it cannot be done."""

import os
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sightline.cli.parser import Parser
from sightline.cli.stopping import UsageError
from sightline.errors import LostWorkError

if TYPE_CHECKING:
    from sightline.machines import Machines

_SHOWN = 3


def add_machines(parser: Parser) -> None:
    """Add `--jobs` and `--cluster`."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--jobs", type=int, metavar="N", help="processes that share the work; default: 1, this one")
    where.add_argument("--cluster", metavar="ADDRESS", help="Dask scheduler, such as tcp://10.0.0.1:8786")


def machines_of(arguments: Namespace, device: str) -> "Machines | None":
    """Where the work is to be done; None for in this process.

    Args:
        arguments: of the command.
        device: that the work runs on, such as `auto`.

    Raises:
        UsageError: there are fewer processes than one.
    """
    if arguments.jobs is not None and arguments.jobs < 1:
        raise UsageError(f"--jobs must be at least 1, got {arguments.jobs}")
    if not arguments.cluster and arguments.jobs in (None, 1):
        return None
    import torch

    from sightline.machines import Machines
    from sightline.machines.gpus import shared_gpus

    if arguments.cluster:
        return Machines(cluster=arguments.cluster)
    gpus = shared_gpus(device, count=torch.cuda.device_count(), visible=os.environ.get("CUDA_VISIBLE_DEVICES"))
    return Machines(arguments.jobs, gpus=gpus)


def lost_work(groups: Sequence[Sequence[str]], where: Path) -> LostWorkError:
    """Name the cases of groups whose processes were ended, each time that they were tried."""
    words = [f"{group[0]} to {group[-1]} ({len(group)} cases)" if len(group) > 1 else group[0] for group in groups]
    more = f" and {len(words) - _SHOWN} groups more" if len(words) > _SHOWN else ""
    return LostWorkError(
        f"{', '.join(words[:_SHOWN])}{more}: every process that took this up was ended; was memory short? {where} "
        "holds all else, the same command tries it again"
    )
