from dataclasses import replace
from pathlib import Path

import numpy as np

from sightline.data.readers import read_mask
from sightline.data.readers.upright import turn_of
from sightline.reporting.dicom import Maker, Result, Source, segmentation


def test_our_reader_finds_each_region_on_the_radiograph(
    film_result: Result, film: Source, maker: Maker, written: Path
) -> None:
    made = segmentation(film_result, film, maker)
    assert made is not None
    made.save_as(written, enforce_file_format=True)
    turn = turn_of(film.first)
    for number, region in ((1, film_result.top), (2, film_result.allowed)):
        assert region is not None
        found = read_mask(written.with_name(f"{written.name}#{number}"), image=film.path)
        np.testing.assert_array_equal(found != 0, turn.apply(region[0]))


def test_highdicom_finds_the_region_in_each_slice(
    series_result: Result, series: Source, maker: Maker, written: Path
) -> None:
    from highdicom.seg import segread

    made = segmentation(series_result, series, maker)
    assert made is not None
    made.save_as(written, enforce_file_format=True)
    uids = [str(header.SOPInstanceUID) for header in series.headers]
    found = segread(written).get_pixels_by_source_instance(uids, assert_missing_frames_are_empty=True)
    np.testing.assert_array_equal(found[..., 0] != 0, series_result.top)
    assert 0 < series_result.top.sum() < series_result.top.size / 2


def test_segments_say_what_they_are_and_who_drew_them(film_result: Result, film: Source, maker: Maker) -> None:
    made = segmentation(film_result, film, maker)
    assert made is not None
    first, second = made.SegmentSequence
    assert first.SegmentedPropertyTypeCodeSequence[0].CodeValue == "RELEVANCE_REGION"
    assert second.SegmentedPropertyTypeCodeSequence[0].CodeValue == "ALLOWED_REGION"
    assert first.SegmentAlgorithmType == "AUTOMATIC"
    assert "isnet, lrp" in first.SegmentAlgorithmName
    assert made.SegmentationType == "BINARY"
    assert made.ContentQualification == "RESEARCH"


def test_an_empty_region_has_no_segment(film_result: Result, film: Source, maker: Maker) -> None:
    nothing = np.zeros(film.shape, bool)
    alone = segmentation(replace(film_result, top=nothing), film, maker)
    assert alone is not None
    (only,) = alone.SegmentSequence
    assert only.SegmentedPropertyTypeCodeSequence[0].CodeValue == "ALLOWED_REGION"
    assert segmentation(replace(film_result, top=nothing, allowed=None), film, maker) is None
