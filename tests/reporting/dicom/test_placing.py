"""Maps come back to the pixels that they are about: each step against the step it undoes, and all of them by a mark."""

from itertools import permutations, product
from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from sightline.data import Case, Cohort, ImageCache, Preprocessing
from sightline.data.prepared import prepare_image
from sightline.data.readers.upright import Turn
from sightline.data.readers.volume import reorient
from sightline.data.volume_input import VolumeInput, VolumeLoader, fit
from sightline.errors import ShapeError
from sightline.reporting.dicom import Source, open_source, place_map
from sightline.reporting.dicom.placing import place_image, reoriented_back, turned_back, unfit

from .made import CT, DX, ct_series, dataset, save

ORIENTATIONS = [
    *product("LR", "HF"),
    *product("HF", "LR"),
    *product("AP", "HF"),  # lateral
    ("F", "A"),
]


@given(st.booleans(), st.booleans(), st.booleans(), st.integers(1, 7), st.integers(1, 7))
def test_a_turn_is_undone(transpose: bool, rows: bool, columns: bool, height: int, width: int) -> None:
    pixels = np.arange(height * width).reshape(height, width)
    turn = Turn(transpose, rows, columns)
    np.testing.assert_array_equal(turned_back(turn.apply(pixels), turn), pixels)


@given(st.tuples(*[st.integers(1, 9)] * 3), st.tuples(*[st.integers(1, 9)] * 3))
def test_fitting_is_undone_where_the_model_looked_and_zero_elsewhere(
    shape: tuple[int, int, int], seen: tuple[int, int, int]
) -> None:
    volume = torch.arange(1, 1 + np.prod(shape)).reshape(shape).float()
    back = unfit(fit(volume, seen).numpy(), shape)
    kept = back != 0
    np.testing.assert_array_equal(back[kept], volume.numpy()[kept])
    assert kept.sum() == np.prod([min(pair) for pair in zip(shape, seen, strict=True)])


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("signs", list(product((1, -1), repeat=3)))
def test_every_orientation_of_a_volume_is_undone(order: tuple[int, ...], signs: tuple[int, ...]) -> None:
    affine = np.eye(4)
    affine[:3, :3] = np.diag(signs)[:, list(order)] * 1.5
    volume = np.random.default_rng(0).normal(size=(3, 5, 4))
    np.testing.assert_array_equal(reoriented_back(reorient(volume, affine)[0], affine), volume)


def mark(shape: tuple[int, int], at: tuple[int, int], wide: int = 2) -> np.ndarray:
    """A bright square on black, 16 bits."""
    pixels = np.zeros(shape, np.uint16)
    pixels[at[0] - wide : at[0] + wide + 1, at[1] - wide : at[1] + wide + 1] = 40000
    return pixels


@pytest.mark.parametrize("pad", ["never", "evaluation"])
@pytest.mark.parametrize("shape", [(60, 90), (90, 61), (64, 64)])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_mark_lands_where_it_is_on_the_radiograph(
    tmp_path: Path, orientation: tuple[str, str], shape: tuple[int, int], pad: str
) -> None:
    at = (17, 41)
    film = dataset(
        mark(shape, at),
        sop_class=DX,
        modality="DX",
        PatientOrientation=list(orientation),
        WindowCenter=32768,
        WindowWidth=65536,
    )
    path = save(film, tmp_path / "film.dcm")
    seen = Preprocessing(size=40, channels=1, equalise=False, pad_to_square=pad)
    image = prepare_image(path, seen, pad=pad != "never").pixels[0].astype(np.float32)
    placed = place_map(image, open_source(path), seen)
    assert placed.shape == (1, *shape)
    assert placed.dtype == np.float32
    np.testing.assert_allclose(ndimage.center_of_mass(placed[0]), at, atol=0.15)


def test_nothing_is_changed_where_nothing_was_resized(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 65536, (30, 50)).astype(np.uint16)
    film = dataset(pixels, sop_class=DX, modality="DX", PatientOrientation=["F", "R"])
    film.WindowCenter, film.WindowWidth = 32767.5 + 0.5, 65536
    path = save(film, tmp_path / "film.dcm")
    seen = Preprocessing(size=50, channels=1, equalise=False)
    image = prepare_image(path, seen, pad=True).pixels[0].astype(np.float32)
    np.testing.assert_allclose(place_map(image, open_source(path), seen)[0], pixels, atol=1.01)


def test_enlarging_and_shrinking_keep_a_slope() -> None:
    ramp = np.add.outer(np.zeros(20), (np.arange(20) + 0.5) / 20).astype(np.float32)
    for side in (80, 10):
        placed = place_image(ramp, (side, side), Turn(), pad=False)
        inner = slice(side // 10, -side // 10)
        np.testing.assert_allclose(placed[0, inner], ((np.arange(side) + 0.5) / side)[inner], atol=1e-5)


@pytest.mark.parametrize("away", [False, True], ids=["head first", "feet first"])
@pytest.mark.parametrize(
    "seen",
    [
        VolumeInput(shape=(16, 40, 24), window=(0.0, 1000.0)),
        VolumeInput(shape=(20, 20, 36), window=(0.0, 1000.0), spacing_mm=(2.0, 3.0, 1.0)),
        VolumeInput(shape=(9, 60, 20), window=(0.0, 1000.0), spacing_mm=(4.0, 1.0, 2.5)),
    ],
    ids=["as it lies", "finer and coarser", "coarser and finer"],
)
def test_a_mark_lands_in_its_slice(tmp_path: Path, seen: VolumeInput, away: bool) -> None:
    folder = ct_series(tmp_path / "ct", away=away)
    source = open_source(folder)
    at = (8, 9, 17)
    for index, (file, header) in enumerate(zip(source.files, source.headers, strict=True)):
        pixels = np.zeros(source.shape[1:], np.int16)
        if abs(index - at[0]) <= 1:
            pixels[at[1] - 1 : at[1] + 2, at[2] - 1 : at[2] + 2] = 900
        whole = pydicom.dcmread(file)
        whole.PixelData = pixels.tobytes()
        whole.save_as(file)
        assert header.SOPInstanceUID == whole.SOPInstanceUID
    cohort = Cohort(tmp_path, "binary", ("a", "b"), ())
    volume = VolumeLoader(cohort, seen, ImageCache(0)).volume(Case("ct", folder, 0, "p")).pixels
    placed = place_map(volume.astype(np.float32), source, seen)
    assert placed.shape == source.shape
    np.testing.assert_allclose(ndimage.center_of_mass(placed), at, atol=0.3)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (4.0, 2.0, 2.5)], ids=["finer", "coarser"])
def test_a_signed_slope_through_a_volume_comes_back(series: Source, spacing: tuple[float, float, float]) -> None:
    size = [round(n * mm / to) for n, mm, to in zip(series.shape, (3.0, 1.5, 2.0), spacing, strict=True)]
    slopes = np.meshgrid(*[(np.arange(n) + 0.5) / n - 0.5 for n in size], indexing="ij")
    drawn = (5 * slopes[0] - 3 * slopes[1] + 70 * slopes[2]).astype(np.float32)
    placed = place_map(drawn, series, VolumeInput(shape=(size[0], size[1], size[2]), spacing_mm=spacing))
    slopes = np.meshgrid(*[(np.arange(n) + 0.5) / n - 0.5 for n in series.shape], indexing="ij")
    slices = slice(None, None, -1) if series.headers[0].ImagePositionPatient[2] < -1 else slice(None)
    expected = 5 * slopes[0] - 3 * slopes[1] + 70 * slopes[2]
    np.testing.assert_allclose(placed[slices][2:-2, 2:-2, 2:-2], expected[2:-2, 2:-2, 2:-2], atol=0.01)


def test_slices_lead_as_their_headers_whatever_the_plane(tmp_path: Path) -> None:
    sagittal = tmp_path / "sagittal"
    for number in range(4):
        pixels = np.zeros((6, 5), np.int16)
        if number == 1:
            pixels[4, 1] = 900
        made = dataset(
            pixels,
            sop_class=CT,
            modality="CT",
            StudyInstanceUID="1.2",
            SeriesInstanceUID="1.2.3",
            FrameOfReferenceUID="1.2.4",
            ImageOrientationPatient=[0, 1, 0, 0, 0, -1],
            ImagePositionPatient=[3 * number, 0, 0],
            PixelSpacing=[1, 1],
            SliceThickness=3,
        )
        save(made, sagittal / f"{number}.dcm")
    source, seen = open_source(sagittal), VolumeInput(shape=(6, 5, 4), window=(0.0, 1000.0))
    cohort = Cohort(tmp_path, "binary", ("a", "b"), ())
    volume = VolumeLoader(cohort, seen, ImageCache(0)).volume(Case("ct", sagittal, 0, "p")).pixels
    placed = place_map(volume.astype(np.float32), source, seen)
    (where,) = np.argwhere(placed)
    frame = [float(header.ImagePositionPatient[0]) for header in source.headers].index(3)
    assert tuple(where) == (frame, 4, 1)


def test_a_map_of_another_size_is_refused(film: Source) -> None:
    with pytest.raises(ShapeError, match=r"a map of film.dcm must be \(48, 48\), got \(32, 32\)"):
        place_map(np.zeros((32, 32), np.float32), film, Preprocessing(size=48))
