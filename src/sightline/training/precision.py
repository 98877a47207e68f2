"""The precision of the forward pass, and what half precision needs so that small gradients do not become 0."""

from typing import Literal

import torch

Precision = Literal["float32", "bfloat16", "float16"]
_HALF = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def autocast(device: str, precision: Precision) -> torch.autocast:
    """Let what bears it run in half precision until the block ends; nothing for float32.

    Args:
        device: its type, such as `cuda`.
        precision: wanted.
    """
    return torch.autocast(device, _HALF.get(precision), enabled=precision in _HALF)


def make_scaler(device: str, precision: Precision) -> torch.amp.GradScaler:
    """Make what multiplies a loss so that its gradients can be told from 0 in float16, by as much as they bear.

    A step in which they overflow is left out, and the next one has half the scale. For other precisions it does
    nothing.

    Args:
        device: its type, such as `cuda`.
        precision: of the forward pass.

    Reference:
        Micikevicius et al. 2018, arXiv:1710.03740, section 3.2.
    """
    return torch.amp.GradScaler(device, enabled=precision == "float16")
