"""A map laid over its image as a colour picture, DICOM Secondary Capture, which any workstation shows."""

import textwrap
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from sightline.data.readers.pixels import read_pixels
from sightline.data.readers.rendering import Rendering
from sightline.reporting.dicom.codes import standard, words
from sightline.reporting.dicom.result import NOTICE, Maker, Result, finished, identity
from sightline.reporting.dicom.source import Source, unquoted
from sightline.reporting.overlay import heatmap_overlay
from sightline.showing import AGAINST, FOR

if TYPE_CHECKING:
    from pydicom import Dataset

_INK, _PAPER = (235, 235, 235), (0, 0, 0)
_LEAST = 10  # pixels, height of letters


def secondary_capture(result: Result, source: Source, maker: Maker) -> "Dataset":
    """Return the overlay at the image's own resolution, with a strip below that says what it is.

    The image is as its file stores it, with its own window, not turned upright; of a series it is the slice that holds
    most of the absolute map. Rows and columns of the source are those of the picture; the strip adds rows at the end.

    Args:
        result: its `drawn` and `probabilities`.
        source: what it is of.
        maker: of the picture.

    Raises:
        DataError: the image cannot be read, or its header cannot be used.
    """
    from highdicom.sc import SCImage

    index = strongest(result.drawn)
    header = source.headers[index]
    grey = read_pixels(source.files[index], rendering=Rendering(upright=False), name=source.name)
    picture = heatmap_overlay(grey, result.drawn[index])
    legend = f"{result.target} {result.probabilities[result.target]:.2f}"
    picture = np.concatenate([picture, _strip(legend, f"{maker.model}, {maker.method}", picture.shape[1])])
    own = identity("overlay", source, result.target, maker)
    with unquoted(source.name):
        made = SCImage.from_ref_dataset(
            header,
            pixel_array=picture,
            photometric_interpretation="RGB",
            bits_allocated=8,
            coordinate_system="PATIENT",
            patient_orientation=("L", "F"),  # has to be given; the source's own takes its place below
            transfer_syntax_uid="1.2.840.10008.1.2.1",
            **own,
        )
        made.PatientOrientation = list(header.get("PatientOrientation") or [])
        made.BurnedInAnnotation = "NO"  # PS3.3 C.7.6.1: text that could tell who the patient is
        made.DerivationDescription = words(f"Relevance for {legend} by {maker.method} over the image", 1024)
        made.ImageComments = NOTICE
        made.SourceImageSequence = [_reference(header)]
        if header.get("PixelSpacing"):
            made.PixelSpacing = header.PixelSpacing
        elif header.get("ImagerPixelSpacing"):
            made.NominalScannedPixelSpacing = header.ImagerPixelSpacing
    return finished(made, source)


def strongest(drawn: NDArray[np.float32]) -> int:
    """Return which image holds most of the absolute map; the middle one where all is 0."""
    mass = np.abs(drawn).sum((1, 2))
    return int(mass.argmax()) if mass.any() else len(drawn) // 2


def _reference(header: "Dataset") -> "Dataset":
    from pydicom import Dataset

    item = Dataset()
    item.ReferencedSOPClassUID = header.SOPClassUID
    item.ReferencedSOPInstanceUID = header.SOPInstanceUID
    item.PurposeOfReferenceCodeSequence = [standard("source")]
    return item


def _strip(answer: str, maker: str, width: int) -> NDArray[np.uint8]:
    """Return lines of text on black, `(h, width, 3)`, broken where they are too long."""
    size = max(_LEAST, width // 45)
    font, margin, step = ImageFont.load_default(size), size // 2, round(1.35 * size)
    fit = max(12, round((width - 2 * margin) / (0.52 * size)))  # letters
    red, blue = [("red", FOR), (" for it ", _INK)], [("blue", AGAINST), (" against it", _INK)]
    lines = [*_wrapped(answer, fit), *([red + blue] if fit > 26 else [red, blue])]
    lines += [*_wrapped(maker, fit), *_wrapped(NOTICE, fit)]
    image = Image.new("RGB", (width, 2 * margin + step * len(lines)), _PAPER)
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        x = float(margin)
        for text, colour in line:
            draw.text((x, margin + number * step), text, colour, font)
            x += draw.textlength(text, font)
    return np.asarray(image)


def _wrapped(text: str, letters: int) -> list[list[tuple[str, tuple[int, int, int]]]]:
    return [[(line, _INK)] for line in textwrap.wrap(text, letters)]
