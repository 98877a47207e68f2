"""Say what is installed and on which device a run would compute."""

import importlib.metadata
import importlib.util
import os
import platform
from argparse import Namespace
from typing import Any

from sightline import __version__
from sightline.cli.output import say, say_json
from sightline.cli.parser import Parser

NEEDED = ("torch", "numpy", "scipy", "pillow", "pydantic", "PyYAML", "rich", "Jinja2", "matplotlib", "safetensors")
EXTRAS = {"track": "tensorboard"}


def configure(parser: Parser) -> None:
    """Add the options."""
    parser.add_common()


def run(arguments: Namespace) -> int:
    """Report the installation; 1 when something needed is missing."""
    facts = installation()
    if arguments.json:
        say_json(facts)
    else:
        for name in ("sightline", "python", "system", "cores"):
            say(f"{name:<12}{facts[name]}")
        for name, version in facts["packages"].items():
            say(f"{name:<12}{version or 'missing: pip install ' + name}")
        for name, there in facts["extras"].items():
            say(f"{name:<12}" + ("installed" if there else f"not installed: pip install 'sightline[{name}]'"))
        say(f"{'device':<12}{facts['device']}")
    return 0 if all(facts["packages"].values()) else 1


def installation() -> dict[str, Any]:
    """Versions, extras, and the device of choice."""
    packages = {name: _version(name) for name in NEEDED}
    return {
        "sightline": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "packages": packages,
        "extras": {extra: importlib.util.find_spec(module) is not None for extra, module in EXTRAS.items()},
        "device": _device() if packages["torch"] else None,
    }


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _device() -> str:
    import torch

    if torch.cuda.is_available():
        return f"cuda ({torch.cuda.get_device_name()})"
    return "mps" if torch.backends.mps.is_available() else f"cpu ({torch.get_num_threads()} threads)"
