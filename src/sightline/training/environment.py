"""On what a run is made."""

import platform
import shlex
import sys
from importlib.metadata import version

import torch

import sightline
from sightline.errors import SettingsError
from sightline.training.processes import Processes


def describe_environment(processes: Processes | None = None) -> dict[str, object]:
    """Versions, hardware, number of processes and the command line, as `environment.json` keeps them."""
    here = processes or Processes()
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "sightline": sightline.__version__,
        "torch": torch.__version__,
        "numpy": version("numpy"),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "gpus": gpus,
        "threads": torch.get_num_threads(),
        "processes": here.count,
        "strategy": here.strategy if here.several else None,
        "command": shlex.join(["sightline", *sys.argv[1:]]),
    }


def find_device(name: str, processes: Processes | None = None) -> torch.device:
    """Return the device of that name; `auto` is a GPU where there is one.

    Args:
        name: `auto`, `cpu`, `cuda` or `cuda:<number>`.
        processes: where there are several on a machine with GPUs, each has one of its own.

    Raises:
        SettingsError: this machine has no such device, or several processes were given the same one.
    """
    gpus = torch.cuda.device_count()
    try:
        device = torch.device(("cuda" if gpus else "cpu") if name == "auto" else name)
    except RuntimeError:
        raise SettingsError(f"device must be auto, cpu, cuda or cuda:<number>, got {name!r}") from None
    if device.type == "cuda" and (device.index or 0) >= gpus:
        raise SettingsError(f"device {name} is not there, this machine has {gpus} GPUs; take device=auto")
    if device.type == "cuda" and processes is not None and processes.several:
        if ":" in name:
            raise SettingsError(f"device must be auto, cpu or cuda for {processes.count} processes, got {name!r}")
        if processes.local >= gpus:
            raise SettingsError(f"this machine has {gpus} GPUs, too few for process {processes.local + 1} on it")
        return torch.device("cuda", processes.local)
    return device
