"""The preprocessing of a run as a transform of dictionaries, as MONAI's bundles compose them; MONAI is not needed."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sightline.data import Case, Cohort, DataSettings, Preprocessing, chosen_batches
from sightline.data.volume_input import VolumeInput


class PrepareImaged:
    """Reads image files and makes the model's input of them, as `sightline evaluate` does.

    Args:
        keys: of the dictionary that hold paths of files.
        preprocessing: options of `Preprocessing`, or of `VolumeInput` where `of` is `volumes`.
        of: `images` or `volumes`.
        value_range: values that stand for black and white in the files; None for the range of their type.
    """

    def __init__(
        self,
        keys: str | Sequence[str],
        preprocessing: Mapping[str, Any],
        of: str = "images",
        value_range: Sequence[float] | None = None,
    ) -> None:
        self.keys = (keys,) if isinstance(keys, str) else tuple(keys)
        options: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in preprocessing.items()
        }
        self.data = DataSettings(Path())
        if of == "volumes":
            self.data = replace(self.data, volume=VolumeInput(**options, augmentation=None))
        else:
            self.data = replace(self.data, preprocessing=Preprocessing(**options))
        low_high = None if value_range is None else (float(value_range[0]), float(value_range[1]))
        self.cohort = Cohort(Path(), "multiclass", ("", "any"), (), low_high)

    def __call__(self, given: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the dictionary with an image `(C, *S)` in [0, 1] in the place of each path.

        Raises:
            DataNotFoundError, DataError: a file is missing or cannot be used.
        """
        return {key: self._prepared(Path(value)) if key in self.keys else value for key, value in given.items()}

    def _prepared(self, file: Path) -> Any:  # noqa: ANN401 - a tensor
        images = replace(self.cohort, root=file.parent, cases=(Case(file.name, file, -1, file.name),))
        return next(iter(chosen_batches(replace(self.data, batch_size=1), images))).images[0]
