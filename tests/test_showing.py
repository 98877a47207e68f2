"""What records show in a notebook: never an error, small, nothing from outside, readable on light and dark pages."""

import base64
import io
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sightline.showing import AGAINST, FOR, interval_words, maps_html, table_html, told_html
from sightline.types import Explanation


def pictures(page: str) -> list[Image.Image]:
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    return [Image.open(io.BytesIO(base64.b64decode(data))) for data in found]


def explained(*shape: int, classes: int = 3, every: bool = False) -> Explanation:
    logits = torch.arange(shape[0] * classes, dtype=torch.float32).reshape(shape[0], classes)
    target = None if every else torch.zeros(shape[0], dtype=torch.int64)
    return Explanation(logits, torch.rand(shape) - 0.5, target)


def test_red_speaks_for_and_blue_against_and_zero_is_seen_through() -> None:
    attribution = torch.zeros(1, 2, 3, 3)
    attribution[0, 0, 0, 0], attribution[0, 1, 0, 0] = 3, -1  # channels are summed: 2
    attribution[0, 0, 2, 2] = -2
    (picture,) = pictures(Explanation(torch.zeros(1, 2), attribution)._repr_html_())
    pixels = np.asarray(picture)
    assert tuple(pixels[0, 0]) == (*FOR, 255)
    assert tuple(pixels[2, 2]) == (*AGAINST, 255)
    assert (pixels[..., 3] > 0).sum() == 2


def test_class_and_score_stand_under_each_map() -> None:
    logits = torch.tensor([[0.5, 2.25, -1.0], [1.0, 0.0, 3.0]], requires_grad=True)
    attribution = torch.rand(2, 1, 8, 8, requires_grad=True)
    page = Explanation(logits, attribution, torch.tensor([1, 2]))._repr_html_()
    assert re.findall("class .*?(?=<)", page) == ["class 1: 2.25", "class 2: 3.00"]
    every = Explanation(logits, torch.rand(2, 3, 1, 8, 8))._repr_html_()
    told = ["class 0: 0.50", "class 1: 2.25", "class 2: -1.00", "class 0: 1.00", "class 1: 0.00", "class 2: 3.00"]
    assert re.findall("class .*?(?=<)", every) == told
    assert "class" not in Explanation(logits, attribution)._repr_html_().replace("for the class", "")


def test_the_first_of_a_batch_are_shown_and_that_is_said() -> None:
    page = explained(9, 1, 8, 8)._repr_html_()
    assert len(pictures(page)) == 4
    assert "the first 4 images" in page
    every = explained(5, 8, 1, 8, 8, classes=8, every=True)._repr_html_()
    assert len(pictures(every)) == 4 * 6
    assert "the first 6 classes" in every


def test_a_volume_is_cut_in_three_planes_through_its_largest_value() -> None:
    attribution = torch.zeros(1, 1, 4, 6, 8)
    attribution[0, 0, 1, 2, 3] = -5
    found = pictures(Explanation(torch.zeros(1, 2), attribution)._repr_html_())
    assert [picture.size for picture in found] == [(8, 6), (8, 4), (6, 4)]
    assert [tuple(np.argwhere(np.asarray(one)[..., 3])[0]) for one in found] == [(2, 3), (1, 3), (1, 2)]


@pytest.mark.parametrize(
    "shape", [(2, 1, 40), (2, 3), (0, 1, 8, 8), (2, 1, 2, 3, 4, 5), (1, 1, 0, 4), (3,), (1, 1, 1, 1)]
)
def test_odd_shapes_are_no_error(shape: tuple[int, ...]) -> None:
    page = Explanation(torch.zeros(shape[0], 2), torch.zeros(shape))._repr_html_()
    assert str(shape) in page


@given(st.lists(st.integers(0, 5), min_size=1, max_size=7), st.sampled_from([torch.float32, torch.bfloat16]))
def test_no_shape_is_an_error(shape: list[int], dtype: torch.dtype) -> None:
    attribution = torch.full(shape, torch.nan, dtype=dtype)
    attribution[..., :1] = torch.inf
    maps_html(attribution, [["a"]], every=len(shape) > 4, head="maps")
    Explanation(torch.zeros(shape[0], 2, dtype=dtype), attribution)._repr_html_()


def test_what_is_not_finite_is_left_out_and_told() -> None:
    attribution = torch.tensor([[[[torch.nan, 1.0], [torch.inf, 0.0]]]])
    page = Explanation(torch.zeros(1, 2), attribution)._repr_html_()
    assert np.asarray(pictures(page)[0])[..., 3].tolist() == [[0, 255], [0, 0]]
    assert "NaN or infinity is left out" in page


def test_large_maps_stay_small_pages() -> None:
    page = explained(8, 3, 1024, 1024)._repr_html_()
    assert max(max(picture.size) for picture in pictures(page)) == 256
    assert len(page) < 1_500_000
    assert "http" not in page


def test_the_mean_of_a_region_survives_the_scaling() -> None:
    attribution = torch.zeros(1, 1, 512, 512)
    attribution[..., :256, :] = 1
    pixels = np.asarray(pictures(Explanation(torch.zeros(1, 2), attribution)._repr_html_())[0])
    assert (pixels[:128, :, 3] == 255).all()
    assert (pixels[128:, :, 3] == 0).all()


def test_tables_hold_text_as_text() -> None:
    page = table_html(["name", "<b>"], [["a & b", 3], ["<script>", None]])
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "a &amp; b" in page
    assert "&lt;b&gt;" in told_html(["<b>"])


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ((0.812, 0.756, 0.849), "0.81 [0.76, 0.85]"),
        ((0.812, float("nan"), float("nan")), "0.81"),
        ((float("nan"), 0.0, 1.0), "-"),
    ],
)
def test_numbers_with_limits(numbers: tuple[float, float, float], words: str) -> None:
    assert interval_words(*numbers) == words


def test_nothing_that_draws_is_loaded_with_the_records() -> None:
    code = "import sys, sightline.types; assert not {'PIL', 'matplotlib'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
