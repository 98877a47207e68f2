from dataclasses import replace

import numpy as np
import pytest

from sightline.errors import DataError, ShapeError
from sightline.reporting.gallery_page import make_gallery
from sightline.reporting.gallery_rows import GalleryMap, GalleryRow

IMAGE = np.random.default_rng(0).random((20, 30))
REGION = np.pad(np.ones((10, 10)), ((5, 5), (10, 10)))


def shown(recipe: str, share: float = 0.5, **more: object) -> GalleryMap:
    settings: dict[str, object] = {"probability": 0.5, "method": "LRP"} | more
    return GalleryMap(recipe, IMAGE - 0.5, "effusion", share, **settings)  # type: ignore[arg-type]


def row(case: str, *maps: GalleryMap, label: str = "effusion", **more: object) -> GalleryRow:
    return GalleryRow(case, IMAGE, label, maps, REGION, "on", **more)  # type: ignore[arg-type]


def order(*rows: GalleryRow) -> list[str]:
    return [case.row.case for case in make_gallery(rows).cases]


def test_the_least_share_inside_among_wrong_or_sure_answers_comes_first() -> None:
    rows = (
        row("right and unsure", shown("plain", 0.01)),
        row("sure", shown("plain", 0.4, probability=0.95)),
        row("wrong", shown("plain", 0.2), label="normal"),
        row("wrong, unknown", shown("plain", float("nan")), label="normal"),
        row("worst", shown("plain", 0.9, probability=0.99), shown("isnet", 0.1, right=False)),
    )
    rows = tuple(
        each if len(each.maps) > 1 else replace(each, maps=(*each.maps, shown("isnet", 0.5, right=True)))
        for each in rows
    )
    assert order(*rows) == ["worst", "wrong", "sure", "right and unsure", "wrong, unknown"]


def test_what_a_row_says_of_right_and_sure_wins_over_what_could_be_guessed() -> None:
    rows = (
        row("a", shown("plain", 0.1, probability=0.99, confident=False)),
        row("b", shown("plain", 0.2, right=False)),
    )
    assert order(*rows) == ["b", "a"]


def test_only_the_first_map_of_a_recipe_counts() -> None:
    first, other = shown("plain", 0.8, probability=0.99), shown("plain", 0.0, probability=0.99, explained="normal")
    gallery = make_gallery([row("a", first, other), row("b", shown("plain", 0.5, probability=0.99))])
    assert [case.row.case for case in gallery.cases] == ["b", "a"]
    assert [layer.main for layer in gallery.cases[1].recipes["plain"]] == [True, False]
    assert gallery.switchable
    assert gallery.classes == ("effusion", "normal")


def test_an_image_and_a_region_are_kept_once_and_other_slices_beside_them() -> None:
    other = shown("plain", image=IMAGE[::-1], region=REGION)
    (case,) = make_gallery([row("a", shown("plain"), shown("isnet"), other)]).cases
    assert len(case.pictures) == 2
    assert len(case.outlines) == 1
    names = [layer.picture.name for layers in case.recipes.values() for layer in layers]
    assert names == [case.pictures[0].name, case.pictures[1].name, case.pictures[0].name]
    assert (case.pictures[0].width, case.pictures[0].height) == (1000, 667)
    assert case.outline == next(iter(case.outlines))


def test_a_map_on_another_slice_does_not_take_the_region_of_the_first() -> None:
    (case,) = make_gallery([row("a", shown("plain", image=IMAGE[::-1]))]).cases
    assert case.recipes["plain"][0].outline == ""


def test_a_method_that_ever_draws_below_zero_has_a_sign() -> None:
    cam = replace(shown("plain", method="CAM"), attribution=np.abs(IMAGE))
    gallery = make_gallery([row("a", shown("plain"), cam)])
    assert gallery.kinds == {"LRP": "signed", "CAM": "unsigned"}
    assert [layer.kind for layer in gallery.cases[0].recipes["plain"]] == ["signed", "unsigned"]
    assert gallery.ramps["unsigned"].startswith("linear-gradient(90deg, rgb(0 0 0), ")


def test_of_several_labels_each_can_be_chosen() -> None:
    gallery = make_gallery(
        [
            row("a", shown("plain"), label="effusion, nodule", labels=("effusion", "nodule")),
            row("b", shown("plain"), label="none", labels=()),
        ]
    )
    assert gallery.labels == ("effusion", "nodule")


def test_a_gallery_without_known_shares_has_no_worst_case_and_keeps_its_order() -> None:
    gallery = make_gallery([row(name, shown("plain", float("nan"))) for name in "ba"])
    assert not gallery.ordered
    assert [case.row.case for case in gallery.cases] == ["b", "a"]


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(DataError, match="at least one image"):
        make_gallery([])
    with pytest.raises(DataError, match="b has others"):
        make_gallery([row("a", shown("plain")), row("b", shown("isnet"))])
    with pytest.raises(ShapeError, match=r"attribution must have .*\(10, 30\), got \(20, 30\)"):
        make_gallery([row("a", shown("plain", image=IMAGE[:10]))])
    with pytest.raises(ShapeError, match=r"region must have .*got \(4, 4\)"):
        make_gallery([row("a", shown("plain", region=np.ones((4, 4))))])


def test_an_answer_whose_truth_is_not_known_is_not_wrong() -> None:
    unsure = shown("plain", 0.1, right=False, truth_known=False)
    gallery = make_gallery([row("a", unsure), row("b", shown("plain", 0.5, probability=0.95))])
    assert [case.row.case for case in gallery.cases] == ["b", "a"]
    assert gallery.cases[1].recipes["plain"][0].judged == "not known"
