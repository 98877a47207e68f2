"""On what a run is made."""

import platform
import shlex
import sys
from importlib.metadata import version

import torch

import sightline
from sightline.errors import SettingsError


def describe_environment() -> dict[str, object]:
    """Versions, hardware and the command line, as `environment.json` keeps them."""
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "sightline": sightline.__version__,
        "torch": torch.__version__,
        "numpy": version("numpy"),
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "gpus": gpus,
        "threads": torch.get_num_threads(),
        "command": shlex.join(["sightline", *sys.argv[1:]]),
    }


def find_device(name: str) -> torch.device:
    """Return the device of that name; `auto` is a GPU where there is one.

    Raises:
        SettingsError: this machine has no such device.
    """
    gpus = torch.cuda.device_count()
    try:
        device = torch.device(("cuda" if gpus else "cpu") if name == "auto" else name)
    except RuntimeError:
        raise SettingsError(f"device must be auto, cpu, cuda or cuda:<number>, got {name!r}") from None
    if device.type == "cuda" and (device.index or 0) >= gpus:
        raise SettingsError(f"device {name} is not there, this machine has {gpus} GPUs; take device=auto")
    return device
