"""Training on several processes: started here by torch's elastic launcher, or by `torchrun` or `srun` around us.

What goes wrong is said once, in whichever process, and ends all of them. What can be expected to go wrong again, as a
wrong setting, is not tried again; a process that died is: the launcher ends the others, and all go on from the last
checkpoint.
"""

import atexit
import logging
import os
import signal
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sightline.cli.parser import Parser
from sightline.cli.stopping import RunFailedError, SaidElsewhereError, StoppedError, UsageError
from sightline.errors import SightlineError

_ENDED = "SIGHTLINE_ENDED"  # names a file: it is there once all is said, and holds the exit code
_LOST = 69  # a process could not reach another any more
_SIGNALS = ("SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1")


def add_options(parser: Parser) -> None:
    """Add the options of a training on several processes."""
    of = parser.add_argument_group("several processes (the result is that of one; docs/how_to/many_processes.md)")
    parser.names += ["--devices", "--nodes", "--address", "--strategy", "--restarts"]
    of.add_argument("--devices", type=int, metavar="N", help="processes on this machine, each with a GPU of its own")
    of.add_argument("--nodes", type=int, default=1, metavar="N", help="machines; each runs this same command")
    of.add_argument("--address", default="", metavar="HOST:PORT", help="where machines meet: a port of one of them")
    of.add_argument(
        "--strategy",
        default="ddp",
        metavar="ddp|fsdp2",
        help="how weights are kept: all of them in each process, or shared out between steps",
    )
    of.add_argument("--restarts", type=int, default=3, metavar="N", help="how often to go on after a process died")


def is_asked_for(arguments: Namespace) -> bool:
    """Tell whether processes are to be started here.

    Raises:
        UsageError: the options do not fit each other, or this is one of several processes already.
    """
    devices, nodes = arguments.devices, arguments.nodes
    for name in ("devices", "nodes"):
        if getattr(arguments, name) is not None and getattr(arguments, name) < 1:
            raise UsageError(f"--{name} must be at least 1, got {getattr(arguments, name)}")
    if arguments.restarts < 0:
        raise UsageError(f"--restarts must be at least 0, got {arguments.restarts}")
    if arguments.strategy not in ("ddp", "fsdp2"):
        raise UsageError(f"--strategy must be ddp or fsdp2, got {arguments.strategy!r}")
    if nodes > 1 and not _is_address(arguments.address):
        raise UsageError(f"--nodes {nodes} needs --address HOST:PORT of one of the machines, got {arguments.address!r}")
    if arguments.address and nodes == 1:
        raise UsageError("--address is where several machines meet; say how many by --nodes")
    asked = (devices or 1) * nodes > 1
    if asked and "RANK" in os.environ:
        raise UsageError("this is one of several processes already; --devices and --nodes are said by its launcher")
    return bool(asked)


def check_devices(devices: int, device: str) -> None:
    """Check that there is a GPU for each process, if they are to run on GPUs.

    Raises:
        UsageError: there is not.
    """
    import torch

    gpus = torch.cuda.device_count()
    if device != "cpu" and devices > gpus and (gpus or device.startswith("cuda")):
        raise UsageError(f"--devices {devices} needs as many GPUs, this machine has {gpus}; or set device=cpu")


def launch(arguments: Namespace, words: Sequence[str]) -> int:
    """Start the processes, wait for their end, and start them anew where one died.

    Args:
        arguments: with the options above.
        words: of the command that each is to run, after `sightline`.

    Returns:
        The exit code of the one that said why they ended; 0 where all is done.

    Raises:
        StoppedError: a signal ended them before they could save.
        RunFailedError: processes died, more often than they are started anew.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    devices, nodes = arguments.devices or 1, arguments.nodes
    alone = nodes == 1
    with tempfile.TemporaryDirectory() as folder, _surroundings(Path(folder) / "ended", devices):
        ended = Path(folder) / "ended"
        config = LaunchConfig(
            min_nodes=nodes,
            max_nodes=nodes,
            nproc_per_node=devices,
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0" if alone else arguments.address,
            local_addr="localhost" if alone else None,
            run_id=f"sightline-{os.getpid()}" if alone else "sightline",
            max_restarts=arguments.restarts,
        )
        if hasattr(config, "signals_to_handle"):  # torch 2.8
            config.signals_to_handle = ",".join(_SIGNALS)
        command = (sys.executable, "-m", "sightline.cli.main", *words)
        try:
            elastic_launch(config, command[0])(*command[1:])
        except SignalException as stopped:
            if not ended.exists():
                raise StoppedError(
                    "stopped before the step was done; --resume goes on from the last checkpoint",
                    exit_code=128 + int(stopped.sigval),
                ) from None
        except ChildFailedError as died:
            if not ended.exists():
                raise RunFailedError(f"{_death(died)}; --resume goes on from the last checkpoint") from None
        return int(ended.read_text(encoding="utf-8")) if ended.exists() else 0


def has_ended() -> bool:
    """Tell whether all was said before this process was started anew."""
    return _ENDED in os.environ and Path(os.environ[_ENDED]).exists()


@contextmanager
def speaking_once(rank: int, count: int) -> Iterator[None]:
    """Let an error that ends several processes be said by one of them.

    Raises:
        SaidElsewhereError: in the others, and where another process died.
    """
    try:
        yield
    except BaseException as error:
        code = 130 if isinstance(error, KeyboardInterrupt) else getattr(error, "exit_code", 2)
        code = code if isinstance(error, SightlineError | KeyboardInterrupt) else 1
        if count == 1:
            raise
        from sightline.training.processes import is_lost

        lost = is_lost(error)
        atexit.register(_leave, _LOST if lost else code)
        if lost:
            raise SaidElsewhereError(exit_code=_LOST) from error
        if not _is_first_to_say(rank):
            raise SaidElsewhereError(exit_code=code) from error
        if _ENDED in os.environ:
            Path(os.environ[_ENDED]).write_text(str(code), encoding="utf-8")
        raise


def _leave(code: int) -> None:
    """End at once: what is left of the group would wait for processes that have ended."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _is_first_to_say(rank: int) -> bool:
    """Whether no other process has said it; before they met, all say the same."""
    import torch.distributed as dist

    if not dist.is_initialized():
        return rank == 0
    try:
        store = dist.distributed_c10d._get_default_store()
        return bool(store.add("sightline/said", 1) == 1)
    except RuntimeError:
        return False


def _is_address(text: str) -> bool:
    host, colon, port = text.rpartition(":")
    return bool(host and colon) and port.isdecimal() and 0 < int(port) < 65536


def _death(died: Any) -> str:  # noqa: ANN401 - a ChildFailedError, imported late
    """Say which process died, and how; those that only lost another may have ended before the launcher looked."""
    causes = {rank: failure for rank, failure in died.failures.items() if failure.exitcode != _LOST} or died.failures
    rank, failure = min(causes.items(), key=lambda item: item[1].timestamp)
    how = f"by {signal.Signals(-failure.exitcode).name}" if failure.exitcode < 0 else f"with code {failure.exitcode}"
    return f"process {rank} ended {how}"


@contextmanager
def _surroundings(ended: Path, devices: int) -> Iterator[None]:
    """What the launcher and its processes find, and leave: environment, handlers of signals, silence."""
    silent = logging.root.manager.disable
    handlers: dict[int, Any] = {}
    for name in _SIGNALS:
        if hasattr(signal, name):
            handlers[getattr(signal, name)] = signal.getsignal(getattr(signal, name))
    added = {
        _ENDED: str(ended),
        "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",  # torch 2.13 keeps it, with the addresses of the dead
        "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": "60",  # a step, and a checkpoint
        "TORCH_CPP_LOG_LEVEL": "ERROR",  # DDP advises against looking for unused weights, which a guidance may have
        "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // devices)),
    }
    before = {name: os.environ.get(name) for name in added}
    os.environ.update({name: value for name, value in added.items() if name == _ENDED or before[name] is None})
    logging.disable(logging.CRITICAL)  # the processes say what there is to say
    try:
        yield
    finally:
        logging.disable(silent)
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        for number, handler in handlers.items():
            signal.signal(number, handler)
