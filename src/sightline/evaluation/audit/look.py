"""A few cases under audit at a time: their images, what the model answers, and its maps, each drawn once."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from sightline.attribution import Explainer, GradCAM, GradientTimesInput, Predicted, Target, upsample_to
from sightline.data.cohort import Case
from sightline.errors import DataError, SightlineError
from sightline.evaluation.audit.cutting import continued, replace_outside, soft_regions
from sightline.evaluation.audit.subject import Subject
from sightline.types import Batch, Explanation

MAPS_AT_ONCE = 16
"""A map needs several times the memory of an answer."""
BLUR = 0.15
"""How wide the outside is blurred, a share of the side: enough to wipe out a mark of a tenth of the image, but not
which part is body, which air."""


class Look:
    """Some cases and what the model makes of them; what is asked for twice is computed once.

    Args:
        subject: the model.
        cases: N cases.
        batch: theirs, on the CPU.
    """

    def __init__(self, subject: Subject, cases: tuple[Case, ...], batch: Batch) -> None:
        self.subject, self.cases, self.batch = subject, cases, batch
        self._maps: dict[str, Tensor] = {}
        self._blurred: dict[float, NDArray[np.float64]] = {}

    def __len__(self) -> int:
        return len(self.cases)

    def rows(self, cases: tuple[Case, ...]) -> "Look":
        """Return a look at some of the cases; the same look where they are all."""
        if cases == self.cases:
            return self
        place = {case.id: row for row, case in enumerate(self.cases)}
        rows = [place[case.id] for case in cases]
        parts = (self.batch.images[rows], self.batch.labels[rows], self.batch.regions[rows])
        some = Look(self.subject, cases, Batch(*parts, tuple(case.id for case in cases)))
        some._maps = {name: maps[rows] for name, maps in self._maps.items()}
        some._blurred = {seam: answers[rows] for seam, answers in self._blurred.items()}
        if "probabilities" in self.__dict__:
            some.__dict__["probabilities"] = self.probabilities[rows]
        return some

    @property
    def images(self) -> Tensor:
        """`(N, C, *S)` float32 in [0, 1], on the CPU."""
        return self.batch.images

    @cached_property
    def probabilities(self) -> NDArray[np.float64]:
        """Of each class, `(N, K)`."""
        return self.subject.probabilities(self.images)

    @cached_property
    def decisions(self) -> NDArray[np.int64]:
        """Class of each image, `(N,)`; for `multilabel` 0 or 1 a class, `(N, K)`."""
        return self.subject.decide(self.probabilities)

    @cached_property
    def explained(self) -> NDArray[np.int64]:
        """Class that the maps explain, `(N,)`: the likeliest; the second of two where the model has one output."""
        if self.subject.outputs < len(self.subject.classes):
            return np.ones(len(self), np.int64)
        return np.asarray(self.probabilities.argmax(1), np.int64)

    @cached_property
    def regions(self) -> Tensor:
        """Where the model may look for the class explained, `(N, *S)` of the images' size; NaN where unknown."""
        regions = self.batch.regions.float()
        if regions.shape[1] > 1:
            regions = regions[torch.arange(len(regions)), torch.from_numpy(self.explained)][:, None]
        return _sized(regions, self.images)[:, 0]

    @cached_property
    def union(self) -> Tensor:
        """Where the model may look for any class, `(N, *S)` of the images' size; NaN where unknown for all."""
        regions = self.batch.regions.float()
        unknown = regions.isnan().all(1, keepdim=True)
        return _sized(regions.nan_to_num(0.0).amax(1, keepdim=True).masked_fill(unknown, torch.nan), self.images)[:, 0]

    @property
    def known(self) -> NDArray[np.bool_]:
        """Of which images a region is known that is neither empty nor everything, `(N,)`."""
        share = self.union.flatten(1).mean(1)
        known: NDArray[np.bool_] = ((share > 0) & (share < 1)).numpy()
        return known

    def with_outside_blurred(self, seam: float) -> NDArray[np.float64]:
        """Blur what lies outside of the regions, and ask again.

        Args:
            seam: width over which the blur comes in, a share of the shortest side; a hard edge would be a sign of its
                own.

        Returns:
            Probability of each class, `(N, K)`; NaN where no region is known.
        """
        if seam not in self._blurred:
            soft = soft_regions(self.union.nan_to_num(), seam=seam)
            smooth = continued(self.images, (soft < 1).float(), spread=BLUR)
            self._blurred[seam] = self.subject.probabilities(replace_outside(self.images, smooth, soft), self.known)
        return self._blurred[seam]

    def maps(self, explainer: Explainer) -> Tensor:
        """Explain the likeliest class: signed maps, channels summed, `(N, *S)` of the images' size, on the CPU.

        Raises:
            SightlineError: the model cannot be explained, or not by this method.
            DataError: a map is not finite.
        """
        name = repr(explainer)
        if name not in self._maps:
            self._maps[name] = self._draw(explainer)
        return self._maps[name]

    def draw_together(self, explainers: Sequence[Explainer]) -> None:
        """Draw the maps of several methods ahead where the same passes give two; any trouble is left to `maps`."""
        cam = next((each for each in explainers if isinstance(each, GradCAM)), None)
        pixels = next((each for each in explainers if isinstance(each, GradientTimesInput)), None)
        if cam is None or pixels is None or self._maps.keys() & {repr(cam), repr(pixels)}:
            return
        with suppress(SightlineError):
            first, second = self._explained(cam.with_times_input)
            self._maps |= {repr(cam): self._sized_and_sound(first), repr(pixels): self._sized_and_sound(second)}

    def _draw(self, explainer: Explainer) -> Tensor:
        (found,) = self._explained(lambda *given: (explainer(*given),))
        return self._sized_and_sound(found)

    def _explained(self, explain: Callable[[nn.Module, Tensor, Target], tuple[Explanation, ...]]) -> list[Tensor]:
        """Maps as a method gives them, a few images at a time."""
        if self.subject.model is None:
            raise SightlineError(f"{self.subject.name} only answers and cannot be explained")
        with torch.no_grad():
            pieces = [
                [each.attribution.detach().float().cpu() for each in explain(self.subject.model, given, Predicted())]
                for given in map(self.subject.given, torch.split(self.images, MAPS_AT_ONCE))
            ]
        return [torch.cat(found) for found in zip(*pieces, strict=True)]

    def _sized_and_sound(self, found: Tensor) -> Tensor:
        size = tuple(self.images.shape[2:])
        found = (found if tuple(found.shape[2:]) == size else upsample_to(found, size)).sum(1)
        finite = found.flatten(1).isfinite().all(1).tolist()
        if not all(finite):
            raise DataError(f"the map of case {self.cases[finite.index(False)].id} is not finite; is its image?")
        return found


def _sized(regions: Tensor, images: Tensor) -> Tensor:
    size = tuple(images.shape[2:])
    return regions if tuple(regions.shape[2:]) == size else F.interpolate(regions, size=size, mode="nearest")
