from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from pydicom import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

REAL = Path(__file__).parents[4] / "shared" / "data"  # real images, where a checkout lies beside them


@pytest.fixture
def real() -> Path:
    """Folder of the real images."""
    if not REAL.is_dir():
        pytest.skip("no real images beside this checkout")
    return REAL


@pytest.fixture
def write_nifti() -> Callable[..., Path]:
    """Write `(D, H, W)` HU, head to feet, as a NIfTI file."""
    return save_nifti


@pytest.fixture
def write_series() -> Callable[..., Path]:
    """Write `(D, H, W)` HU, head to feet, as the DICOM slices of one series; further elements by keyword."""
    return save_series


@pytest.fixture
def hounsfield() -> Callable[..., np.ndarray]:
    """Make noise from air to bone."""
    return noise


def noise(shape: tuple[int, ...] = (8, 10, 12), seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-1000, 1000, shape).astype(np.int16)


def affine_of(spacing_mm: tuple[float, float, float]) -> np.ndarray:
    """Slices lead to the feet, rows back, columns left."""
    affine = np.zeros((4, 4))
    affine[[2, 1, 0], [0, 1, 2]] = -np.asarray(spacing_mm)
    affine[:, 3] = 50, 60, 70, 1
    return affine


def save_nifti(path: Path, values: np.ndarray, spacing_mm: tuple[float, float, float] = (2.0, 1.0, 1.5)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.Nifti1Image(values.T, affine_of(spacing_mm)[:, [2, 1, 0, 3]])
    image.to_filename(path)
    return path


def save_series(
    folder: Path, values: np.ndarray, spacing_mm: tuple[float, float, float] = (2.0, 1.0, 1.5), **elements: Any
) -> Path:
    slices, rows, columns = spacing_mm
    prefix = elements.pop("prefix", "")
    tilt = elements.pop("tilt_mm", 0.0)
    folder.mkdir(parents=True, exist_ok=True)
    for number, plane in enumerate(values):
        header = Dataset()
        header.file_meta = FileMetaDataset()
        header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        header.file_meta.MediaStorageSOPClassUID = header.SOPClassUID = CTImageStorage
        header.file_meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID = generate_uid()
        header.SeriesInstanceUID, header.Modality, header.RescaleType = "1.2.3", "CT", "HU"
        header.Rows, header.Columns = plane.shape
        header.SamplesPerPixel, header.PhotometricInterpretation, header.PixelRepresentation = 1, "MONOCHROME2", 0
        header.BitsAllocated, header.BitsStored, header.HighBit = 16, 16, 15
        header.RescaleSlope, header.RescaleIntercept = 1, -1024
        header.ImageOrientationPatient, header.PixelSpacing = [1, 0, 0, 0, 1, 0], [rows, columns]
        header.ImagePositionPatient = [-50, -60 + tilt * number, 70 - slices * number]
        for keyword, value in elements.items():
            setattr(header, keyword, value)
        header.PixelData = (plane.astype(np.int32) + 1024).astype("<u2").tobytes()
        header["PixelData"].VR = "OW"
        header.save_as(folder / f"{prefix}{number * 7 % 97:02}.dcm", enforce_file_format=True)
    return folder
