"""How weights follow their gradients: optimiser, course of the learning rate, clipping, averaging."""

from dataclasses import dataclass
from typing import Literal

from sightline.errors import SettingsError


@dataclass(frozen=True)
class OptimSettings:
    """How weights follow their gradients.

    Attributes:
        name: `adamw`, `adam`, or `sgd`.
        lr: highest learning rate, reached after the warm-up.
        fused: update all weights in one kernel, which is faster on a GPU and may differ in the last digits.
        momentum: of `sgd`; the ISNet's papers use 0.99 at a learning rate of 1e-3.
        weight_decay: the ISNet needs none: it favours maps of zero.
        clip_norm: greatest norm of the gradient of all weights together; null for no limit.
        clip_value: greatest magnitude of the gradient of one weight; null for no limit.
        warmup: share of the steps over which the learning rate rises from 0, in [0, 1).
        schedule: `cosine` falls to 0 at the last step, `constant` stays, `triangular2` rises and falls in cycles of
            half the height of the one before, `plateau` falls to a tenth, from the best weights so far, when the
            validation objective has not improved for a while.
        cycle: of `triangular2`: epochs of a rise, and of a fall.
        plateau: of `plateau`: epochs without improvement.
        averaging: decay of the running average of the weights that is evaluated and kept, in [0, 1); 0 keeps the last.
    """

    name: Literal["adamw", "adam", "sgd"] = "adamw"
    lr: float = 1e-3
    fused: bool = False
    momentum: float = 0.99
    weight_decay: float = 0.0
    clip_norm: float | None = 1.0
    clip_value: float | None = None
    warmup: float = 0.1
    schedule: Literal["cosine", "constant", "triangular2", "plateau"] = "cosine"
    cycle: int = 2
    plateau: int = 40
    averaging: float = 0.99

    def __post_init__(self) -> None:
        if not self.lr > 0:
            raise SettingsError(f"lr must be positive, got {self.lr}")
        if not 0 <= self.momentum < 1:
            raise SettingsError(f"momentum must lie in [0, 1), got {self.momentum}")
        if not self.weight_decay >= 0:
            raise SettingsError(f"weight_decay must be at least 0, got {self.weight_decay}")
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise SettingsError(f"clip_norm must be positive or null, got {self.clip_norm}")
        if self.clip_value is not None and not self.clip_value > 0:
            raise SettingsError(f"clip_value must be positive or null, got {self.clip_value}")
        if self.cycle < 1 or self.plateau < 1:
            raise SettingsError(f"cycle and plateau must be at least 1 epoch, got {self.cycle} and {self.plateau}")
        if not 0 <= self.warmup < 1:
            raise SettingsError(f"warmup must lie in [0, 1), got {self.warmup}")
        if not 0 <= self.averaging < 1:
            raise SettingsError(f"averaging must lie in [0, 1), got {self.averaging}")
