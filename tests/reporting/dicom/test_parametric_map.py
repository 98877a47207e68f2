from pathlib import Path

import numpy as np
import pydicom
import pytest

from sightline.reporting.dicom import Maker, Result, Source, open_source, parametric_map
from sightline.reporting.dicom.codes import quantity_code

from .made import radiograph, save, turned


def write(made: pydicom.Dataset, path: Path) -> pydicom.Dataset:
    made.save_as(path, enforce_file_format=True)
    return pydicom.dcmread(path)


def test_values_are_the_floats_themselves(film_result: Result, film: Source, maker: Maker, written: Path) -> None:
    read = write(parametric_map(film_result, film, maker), written)
    values = np.frombuffer(read.FloatPixelData, "<f4").reshape(film.shape)
    np.testing.assert_array_equal(values, film_result.drawn)
    np.testing.assert_array_equal(read.pixel_array, film_result.drawn[0])
    (real,) = read.SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence
    assert (real.RealWorldValueSlope, real.RealWorldValueIntercept) == (1, 0)
    assert real.DoubleFloatRealWorldValueFirstValueMapped == film_result.drawn.min()
    (voi,) = read.SharedFunctionalGroupsSequence[0].FrameVOILUTSequence
    assert voi.WindowCenter == 0
    assert float(voi.WindowWidth) == pytest.approx(2 * np.percentile(np.abs(film_result.drawn), 99.5), rel=1e-5)
    assert read.ContentQualification == "RESEARCH"


def test_highdicom_reads_the_same_volume_at_the_same_place(
    series_result: Result, series: Source, maker: Maker, written: Path
) -> None:
    from highdicom.pm import ParametricMap

    parametric_map(series_result, series, maker).save_as(written)
    volume = ParametricMap.from_dataset(pydicom.dcmread(written)).get_volume()
    affine = np.asarray(volume.affine)
    for frame, header in enumerate(series.headers):
        (index,) = [
            n
            for n in range(len(series.headers))
            if np.allclose((affine @ [n, 0, 0, 1])[:3], header.ImagePositionPatient)
        ]
        np.testing.assert_allclose(volume.array[index], series_result.drawn[frame], rtol=1e-6)
    assert np.allclose(sorted(volume.spacing), [1.5, 2.0, 3.0])
    assert pydicom.dcmread(written).FrameOfReferenceUID == series.first.FrameOfReferenceUID


def test_each_frame_names_the_image_it_is_of(
    series_result: Result, series: Source, maker: Maker, written: Path
) -> None:
    read = write(parametric_map(series_result, series, maker), written)
    values = np.frombuffer(read.FloatPixelData, "<f4").reshape(series.shape)
    by_uid = {str(header.SOPInstanceUID): index for index, header in enumerate(series.headers)}
    assert read.NumberOfFrames == 12
    for frame, group in enumerate(read.PerFrameFunctionalGroupsSequence):
        (image,) = group.DerivationImageSequence[0].SourceImageSequence
        index = by_uid.pop(str(image.ReferencedSOPInstanceUID))
        np.testing.assert_array_equal(values[frame], series_result.drawn[index])
        place = group.PlanePositionSequence[0].ImagePositionPatient
        assert list(place) == list(series.headers[index].ImagePositionPatient)
    assert not by_uid


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [(("R", "F"), [-1, 0, 0, 0, 0, -1]), (("F", "L"), [0, 0, -1, 1, 0, 0]), (None, [1, 0, 0, 0, 1, 0])],
)
def test_a_radiograph_lies_in_a_space_of_its_own(
    tmp_path: Path, orientation: tuple[str, str] | None, expected: list[int], maker: Maker
) -> None:
    film = radiograph() if orientation is None else turned(radiograph(), orientation)
    if orientation is None:
        del film.PatientOrientation
    source = open_source(save(film, tmp_path / "film.dcm"))
    drawn = np.ones(source.shape, np.float32)
    made = parametric_map(Result("a", {"a": 1.0}, drawn, drawn > 2), source, maker)
    shared = made.SharedFunctionalGroupsSequence[0]
    assert list(shared.PlaneOrientationSequence[0].ImageOrientationPatient) == expected
    assert list(shared.PixelMeasuresSequence[0].PixelSpacing) == [0.2, 0.2]
    assert made.FrameOfReferenceUID.startswith("2.25.")
    assert not source.is_placed, "the header stays as it is"


def test_radiographs_of_one_series_have_maps_of_two_series(tmp_path: Path, maker: Maker) -> None:
    first, second = radiograph(), radiograph("normal")
    second.SeriesInstanceUID, second.StudyInstanceUID = first.SeriesInstanceUID, first.StudyInstanceUID
    maps = []
    for number, film in enumerate((first, second)):
        source = open_source(save(film, tmp_path / f"{number}.dcm"))
        drawn = np.ones(source.shape, np.float32)
        maps.append(parametric_map(Result("a", {"a": 1.0}, drawn, drawn > 2), source, maker))
    assert maps[0].FrameOfReferenceUID != maps[1].FrameOfReferenceUID
    assert maps[0].SeriesInstanceUID != maps[1].SeriesInstanceUID


@pytest.mark.parametrize("fill", [0.0, 3e-30])
def test_a_map_of_one_value_can_be_written(film: Source, maker: Maker, written: Path, fill: float) -> None:
    drawn = np.full(film.shape, fill, np.float32)
    read = write(parametric_map(Result("a", {"a": 1.0}, drawn, drawn > 1), film, maker), written)
    np.testing.assert_array_equal(read.pixel_array, drawn[0])


def test_the_quantity_is_named_by_the_method() -> None:
    codes = {method: quantity_code(method).value for method in ("lrp", "grad_cam", "cam", "saliency")}
    assert codes == {"lrp": "130404", "grad_cam": "130403", "cam": "130402", "saliency": "130404"}
