"""How a process finds the others: told by `torchrun`, by SLURM's `srun`, or by nobody, and then it is alone."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch.distributed.rendezvous import rendezvous

from sightline.errors import SettingsError
from sightline.training.processes import Processes, Strategy

_WAIT = timedelta(days=1)  # one may check a large cohort while the others wait; that one is dead is seen at once
_PORTS = 20000, 20000  # the first, and how many


@dataclass(frozen=True)
class Place:
    """Where a process stands among those that were started together.

    Attributes:
        rank: which one, from 0.
        count: how many there are.
        local: which one on this machine.
        address: host and port at which they meet; empty where the environment of `torchrun` says it.
        restarts: how often they have been started anew.
    """

    rank: int = 0
    count: int = 1
    local: int = 0
    address: str = ""
    restarts: int = 0


def find_place(environment: Mapping[str, str] | None = None) -> Place:
    """Read from the environment where this process stands.

    Args:
        environment: that of the process by default.

    Raises:
        SettingsError: it says it in part only, or in other than numbers.
    """
    told = os.environ if environment is None else environment
    if "RANK" in told or "WORLD_SIZE" in told:
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
        rank, count, local = (_number(told, name) for name in names)
        return Place(rank, count, local, restarts=int(told.get("TORCHELASTIC_RESTART_COUNT", 0)))
    if int(told.get("SLURM_STEP_NUM_TASKS", 1)) > 1:  # of srun; a batch script alone has none
        rank, count, local = (_number(told, f"SLURM_{name}") for name in ("PROCID", "STEP_NUM_TASKS", "LOCALID"))
        host = told.get("MASTER_ADDR") or first_host(told.get("SLURM_STEP_NODELIST", ""))
        port = told.get("MASTER_PORT") or str(_PORTS[0] + _number(told, "SLURM_JOB_ID") % _PORTS[1])
        return Place(rank, count, local, f"{host}:{port}", int(told.get("SLURM_RESTART_COUNT", 0)))
    return Place()


def first_host(nodes: str) -> str:
    """Return the first host of a list as SLURM writes it, such as `gpu[07-09,12],big1`.

    Raises:
        SettingsError: the list is empty.
    """
    found = re.match(r"([^\[,]+)(?:\[([0-9]+)[^\]]*\])?([^,]*)", nodes)
    if found is None:
        raise SettingsError("SLURM does not say on which machines it runs; set MASTER_ADDR to the first of them")
    return "".join(part or "" for part in found.groups())


@contextmanager
def joined(place: Place, *, device: str = "auto", strategy: Strategy = "ddp") -> Iterator[Processes]:
    """Meet the other processes, and part from them at the end.

    Args:
        place: of this process, as `find_place` says; one that is alone meets nobody.
        device: that the training will run on: processes on GPUs speak by NCCL, others by gloo.
        strategy: how weights are kept.

    Raises:
        SettingsError: the others cannot be met.
    """
    if place.count == 1:
        yield Processes(restarts=place.restarts)
        return
    gpu = device.startswith("cuda") or (device == "auto" and torch.cuda.is_available())
    if gpu and place.local < torch.cuda.device_count():
        torch.cuda.set_device(place.local)
    try:
        store, _, _ = next(rendezvous(f"tcp://{place.address}" if place.address else "env://", place.rank, place.count))
        if os.environ.get("GROUP_WORLD_SIZE") == "1":  # torch 2.13 keeps the store, with the addresses of the dead
            store = dist.distributed_c10d.PrefixStore(f"attempt_{place.restarts}", store)
        backend = "cpu:gloo,cuda:nccl" if gpu else "gloo"
        dist.init_process_group(backend, store=store, rank=place.rank, world_size=place.count)
        talk = dist.new_group(backend="gloo", timeout=_WAIT)
    except (RuntimeError, ValueError) as error:
        at, why = place.address or os.environ.get("MASTER_ADDR", ""), " ".join(str(error).split())
        raise SettingsError(f"process {place.rank} of {place.count} cannot meet the others at {at}: {why}") from error
    yield Processes(place.rank, place.count, place.local, strategy, place.restarts, talk)
    dist.destroy_process_group()  # not after an error: the others may still wait for an answer


def _number(told: Mapping[str, str], name: str) -> int:
    try:
        return int(told[name])
    except KeyError:
        raise SettingsError(f"the environment says in part where this process stands, but not {name}") from None
    except ValueError:
        raise SettingsError(f"{name} must be a number, got {told[name]!r}") from None
