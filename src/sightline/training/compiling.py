"""Compiling the passes of a model that no explanation watches."""

import torch
from torch import nn

from sightline.errors import SettingsError


def compile_passes(model: nn.Module, device: torch.device) -> None:
    """Let torch compile the model in place, when it first runs; its weights keep their names.

    Args:
        model: as it is to be trained; a copy of it is not compiled.
        device: where it will run.

    Raises:
        SettingsError: torch cannot compile here, shown by a function of one line.
    """
    try:
        torch.compile(lambda x: x + 1)(torch.zeros(2, device=device))
        model.compile()
    except RuntimeError as error:
        why = str(error).splitlines()[0]
        raise SettingsError(
            f"compile=true needs a C++ compiler, and on a GPU Triton, but torch could not compile on {device} ({why}); "
            "install them, or set compile=false"
        ) from error
