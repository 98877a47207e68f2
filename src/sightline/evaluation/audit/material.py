"""What a model is audited on: cases of a cohort, and their images as the model is given them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from sightline.data.cohort import Case, Cohort
from sightline.metrics.resampling import Resampling
from sightline.types import Batch


@dataclass(frozen=True, eq=False)
class Material:
    """The images of an audit.

    Attributes:
        cohort: the cases that are audited, such as those of the test split.
        batches: from some cases to their batches, in order, prepared and not augmented.
        seed: steers all that is drawn: whose background replaces whose, where a marker is planted.
        resampling: how intervals are drawn.
        biased: the same as `batches` with the known bias of the cohort `off`, or `swapped` for that of a wrong class;
            empty where no bias is known.
        made: what the images depend on besides the cohort, in words, such as the settings of the data; an audit that
            is continued must find the same.
    """

    cohort: Cohort
    batches: Callable[[Cohort], Iterable[Batch]]
    seed: int = 0
    resampling: Resampling = field(default_factory=Resampling)
    biased: Mapping[str, Callable[[Cohort], Iterable[Batch]]] = field(default_factory=dict)
    made: str = ""

    @cached_property
    def cases(self) -> tuple[Case, ...]:
        """The cases, in the order of the cohort, all of them built: parts go through them again and again."""
        return tuple(self.cohort.cases)

    @cached_property
    def place(self) -> dict[str, int]:
        """Index of each case by its name."""
        return {case.id: index for index, case in enumerate(self.cases)}

    @cached_property
    def with_region(self) -> tuple[Case, ...]:
        """The cases that have a file of where a model may look; whether it covers anything is seen when it is read."""
        return tuple(case for case in self.cases if case.mask or case.class_masks or case.gaze)

    def load(self, cases: Sequence[Case], *, bias: str = "on") -> Batch:
        """Return some cases as one batch on the CPU, in the order given; a case may come twice.

        Args:
            cases: of `cases`.
            bias: `on` for the images as they are, or one of `biased`.
        """
        names = tuple(dict.fromkeys(case.id for case in cases))
        wanted = tuple(self.cases[self.place[name]] for name in names)
        batches = self.batches if bias == "on" else self.biased[bias]
        parts = list(batches(replace(self.cohort, cases=wanted)))
        rows = torch.tensor([names.index(case.id) for case in cases])
        images = torch.cat([part.images for part in parts])[rows]
        labels = torch.cat([part.labels for part in parts])[rows]
        regions = torch.cat([part.regions for part in parts])[rows]
        return Batch(images, labels, regions, tuple(case.id for case in cases))

    def labels(self, cases: Sequence[Case]) -> NDArray[np.float64]:
        """Truth of some cases: class `(N,)`, or `(N, K)` with NaN where unknown."""
        return np.array([case.label for case in cases], np.float64)
