"""A choice that was made before, for images that come from those it was made from."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sightline.attribution.explainer import same_scores
from sightline.attribution.targets import Selection, Target


@dataclass(frozen=True, eq=False)
class Chosen(Target):
    """What was chosen from images, for other ones made from them: explainers inside another explain what it explains.

    Args:
        selection: of the images.
        rows: which of them each of the others was made from, `(B,)` int64; None where they are the same.
    """

    selection: Selection
    rows: Tensor | None = None

    def select(self, logits: Tensor) -> Selection:
        """Return the scores, given the logits `(B, K)` of the images made.

        Raises:
            SettingsError: the target chosen by does not say how, see `same_scores`.
        """
        own = torch.arange(len(logits), device=logits.device) if self.rows is None else self.rows

        def scores(logits: Tensor, rows: Tensor) -> Tensor:
            return same_scores(self.selection, logits, own[rows])

        classes = None if self.selection.classes is None else self.selection.classes[own]
        made = torch.arange(len(logits), device=logits.device)
        return replace(self.selection, scores=scores(logits, made), classes=classes, again=scores)
