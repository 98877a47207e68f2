"""The model under audit: what it answers, and whether it can be explained."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sightline.data.cohort import Task
from sightline.errors import DataError
from sightline.evaluation.predictions import decide, probabilities_of


@dataclass(frozen=True, eq=False)
class Subject:
    """A trained model and what its outputs mean.

    Attributes:
        name: as the reader shall see it.
        task: what its outputs are read as: softmax over classes, or a sigmoid each.
        classes: names of the K classes.
        answer: from images in [0, 1], `(N, C, *S)` on `device`, to logits `(N, K)`, or `(N, 1)` of the second of two.
        model: the same as a module that can be explained; None for one that only answers.
        fingerprint: checksum of its weights, hexadecimal.
        outputs: logits that it gives an image: K, or 1 for that of the second of two classes.
        device: where it runs.
        threshold: least probability to answer yes, for `binary` and `multilabel`.
        channels_last: it takes images whose channels lie next to one another in memory, which spares a CPU copies.
        pixels: of a channel of its images; they say how many cases are looked at together.
    """

    name: str
    task: Task
    classes: tuple[str, ...]
    answer: Callable[[Tensor], Tensor]
    model: nn.Module | None
    fingerprint: str
    outputs: int
    device: torch.device
    threshold: float = 0.5
    channels_last: bool = False
    pixels: int = 1

    def given(self, images: Tensor) -> Tensor:
        """Return images, `(N, C, *S)`, where and as the model wants them."""
        images = images.to(self.device)
        return images.contiguous(memory_format=torch.channels_last) if self.channels_last else images

    def probabilities(self, images: Tensor, known: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
        """Classify images.

        Args:
            images: on any device, `(N, C, *S)`.
            known: which of them to ask of, `(N,)`; all by default.

        Returns:
            Probability of each class, `(N, K)`; NaN where it was not asked.

        Raises:
            DataError: an answer is not finite.
        """
        if known is not None and not known.all():
            found = np.full((len(images), len(self.classes)), np.nan)
            if known.any():
                found[known] = self.probabilities(images[torch.from_numpy(known)])
            return found
        with torch.no_grad():
            logits = self.answer(self.given(images))
        if not bool(logits.isfinite().all()):
            raise DataError(f"{self.name} gives an answer that is not finite; is it trained for such images?")
        return probabilities_of(logits.detach().cpu(), self.task, len(self.classes))

    def decide(self, probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
        """Class of each image, `(N,)`; for `multilabel` 0 or 1 a class, `(N, K)`."""
        return decide(probabilities, self.task, threshold=self.threshold)
