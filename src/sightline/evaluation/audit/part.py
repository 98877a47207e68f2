"""A part of an audit: what is measured of each case, and what follows from all of it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sightline.data.cohort import Case
from sightline.errors import SightlineError
from sightline.evaluation.audit.look import Look
from sightline.evaluation.audit.material import Material
from sightline.evaluation.audit.section import Section
from sightline.evaluation.audit.store import Folder
from sightline.evaluation.audit.subject import Subject

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Columns:
    """What a part measured of its cases.

    Attributes:
        cases: the N cases, in the order of the cohort.
        values: by name, `(N, ...)`; NaN where a case has no such value.
    """

    cases: tuple[Case, ...]
    values: Mapping[str, Array]

    def __getitem__(self, name: str) -> Array:
        return self.values[name]

    @property
    def patients(self) -> tuple[str, ...]:
        """Who is on each image."""
        return tuple(case.patient for case in self.cases)


class UnfitError(SightlineError):
    """A part turns out, while measuring, not to suit the model; the message says why."""


class Part(ABC):
    """One part of an audit, a frozen dataclass of its options.

    `measure` is asked for a few cases at a time, and what it gives is kept on disk, so it must depend on nothing but
    the options of the part, the model, the cases and `material.seed`: not on how the cases are grouped.
    """

    name: ClassVar[str]
    question: ClassVar[str]
    only_answers: ClassVar[bool] = False
    """Whether the part works for a model that only answers."""

    def unfit(self, subject: Subject, material: Material) -> str:
        """Say in words why the part cannot be run; empty if it can."""
        del material
        return "" if self.only_answers or subject.model is not None else "the model can only be asked, not looked into"

    def chosen(self, subject: Subject, material: Material) -> Sequence[Case]:
        """Cases that the part measures, in the order of the cohort; all by default."""
        del subject
        return material.cases

    @abstractmethod
    def measure(self, subject: Subject, material: Material, look: Look) -> Mapping[str, Array]:
        """Measure the N cases of `look`: arrays `(N, ...)` by name, the same names and shapes for all cases."""

    @abstractmethod
    def conclude(self, subject: Subject, material: Material, columns: Columns, folder: Folder) -> Section:
        """Say what follows; pictures and tables go into the folder."""


def column(values: Tensor | Array) -> Array:
    """Return values of cases as an array of float64, or of their own kind where they are no floats."""
    array: Array = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    return array.astype(np.float64) if array.dtype.kind == "f" else array
