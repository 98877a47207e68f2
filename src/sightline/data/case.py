"""One image and what is known about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Case:
    """One image and what is known about it.

    Attributes:
        id: name of the image, unique in its cohort.
        image: file of the image.
        label: index of the class, or for `multilabel` one number in [0, 1] a class with NaN where unknown.
        patient: who is on it; a split never parts the images of one patient.
        source: where it comes from, such as the hospital; empty if not known.
        split: `train`, `val`, `test` or another name; empty if not split.
        mask: file of the region where a model may look for any class; None if not known.
        class_masks: file of the region of single classes, by class name.
        variants: other files of the same image by name; `off` is without its known bias, `swapped` with a wrong
            class's.
        gaze: file of where a reader looked; None if not known.
        report: file of what a reader wrote; None if not known.
        sha256: checksum of the image file, hexadecimal; empty if not known.
        about: what else is known, such as `age`, `sex` and `view`, as text by name of the column.
    """

    id: str
    image: Path
    label: int | tuple[float, ...]
    patient: str
    source: str = ""
    split: str = ""
    mask: Path | None = None
    class_masks: Mapping[str, Path] = field(default_factory=dict, hash=False)
    variants: Mapping[str, Path] = field(default_factory=dict, hash=False)
    gaze: Path | None = None
    report: Path | None = None
    sha256: str = ""
    about: Mapping[str, str] = field(default_factory=dict, hash=False)
