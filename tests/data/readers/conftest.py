from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

REAL = Path(__file__).parents[4] / "shared" / "data"  # real images, where a checkout lies beside them


@pytest.fixture
def real() -> Path:
    """Folder of the real images."""
    if not REAL.is_dir():
        pytest.skip("no real images beside this checkout")
    return REAL


@pytest.fixture
def write_dicom() -> Callable[..., Path]:
    """Write pixels as an uncompressed DICOM file; further elements by keyword."""
    return write


@pytest.fixture
def dicom_dataset() -> Callable[..., Dataset]:
    """Make the elements of an uncompressed DICOM file of pixels; further elements by keyword."""
    return dataset


def write(path: Path, pixels: np.ndarray, *, syntax: str = ExplicitVRLittleEndian, **elements: Any) -> Path:
    header = dataset(pixels, syntax=syntax, **elements)
    path.parent.mkdir(parents=True, exist_ok=True)
    header.save_as(path, enforce_file_format=True)
    return path


def dataset(pixels: np.ndarray, *, syntax: str = ExplicitVRLittleEndian, **elements: Any) -> Dataset:
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = syntax
    header.SOPClassUID = SecondaryCaptureImageStorage
    header.SOPInstanceUID = generate_uid()
    bits = pixels.dtype.itemsize * 8
    header.Rows, header.Columns = pixels.shape[:2]
    header.SamplesPerPixel = 1 if pixels.ndim == 2 else 3
    header.PhotometricInterpretation = "MONOCHROME2" if pixels.ndim == 2 else "RGB"
    if pixels.ndim == 3:
        header.PlanarConfiguration = 0
    header.BitsAllocated = header.BitsStored = bits
    header.HighBit = bits - 1
    header.PixelRepresentation = int(pixels.dtype.kind == "i")
    for keyword, value in elements.items():
        setattr(header, keyword, value)
    if "HighBit" not in elements:
        header.HighBit = header.BitsStored - 1
    order = "<" if syntax != "1.2.840.10008.1.2.2" else ">"
    header.PixelData = pixels.astype(pixels.dtype.newbyteorder(order)).tobytes()
    if len(header.PixelData) % 2:
        header.PixelData += b"\0"
    header["PixelData"].VR = "OW" if bits > 8 else "OB"
    return header
