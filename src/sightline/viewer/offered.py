"""The methods that the page offers."""

import math
from typing import Any

from sightline.attribution.methods import methods

FIRST_METHOD = "lrp"
_SLOW = 10  # passes through the model


def offered_methods() -> list[dict[str, Any]]:
    """Describe the methods that the page offers, that of the report first."""
    known = [method for method in methods().values() if not method.needs]
    known.sort(key=lambda method: (method.name != FIRST_METHOD, method.name != "grad_cam", method.title.casefold()))
    passes = {method.name: _passes(method.forward) + _passes(method.backward) for method in known}
    return [
        {
            "name": method.name,
            "title": method.title,
            "about": method.about,
            "caveat": method.caveat,
            "slow": passes[method.name] > _SLOW,
            "cost": f"{method.forward} forward, {method.backward} backward",
        }
        for method in known
    ]


def _passes(text: str) -> float:
    """How many passes a text such as `25 samples` says; those counted in what depends on the image are many."""
    first = text.split()[0] if text else ""
    return float(first) if first.replace(".", "").isdigit() else math.inf if first else 0.0
