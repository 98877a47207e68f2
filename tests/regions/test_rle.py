import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sightline.errors import DataError
from sightline.regions.rle import coco_counts, mask_from_coco, mask_from_gaps, mask_from_starts

# three rows and four columns, by hand: column by column 0 1 0 | 0 1 1 | 1 0 0 | 0 0 1
DRAWN = np.asarray([[0, 0, 1, 0], [1, 1, 0, 0], [0, 1, 0, 1]], bool)
MASKS = arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12)))


def counts_of(mask: np.ndarray) -> list[int]:
    """Return COCO's run lengths of a mask."""
    flat = mask.T.ravel()
    changes = np.flatnonzero(np.diff(np.concatenate([[False], flat]))).tolist()
    return np.diff([0, *changes, flat.size]).tolist()


def compressed(counts: list[int]) -> str:
    """Write COCO's compressed string, as `rleToString` does."""
    text = ""
    for index, count in enumerate(counts):
        x = count - counts[index - 2] if index > 2 else count
        more = True
        while more:
            bits = x & 31
            x >>= 5
            more = x != (-1 if bits & 16 else 0)
            text += chr((bits | 32 * more) + 48)
    return text


def test_counts_of_coco_begin_outside_and_go_down_the_columns() -> None:
    np.testing.assert_array_equal(mask_from_coco([1, 1, 2, 3, 4, 1], (3, 4)), DRAWN)
    np.testing.assert_array_equal(mask_from_coco([0, 12], (3, 4)), np.ones((3, 4)))


def test_a_compressed_string_by_hand() -> None:
    # 1, 1, 2 as they are; then 3 - 1 = 2, 4 - 2 = 2, 1 - 3 = -2, which is 30 in five bits: chr(78)
    assert coco_counts("11222N") == [1, 1, 2, 3, 4, 1]
    assert coco_counts(b"11222N") == [1, 1, 2, 3, 4, 1]
    # 40 is 8 with more to follow and 1: 8 + 32 + 48 = 88, 49
    assert coco_counts("X1") == [40]
    np.testing.assert_array_equal(mask_from_coco("11222N", (3, 4)), DRAWN)


@given(MASKS)
def test_every_mask_comes_back_from_coco(mask: np.ndarray) -> None:
    np.testing.assert_array_equal(mask_from_coco(counts_of(mask), mask.shape), mask)
    np.testing.assert_array_equal(mask_from_coco(compressed(counts_of(mask)), mask.shape), mask)


@given(st.lists(st.integers(0, 100_000), min_size=1, max_size=12))
def test_any_numbers_come_back_from_the_compressed_string(counts: list[int]) -> None:
    assert coco_counts(compressed(counts)) == counts


@given(MASKS)
def test_pycocotools_agrees(mask: np.ndarray) -> None:
    theirs = pytest.importorskip("pycocotools.mask")
    encoded = theirs.encode(np.asfortranarray(mask.astype(np.uint8)))
    np.testing.assert_array_equal(mask_from_coco(encoded["counts"], mask.shape), mask)


@given(MASKS)
def test_starts_and_gaps_of_one_mask_agree(mask: np.ndarray) -> None:
    counts = counts_of(mask)
    lengths, ends = counts[1::2], np.cumsum(counts)[1::2]
    starts = " ".join(f"{end - length + 1} {length}" for end, length in zip(ends, lengths, strict=True))
    gaps = " ".join(f"{gap} {length}" for gap, length in zip(counts[::2], lengths, strict=False))
    np.testing.assert_array_equal(mask_from_starts([starts], mask.shape), mask)
    np.testing.assert_array_equal(mask_from_gaps([gaps], mask.shape), mask)


def test_starts_count_from_1_and_gaps_from_the_end_of_the_last_run() -> None:
    np.testing.assert_array_equal(mask_from_starts(["2 1 5 3 12 1"], (3, 4)), DRAWN)
    np.testing.assert_array_equal(mask_from_gaps([" 1 1 2 3 4 1 "], (3, 4)), DRAWN)


def test_all_rows_of_an_image_are_united_and_minus_1_is_none() -> None:
    np.testing.assert_array_equal(mask_from_gaps(["1 1", "-1", "", "4 3", "11 1"], (3, 4)), DRAWN)
    np.testing.assert_array_equal(mask_from_starts(["2 1", "2 1 5 3", "12 1"], (3, 4)), DRAWN)
    assert not mask_from_gaps(["-1"], (3, 4)).any()
    assert not mask_from_starts([], (3, 4)).any()


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("1 2 3", "run lengths must come in pairs, got 3 numbers"),
        ("1 x", "run lengths must be whole numbers, got '1 x'"),
        ("1.5 2", "run lengths must be whole numbers"),
        ("12 2", r"run lengths leave the image of 3 x 4 = 12 pixels: from pixel 11 to 13, counted from 0"),
        ("0 1", "from pixel -1"),
        ("5 -2", "run lengths leave the image"),
    ],
)
def test_what_is_no_run_length_is_told(row: str, what: str) -> None:
    with pytest.raises(DataError, match=what):
        mask_from_starts([row], (3, 4))


def test_counts_that_do_not_fill_the_image_are_told() -> None:
    for counts in ([5, 6], [13], [14, -2], []):
        with pytest.raises(DataError, match=r"^run lengths must be 0 or more and add up to 3 x 4 = 12 pixels, got"):
            mask_from_coco(counts, (3, 4))


@pytest.mark.parametrize(
    ("text", "what"), [("1 1", "' ' is no character"), ("1\xe9", "is no character"), ("1X", "number 2$")]
)
def test_a_string_that_is_not_cocos_is_told(text: str, what: str) -> None:
    with pytest.raises(DataError, match=what):
        coco_counts(text)
