from pathlib import Path

import numpy as np
import pydicom
import pytest

from sightline.data.readers import Rendering, read_pixels
from sightline.reporting.dicom import NOTICE, Maker, Result, Source, secondary_capture
from sightline.reporting.dicom.secondary_capture import _strip, strongest


@pytest.fixture
def marked(film: Source) -> Result:
    drawn = np.zeros(film.shape, np.float32)
    drawn[0, 20:24, 60:64], drawn[0, 70:74, 10:14] = 1, -1
    return Result("pneumonia", {"pneumonia": 0.7, "normal": 0.3}, drawn, drawn > 0)


def test_the_picture_is_the_image_with_the_map_on_its_own_pixels(
    marked: Result, film: Source, maker: Maker, written: Path
) -> None:
    secondary_capture(marked, film, maker).save_as(written, enforce_file_format=True)
    read = pydicom.dcmread(written)
    _, rows, columns = film.shape
    picture = read.pixel_array[:rows].astype(int)
    assert picture.shape == (rows, columns, 3)
    grey = np.rint(read_pixels(film.path, rendering=Rendering(upright=False)) * 255)
    there = marked.drawn[0] != 0
    np.testing.assert_allclose(picture[~there], np.repeat(grey[~there][:, None], 3, axis=1), atol=1)
    assert (picture[20:24, 60:64, 0] > picture[20:24, 60:64, 2] + 100).all(), "red for the class"
    assert (picture[70:74, 10:14, 2] > picture[70:74, 10:14, 0] + 100).all(), "blue against it"
    assert read.PhotometricInterpretation == "RGB"
    assert list(read.PatientOrientation) == ["R", "F"]
    assert list(read.NominalScannedPixelSpacing) == [0.2, 0.2]
    assert read.ImageComments == NOTICE
    (image,) = read.SourceImageSequence
    assert image.ReferencedSOPInstanceUID == film.first.SOPInstanceUID


@pytest.mark.parametrize("width", [160, 300, 512, 2048])
def test_a_strip_below_says_what_it_is_and_no_letter_is_cut_off(width: int) -> None:
    strip = _strip("pneumonia 0.70", "isnet-of-a-long-name, integrated_gradients", width)
    assert strip.shape[1] == width
    assert strip.max() > 200
    assert not strip[:, -1].any()
    assert not strip[-2:].any()


def test_of_a_series_the_slice_with_most_of_the_map_is_shown(
    series_result: Result, series: Source, maker: Maker
) -> None:
    made = secondary_capture(series_result, series, maker)
    index = int(np.abs(series_result.drawn).sum((1, 2)).argmax())
    assert made.SourceImageSequence[0].ReferencedSOPInstanceUID == series.headers[index].SOPInstanceUID
    assert strongest(np.zeros((5, 2, 2), np.float32)) == 2
