"""Somebody's model, given images as ours are and read as ours are."""

import math
from typing import Any, Literal

from torch import Tensor, nn

from sightline.errors import SettingsError

Values = tuple[float, float] | Literal["imagenet"]
Answers = Literal["logits", "softmax", "sigmoid"]

_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of torchvision's and timm's weights


class Reading(nn.Module):
    """Somebody's model, given images in [0, 1] and read as logits of the classes that are wanted.

    Args:
        model: maps images `(N, C, *S)` on its own scale to `(N, L)`; a tuple's first member, or its `logits`, is taken.
        values: numbers that the model has for black and white, or `imagenet` for the mean and deviation of its weights.
        outputs: which of the L outputs belong to the classes, in their order; None takes all.
        answers: `logits`, or what it gives instead, to be turned into them: `softmax` or `sigmoid` probabilities. Of a
            softmax a few outputs are wanted of, the probabilities of those few sum to 1 again.

    Raises:
        SettingsError: the values do not grow.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        values: Values = (0.0, 1.0),
        outputs: tuple[int, ...] | None = None,
        answers: Answers = "logits",
    ) -> None:
        super().__init__()
        if values != "imagenet" and not -math.inf < values[0] < values[1] < math.inf:
            raise SettingsError(f"values must be two growing numbers, for black and white, got {list(values)}")
        self.model, self.values, self.outputs, self.answers = model, values, outputs, answers

    def forward(self, images: Tensor) -> Tensor:
        """Return logits of the classes, `(N, K)`, from images in [0, 1], `(N, C, *S)`.

        Raises:
            SettingsError: the model answers with something else than a table, or one that is too narrow.
        """
        found = _table(self.model(self._given(images)))
        if self.outputs is not None:
            if max(self.outputs) >= found.shape[1]:
                raise SettingsError(f"outputs count from 0 to {found.shape[1] - 1}, got {max(self.outputs)}")
            found = found[:, list(self.outputs)]
        if self.answers == "logits":
            return found
        chance = found.clamp(1e-7, 1 - 1e-7)
        several = self.answers == "sigmoid" or found.shape[1] == 1
        return chance.log() - (1 - chance).log() if several else chance.log()

    def _given(self, images: Tensor) -> Tensor:
        if self.values == "imagenet":
            mean, deviation = (
                images.new_tensor(row).view(1, 3, *(1 for _ in images.shape[2:])) for row in (_MEAN, _DEVIATION)
            )
            return (images - mean) / deviation
        low, high = self.values
        return images if (low, high) == (0, 1) else images * (high - low) + low


def _table(answer: Any) -> Tensor:  # noqa: ANN401 - any model's
    """Find the table of outputs in what a model returned."""
    found = getattr(answer, "logits", answer)
    found = found[0] if isinstance(found, tuple | list) and found else found
    if not isinstance(found, Tensor) or found.ndim != 2:
        got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
        raise SettingsError(
            f"the model must answer with a table (N, outputs), got {got}; wrap it in a module that does"
        )
    return found
