"""Say what is installed and on which device a run would compute."""

import importlib.metadata
import os
import platform
import re
from argparse import Namespace
from typing import Any

from sightline import __version__
from sightline.cli.output import say, say_json
from sightline.cli.parser import Parser


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
        for name, missing in facts["extras"].items():
            hint = f"{', '.join(missing)} missing: pip install 'sightline[{name}]'"
            say(f"{name:<12}{hint if missing else 'installed'}")
        say(f"{'device':<12}{facts['device']}")
    return 0 if all(facts["packages"].values()) else 1


def installation() -> dict[str, Any]:
    """Versions of what is needed, what each extra still lacks, and the device of choice."""
    needed, extras = _requirements()
    packages = {name: _version(name) for name in needed}
    return {
        "sightline": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "packages": packages,
        "extras": {extra: [name for name in names if not _version(name)] for extra, names in extras.items()},
        "device": _device() if packages["torch"] else None,
    }


def _requirements() -> tuple[list[str], dict[str, list[str]]]:
    """Names of the packages that Sightline needs, and of those of each extra, as its installation has them."""
    needed: list[str] = []
    extras: dict[str, list[str]] = {}
    for requirement in importlib.metadata.requires("sightline") or []:
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        extra = re.search(r"extra == ['\"]([\w-]+)", requirement)
        (extras.setdefault(extra[1], []) if extra else needed).append(name)
    return needed, extras


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
