import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from sightline.data.readers.masks import read_mask
from sightline.data.readers.pixels import read_pixels
from sightline.data.readers.upright import Turn
from sightline.segmenting.stored import as_stored, undone

PIXELS = np.arange(6, dtype=np.uint8).reshape(2, 3) * 40


@pytest.mark.parametrize("flags", list(itertools.product([False, True], repeat=3)))
def test_undoing_a_turn_brings_back_what_was(flags: Sequence[bool]) -> None:
    turn = Turn(*flags)
    assert np.array_equal(undone(turn, turn.apply(PIXELS)), PIXELS)


def test_pictures_stay_as_they_are(tmp_path: Path) -> None:
    Image.fromarray(PIXELS).save(tmp_path / "film.png")
    assert np.array_equal(as_stored(PIXELS > 60, tmp_path / "film.png"), PIXELS > 60)


@pytest.mark.parametrize("orientation", [["L", "F"], ["R", "F"], ["F", "L"], ["R", "H"]])
def test_a_mask_of_a_dicom_image_is_read_where_it_was_made(tmp_path: Path, orientation: list[str]) -> None:
    film, file = tmp_path / "film.dcm", tmp_path / "mask.png"
    write_dicom(film, PIXELS, orientation)
    upright = read_pixels(film)
    mask = upright > np.median(upright)
    Image.fromarray(as_stored(mask, film).astype(np.uint8) * 255).save(file)
    with Image.open(file) as stored:
        assert stored.size == (3, 2)
    assert np.array_equal(read_mask(file, image=film) > 0, mask)


def write_dicom(path: Path, pixels: np.ndarray, orientation: list[str]) -> None:
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
    header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID = generate_uid(entropy_srcs=["film"])
    header.SOPClassUID, header.Modality = "1.2.840.10008.5.1.4.1.1.1", "CR"
    header.Rows, header.Columns = pixels.shape
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated = header.BitsStored = 8
    header.HighBit, header.PixelRepresentation = 7, 0
    header.PatientOrientation = orientation
    header.PixelData = pixels.tobytes()
    header.save_as(path, enforce_file_format=True)
