"""Image files read and prepared as a run prepares its own; no model is needed, so it may be done anywhere."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from sightline.data import Cohort, DataSettings, ImageCache, chosen_batches
from sightline.errors import DataError
from sightline.evaluation.given_images import given_batches, given_images, off_scale
from sightline.types import Batch


@dataclass(frozen=True, eq=False)
class Ready:
    """An image that was read and prepared.

    Attributes:
        name: of the image.
        image: the model's input, `(C, *S)` float32 in [0, 1].
        warnings: what is odd about it, in words.
    """

    name: str
    image: Tensor
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class ImageReader:
    """Reads image files for a model.

    Attributes:
        cohort: of the run: classes and value range.
        data: how images become the model's input.
        axes: spatial axes of the model's first convolution; None where not known.
    """

    cohort: Cohort
    data: DataSettings
    axes: int | None

    def __call__(self, file: Path, *, name: str = "") -> Ready:
        """Read and prepare an image.

        Args:
            file: PNG, JPEG, TIFF, BMP, DICOM, NIfTI or NumPy; its suffix says which.
            name: what to call it in the answer; by default the name of the file.

        Raises:
            DataNotFoundError: there is no such file.
            DataError: it cannot be read to its end, or is not what the model takes.
        """
        file = Path(file)
        if file.is_dir():
            raise DataError(f"{file.name}: a folder, not an image; name the files in it")
        images = given_images([file], self.cohort)
        (batch,) = self._batches(images)
        warnings = off_scale(batch, images) if self.data.volume is None else {}
        return Ready(name or file.name, batch.images[0], tuple(warnings.values()))

    def _batches(self, images: Cohort) -> Sequence[Batch]:
        if self.data.volume is None:
            return list(given_batches(images, self.data.preprocessing, axes=self.axes, batch_size=1))
        data = replace(self.data, workers=0)
        return list(chosen_batches(data, images, batch_size=1, cache=ImageCache(0)))  # nothing of it stays on the disk
