import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sightline.data import Case, Cohort, Preprocessing, check_cohort, read_cohort, write_cohort
from sightline.errors import DataError
from sightline.models.unet import UNet
from sightline.segmenting import MadeMask, MaskShape, Segmenter, compare_masks, make_masks, worth_seeing
from sightline.segmenting.apply import file_names

SIZES = ((40, 32), (31, 45), (20, 20), (64, 33))


class Darkness(UNet):
    """Says lung where the input is dark: probability sigmoid(8 (0.5 - v))."""

    def __init__(self) -> None:
        super().__init__(width=1, depth=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return 8 * (0.5 - images)


@pytest.fixture
def many_sizes(write_films: Callable[..., Path], tmp_path: Path) -> Cohort:
    return read_cohort(write_films(tmp_path / "films", {"train": 4}, sizes=SIZES))


def segmenter(threshold: float = 0.5, pad: str = "always") -> Segmenter:
    preprocessing = Preprocessing(size=64, channels=1, equalise=False, pad_to_square=pad)  # type: ignore[arg-type]
    return Segmenter(Darkness(), preprocessing, threshold, name="darkness")


@pytest.mark.parametrize("pad", ["never", "always"])
def test_masks_have_the_size_of_their_images_and_lie_on_the_lungs(many_sizes: Cohort, tmp_path: Path, pad: str) -> None:
    made = make_masks(segmenter(pad=pad), many_sizes, tmp_path / "out")
    for each, (height, width) in zip(made, SIZES, strict=True):
        with Image.open(each.file) as stored:
            assert stored.size == (width, height)
            assert stored.mode == "L"
            pixels = np.asarray(stored)
        assert set(np.unique(pixels)) == {0, 255}
        assert each.iou is not None
        assert each.iou > 0.85  # the edges are of pixels
    scores = compare_masks(made)
    assert scores is not None
    assert scores["iou"] == pytest.approx(np.mean([each.iou for each in made]))


def test_the_network_sees_the_image_in_a_black_square(many_sizes: Cohort) -> None:
    seen = []
    padded = segmenter()
    padded.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    list(padded.probabilities(replace(many_sizes, cases=many_sizes.cases[1:2]), batch_size=1))  # 31 x 45
    rows = seen[0][0, 0].amax(1)
    assert seen[0].shape == (1, 1, 64, 64)
    assert (rows[:9] == 0).all()
    assert (rows[12:52] > 0.5).all()
    assert (rows[-9:] == 0).all()


def test_masks_given_are_kept_and_the_others_taken(many_sizes: Cohort, tmp_path: Path) -> None:
    first, *rest = many_sizes.cases
    cases = (first, *(replace(case, mask=None) for case in rest))
    made = make_masks(segmenter(), replace(many_sizes, cases=cases), tmp_path / "out")
    cohort = read_cohort(tmp_path / "out")
    assert cohort.cases[0].mask == first.mask
    assert [case.about["mask_source"] for case in cohort.cases] == ["given", *["darkness"] * 3]
    assert [case.mask for case in cohort.cases[1:]] == [each.file for each in made[1:]]
    assert [case.image for case in cohort.cases] == [case.image for case in many_sizes.cases]
    assert (cohort.classes, cohort.task) == (many_sizes.classes, many_sizes.task)
    assert made[1].iou is None


def test_an_empty_mask_stays_unknown(many_sizes: Cohort, tmp_path: Path) -> None:
    bare = replace(many_sizes, cases=tuple(replace(case, mask=None) for case in many_sizes.cases))
    made = make_masks(segmenter(threshold=1.0), bare, tmp_path / "out")
    assert {each.review for each in made} == {("empty",)}
    assert all(each.file.is_file() for each in made)
    cohort = read_cohort(tmp_path / "out")
    assert {case.mask for case in cohort.cases} == {None}
    assert {case.about["mask_review"] for case in cohort.cases} == {"empty"}
    assert compare_masks(made) is None


def test_the_table_says_what_is_suspicious(many_sizes: Cohort, tmp_path: Path) -> None:
    case = replace(many_sizes.cases[0], mask=None)
    pixels = np.asarray(Image.open(case.image)).copy()
    pixels[:, :18] = 255  # one lung is gone
    one = tmp_path / "one.png"
    Image.fromarray(pixels).save(one)
    cohort = replace(many_sizes, cases=(case, replace(case, id="one", image=one)))
    made = make_masks(segmenter(), cohort, tmp_path / "out")
    with (tmp_path / "out" / "masks.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["case"] for row in rows] == [case.id, "one"]
    assert rows[1]["parts"] == "1"
    assert "1 part" in rows[1]["review"]
    assert "lopsided" in rows[1]["review"]
    assert rows[1]["review"] == "; ".join(made[1].review) == read_cohort(tmp_path / "out").cases[1].about["mask_review"]
    assert float(rows[0]["area"]) == pytest.approx((np.asarray(Image.open(made[0].file)) > 0).mean(), abs=1e-4)
    assert rows[0]["iou"] == ""


def test_the_threshold_is_obeyed(many_sizes: Cohort, tmp_path: Path) -> None:
    areas = [make_masks(segmenter(threshold=t), many_sizes, tmp_path / str(t))[0].shape.area for t in (0.1, 0.5, 0.85)]
    assert areas == sorted(areas, reverse=True)
    assert areas[0] > areas[-1]


def test_a_broken_image_is_named(many_sizes: Cohort, tmp_path: Path) -> None:
    many_sizes.cases[2].image.write_bytes(b"none")
    with pytest.raises(DataError, match=r"train2\.png"):
        make_masks(segmenter(), many_sizes, tmp_path / "out")
    assert not (tmp_path / "out" / "cohort.csv").exists()


def test_what_is_made_can_be_trained_on(many_sizes: Cohort, tmp_path: Path) -> None:
    make_masks(segmenter(), many_sizes, tmp_path / "out")
    assert check_cohort(read_cohort(tmp_path / "out"), pixels=True) == []
    again = write_cohort(read_cohort(tmp_path / "out"), tmp_path / "again")
    assert read_cohort(again).cases[0].mask == many_sizes.cases[0].mask


def test_names_of_files_are_plain_and_no_two_the_same() -> None:
    names = file_names(["a/b.png", "a_b.png", "../x", "ü", "A" * 300, "CON", "."])
    assert len({name.casefold() for name in names.values()}) == 7
    assert all("/" not in name and not name.startswith(".") and len(name) < 120 for name in names.values())
    assert names["ü"] == "ü.png"
    assert names["a/b.png"].startswith("a_b.png-")


def made(name: str, confidence: float, *review: str) -> MadeMask:
    case = Case(name, Path(f"{name}.png"), 0, name)
    return MadeMask(case, Path(f"{name}-mask.png"), MaskShape(0.3, 2, 0.0, 0.8, confidence), review)


def test_a_sheet_shows_the_least_confident_first_and_then_the_others_evenly() -> None:
    flagged = [made(f"f{n}", 0.5 + n / 10, "1 part") for n in (2, 0, 1)]
    usual = [made(f"u{n}", 0.9) for n in range(6)]
    chosen = [each.case.id for each in worth_seeing([*usual, *flagged], 4)]
    assert chosen == ["f0", "f1", "u0", "u3"]
    assert [each.case.id for each in worth_seeing(flagged, 4)] == ["f0", "f1", "f2"]
    assert len(list(worth_seeing(usual, 4))) == 4
    assert len(list(worth_seeing([*usual, *flagged], 99))) == 9
    assert list(worth_seeing([], 4)) == []
