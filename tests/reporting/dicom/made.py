"""DICOM images of phantoms, as a hospital would send them."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from sightline.data.phantoms import RIVERSIDE, render_phantom
from sightline.data.phantoms.ct import make_ct
from sightline.data.phantoms.ct.scanners import SCANNERS
from sightline.data.readers.upright import turn

DX, CT = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.840.10008.5.1.4.1.1.2"
PATIENT = {
    "SpecificCharacterSet": "ISO_IR 100",
    "PatientName": "Müßtermann^Änne",
    "PatientID": "PID0815",
    "PatientBirthDate": "19470812",
    "PatientSex": "F",
    "StudyDate": "20260214",
    "StudyTime": "131415",
    "AccessionNumber": "ACC4711",
    "StudyID": "S1",
    "ReferringPhysicianName": "",
    "Manufacturer": "Scanner works",
}


def dataset(pixels: np.ndarray, *, sop_class: str, modality: str, **elements: Any) -> Dataset:
    """An uncompressed image of 16 bits; elements by keyword."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    for keyword, value in PATIENT.items():
        setattr(made, keyword, value)
    made.SOPClassUID, made.SOPInstanceUID, made.Modality = sop_class, generate_uid(), modality
    made.StudyInstanceUID, made.SeriesInstanceUID = generate_uid(), generate_uid()
    made.SeriesNumber = made.InstanceNumber = 1
    made.Rows, made.Columns = pixels.shape
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = 16
    made.HighBit, made.PixelRepresentation = 15, int(pixels.dtype.kind == "i")
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    made.HighBit = made.BitsStored - 1
    made.PixelData = pixels.tobytes()
    return made


def radiograph(finding: Any = "pneumonia", *, seed: int = 3, crop: int = 16, **elements: Any) -> Dataset:
    """A chest radiograph of 96 rows, of 12 bits, white where it is dark, with a window after a rescale, upright."""
    film = render_phantom(seed, finding, RIVERSIDE, 96).image[:, crop // 2 : 96 - crop // 2]
    stored = (4095 - film.astype(np.uint16) * 16).astype(np.uint16)
    given = {
        "PhotometricInterpretation": "MONOCHROME1",
        "BitsStored": 12,
        "RescaleSlope": 2,
        "RescaleIntercept": -100,
        "WindowCenter": 4000,
        "WindowWidth": 8000,
        "PatientOrientation": ["L", "F"],
        "ImagerPixelSpacing": [0.2, 0.2],
        "ViewPosition": "PA",
    }
    return dataset(stored, sop_class=DX, modality="DX", **{**given, **elements})


def turned(upright: Dataset, orientation: tuple[str, str]) -> Dataset:
    """The same radiograph, stored with its rows and columns leading elsewhere: the one of eight ways that fits."""
    pixels = pixels_of(upright)
    ways = [np.rot90(side, quarters) for side in (pixels, pixels[:, ::-1]) for quarters in range(4)]
    (stored,) = (way for way in ways if np.array_equal(turn(*orientation).apply(way), pixels))
    made = copy.deepcopy(upright)
    made.Rows, made.Columns = stored.shape
    made.PatientOrientation = list(orientation)
    made.PixelData = np.ascontiguousarray(stored).tobytes()
    return made


def pixels_of(made: Dataset) -> np.ndarray:
    return np.frombuffer(made.PixelData, np.uint16).reshape(made.Rows, made.Columns)


def ct_series(folder: Path, *, away: bool = False, slices: int = 12, **elements: Any) -> Path:
    """A folder of thick slices of a CT phantom; named against their order, and stored feet first if `away`."""
    values = make_ct(5, SCANNERS[0], 32).develop(SCANNERS[0])
    values = values[:: len(values) // slices][:slices]
    study, series, frame = generate_uid(), generate_uid(), generate_uid()
    folder.mkdir(parents=True, exist_ok=True)
    for number, plane in enumerate(values):
        place = [-60.0, -50.0, -3.0 * number]
        made = dataset(
            np.ascontiguousarray(plane[:28, :30]),
            sop_class=CT,
            modality="CT",
            StudyInstanceUID=study,
            SeriesInstanceUID=series,
            FrameOfReferenceUID=frame,
            PositionReferenceIndicator="",
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
            ImagePositionPatient=[*place[:2], -place[2]] if away else place,
            PixelSpacing=[1.5, 2.0],
            SliceThickness=3,
            InstanceNumber=number + 1,
            ImageType=["ORIGINAL", "PRIMARY", "AXIAL"],
            RescaleSlope=1,
            RescaleIntercept=0,
            RescaleType="HU",
            WindowCenter=-300,
            WindowWidth=1400,
            **elements,
        )
        save(made, folder / f"{slices - number:03d}.dcm")
    return folder


def save(made: Dataset, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save_as(path, enforce_file_format=True)
    return path
