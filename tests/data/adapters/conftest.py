from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sightline.data import Cohort, read_cohort, write_cohort


@pytest.fixture
def reread(tmp_path: Path) -> Callable[[Cohort], Cohort]:
    """Write a cohort, read it again, and see that nothing got lost."""

    def write_and_read(cohort: Cohort) -> Cohort:
        again = read_cohort(write_cohort(cohort, tmp_path / "out").parent)
        assert again.task == cohort.task
        assert again.classes == cohort.classes
        for one, other in zip(again.cases, cohort.cases, strict=True):
            assert (one.id, one.image, one.patient, one.split) == (other.id, other.image, other.patient, other.split)
            assert np.array_equal(one.label, other.label, equal_nan=True)
            assert (one.mask, one.class_masks, one.report) == (other.mask, other.class_masks, other.report)
            assert one.about == other.about
        return again

    return write_and_read


@pytest.fixture
def save_dicom() -> Callable[..., Path]:
    """Write a DICOM file of 4 x 6 pixels with some elements."""
    pydicom = pytest.importorskip("pydicom")

    def save(path: Path, **elements: object) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        meta = pydicom.dataset.FileMetaDataset()
        meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = pydicom.uid.DigitalXRayImageStorageForPresentation
        meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
        dataset = pydicom.Dataset()
        dataset.file_meta = meta
        dataset.SOPClassUID = meta.MediaStorageSOPClassUID
        dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
        plain = {"SamplesPerPixel": 1, "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0}
        image = {"PhotometricInterpretation": "MONOCHROME2", "Rows": 4, "Columns": 6, "PixelData": bytes(24)}
        for keyword, value in (plain | image | elements).items():
            if value is not None:
                setattr(dataset, keyword, value)
        dataset.save_as(path, enforce_file_format=True)
        return path

    return save
