import numpy as np
import pytest
from pydicom import Dataset
from pydicom.pixels import apply_modality_lut, apply_voi

from sightline.data.readers.dicom_values import look_up, measured, padding, rendered
from sightline.data.readers.rendering import Rendering
from sightline.errors import DataError

STORED = np.asarray([[0, 10, 20], [30, 40, 63]], np.uint16)


def header(**elements: object) -> Dataset:
    made = Dataset()
    made.PhotometricInterpretation, made.PixelRepresentation = "MONOCHROME2", 0
    made.BitsAllocated, made.BitsStored = 16, 12
    made.file_meta = None
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


def table(entries: list[int], first: int = 0, bits: int = 16, *, as_bytes: str = "") -> Dataset:
    item = Dataset()
    item.LUTDescriptor = [len(entries) % (1 << 16), first % (1 << 16), bits]
    item.LUTData = np.asarray(entries, as_bytes).tobytes() if as_bytes else entries
    item["LUTData"].VR = "OW" if as_bytes else "US"
    item.set_original_encoding(False, as_bytes != ">u2")
    return item


def render(stored: np.ndarray = STORED, window: object = "file", choice: int = 0, **elements: object) -> np.ndarray:
    return rendered(stored, header(**elements), Rendering(window=window, choice=choice))  # type: ignore[arg-type]


def test_padding_is_one_value_or_a_range_in_either_order() -> None:
    np.testing.assert_array_equal(padding(STORED, header(PixelPaddingValue=10)), STORED == 10)
    for ends in ((20, 40), (40, 20)):
        found = padding(STORED, header(PixelPaddingValue=ends[0], PixelPaddingRangeLimit=ends[1]))
        np.testing.assert_array_equal(found, (STORED >= 20) & (STORED <= 40))
    assert not padding(STORED, header()).any()


def test_padding_written_as_unsigned_is_found_among_signed_values() -> None:
    stored = np.asarray([[-2000, 0]], np.int16)
    np.testing.assert_array_equal(padding(stored, header(PixelPaddingValue=63536)), [[True, False]])


def test_padding_becomes_the_darkest_of_the_rest_whatever_the_polarity() -> None:
    stored = np.asarray([[0, 100, 200, 300]], np.uint16)
    window = {"WindowCenter": 200, "WindowWidth": 201, "PixelPaddingValue": 0, "VOILUTFunction": "LINEAR_EXACT"}
    bright = render(stored, **window)
    np.testing.assert_allclose(bright[0, 0], bright[0, 1])
    inverse = render(stored, PhotometricInterpretation="MONOCHROME1", **window)
    np.testing.assert_allclose(inverse[0, 1:], 1 - bright[0, 1:], atol=1e-6)
    np.testing.assert_allclose(inverse[0, 0], inverse[0, 3])  # without padding black would be white
    np.testing.assert_array_equal(render(stored, None, PixelPaddingValue=0), [[100, 100, 200, 300]])


def test_padding_does_not_count_for_the_range() -> None:
    stored = np.asarray([[-2000, -10, 0, 10]], np.int16)
    np.testing.assert_allclose(render(stored, PixelPaddingValue=-2000), [[0, 0, 0.5, 1]])
    assert render(stored[:, :1], PixelPaddingValue=-2000).shape == (1, 1)


def test_values_are_rescaled_as_pydicom_does() -> None:
    rescale = header(RescaleSlope=2.5, RescaleIntercept=-1024)
    np.testing.assert_allclose(measured(STORED, rescale), apply_modality_lut(STORED, rescale))
    assert measured(STORED, header(RescaleSlope=1, RescaleIntercept=0)) is STORED
    with pytest.raises(DataError, match=r"^rescale slope must not be 0, got 0"):
        measured(STORED, header(RescaleSlope=0, RescaleIntercept=5))


def test_a_modality_lut_comes_before_a_window() -> None:
    lut = table([1000, 2000, 3000], first=20)
    np.testing.assert_array_equal(measured(STORED, header(ModalityLUTSequence=[lut])), [[1000] * 3, [3000] * 3])
    window = {"WindowCenter": 2000, "WindowWidth": 2000, "VOILUTFunction": "LINEAR_EXACT"}
    np.testing.assert_allclose(render(ModalityLUTSequence=[lut], **window), [[0] * 3, [1] * 3])


@pytest.mark.parametrize("as_bytes", ["", "<u2", ">u2"])
def test_a_table_is_pydicoms_and_ends_go_on(as_bytes: str) -> None:
    item = table(list(range(100, 4100, 100)), first=15, bits=12, as_bytes=as_bytes)
    entries, largest = look_up(STORED, item)
    assert largest == 4095
    np.testing.assert_array_equal(entries, [[100, 100, 600], [1600, 2600, 4000]])
    if not as_bytes:
        np.testing.assert_array_equal(entries, apply_voi(STORED, header(VOILUTSequence=[item])))


def test_a_table_may_hold_bytes_of_8_bits_and_begin_below_0() -> None:
    entries, largest = look_up(np.asarray([-3, -2, -1, 0, 5], np.int16), table([7, 8, 9, 10], -2, 8, as_bytes="u1"))
    np.testing.assert_array_equal(entries, [7, 7, 8, 9, 10])
    assert largest == 255


@pytest.mark.parametrize(
    ("item", "what"), [(table([], bits=8), "without entries"), (table([1], bits=0), "1 to 16 bits")]
)
def test_a_table_that_cannot_be_used_is_refused(item: Dataset, what: str) -> None:
    with pytest.raises(DataError, match=what):
        look_up(STORED, item)


def test_a_voi_lut_counts_before_a_window_and_one_of_several_is_chosen() -> None:
    luts = [table([0, 4095], 20, 12), table([4095, 0], 20, 12)]
    both = {"VOILUTSequence": luts, "WindowCenter": 1, "WindowWidth": 1}
    np.testing.assert_array_equal(render(**both), STORED > 20)
    np.testing.assert_array_equal(render(choice=1, **both), STORED <= 20)
    with pytest.raises(DataError, match=r"^window 2 was asked for, counted from 0, but the file has 2$"):
        render(choice=2, **both)


def test_the_first_of_several_windows_or_the_chosen_one() -> None:
    several = {"WindowCenter": [30, 10], "WindowWidth": [60, 20], "VOILUTFunction": "LINEAR_EXACT"}
    np.testing.assert_allclose(render(**several), np.clip(STORED / 60, 0, 1), atol=1e-6)
    np.testing.assert_allclose(render(choice=1, **several), np.clip(STORED / 20, 0, 1), atol=1e-6)


def test_a_window_given_or_by_percentiles_leaves_the_files_own() -> None:
    own = {"WindowCenter": 1000, "WindowWidth": 10}
    np.testing.assert_allclose(render(window=(30.0, 60.0), **own), np.clip(STORED / 60, 0, 1), atol=1e-6)
    ramp = np.arange(1001, dtype=np.uint16).reshape(7, 143)
    np.testing.assert_allclose(render(ramp, "percentile", **own), np.clip((ramp - 10.0) / 980, 0, 1), atol=1e-6)


def test_without_a_window_8_bits_keep_their_range_and_more_take_that_of_the_image() -> None:
    np.testing.assert_allclose(render(STORED.astype(np.uint8), BitsAllocated=8, BitsStored=8), STORED / 255, rtol=1e-6)
    signed = np.asarray([[-128, 127]], np.int8)
    np.testing.assert_allclose(render(signed, BitsAllocated=8, BitsStored=8, PixelRepresentation=1), [[0, 1]])
    np.testing.assert_array_equal(render(STORED > 30, BitsAllocated=1, BitsStored=1), STORED > 30)
    np.testing.assert_allclose(render(), STORED / 63, rtol=1e-6)
    np.testing.assert_array_equal(render(np.full((2, 2), 7, np.uint16)), 0)


@pytest.mark.parametrize(
    ("tags", "inverted"),
    [
        ({"PhotometricInterpretation": "MONOCHROME1"}, True),
        ({"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"}, True),  # once, not twice
        ({"PresentationLUTShape": "INVERSE"}, True),
        ({"PresentationLUTShape": "IDENTITY"}, False),
        ({}, False),
    ],
)
def test_polarity_is_inverted_once_and_only_for_the_eye(tags: dict[str, str], inverted: bool) -> None:
    np.testing.assert_allclose(render(**tags), 1 - STORED / 63 if inverted else STORED / 63, atol=1e-6)
    np.testing.assert_array_equal(render(window=None, RescaleSlope=2, RescaleIntercept=-1, **tags), STORED * 2.0 - 1)
