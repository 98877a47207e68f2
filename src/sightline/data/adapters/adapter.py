"""What every adapter is: options, and a function from a download folder to a cohort with its census."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from sightline.data.adapters.selection import Count, LeftOut
from sightline.data.cohort import Cohort, did_you_mean
from sightline.errors import SettingsError

Progress = Callable[[Iterable[Any]], Iterator[Any]]  # shows how far a loop has come


@dataclass(frozen=True)
class Adapted:
    """What came of a download.

    Attributes:
        cohort: the images that stayed.
        census: how many images and patients there were at first and after each rule of selection.
        left_out: the images that did not stay, each with the first rule that it failed.
    """

    cohort: Cohort
    census: tuple[Count, ...]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True)
class Adapter(ABC):
    """A public data set. A subclass is a frozen dataclass of the options of its selection; subclassing registers it.

    Args:
        partial: leave out images that the tables name and that are not there, and list them, instead of refusing the
            folder; for downloads of which only a part was unpacked.

    Attributes:
        name: what the command calls it, such as `chexpert`.
        title: what its authors call it.
        home: where it is to be had.
        layout: the files that it looks for, one a line.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    home: ClassVar[str]
    layout: ClassVar[str]

    partial: bool = False

    @abstractmethod
    def read(self, root: Path, out: Path, *, progress: Progress = iter) -> Adapted:
        """Make the cohort.

        Args:
            root: the download folder, which is only read.
            out: folder of the cohort; masks that the data set has in no image file are written there, as PNG below
                `masks`. The table is not: `write_cohort` does that.
            progress: wraps the loop over what takes long.

        Raises:
            DataNotFoundError: a file that must be there is not.
            DataError: a table has other columns, or most of the images are missing.
        """


def adapters() -> dict[str, type[Adapter]]:
    """Return the adapters by name, in order."""
    return {kind.name: kind for kind in sorted(Adapter.__subclasses__(), key=lambda kind: kind.name)}


def find_adapter(name: str) -> type[Adapter]:
    """Return the adapter of a name.

    Raises:
        SettingsError: there is none.
    """
    known = adapters()
    if name in known:
        return known[name]
    hint = did_you_mean(name, known)
    raise SettingsError(f"no adapter {name!r}{hint}; there are {', '.join(known)}")
