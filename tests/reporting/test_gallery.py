import numpy as np
import pytest

from sightline.errors import DataError
from sightline.reporting.gallery import gallery_figure
from sightline.reporting.gallery_rows import GalleryMap, GalleryRow


def row(case: str = "case-1", recipes: tuple[str, ...] = ("plain", "ISNet")) -> GalleryRow:
    attribution = np.zeros((1, 24, 24))
    attribution[0, 8:16, 8:16] = 1
    maps = tuple(
        GalleryMap(name, -attribution if index else attribution, "pneumonia", 0.25)
        for index, name in enumerate(recipes)
    )
    return GalleryRow(case, np.full((24, 24), 0.5), "pneumonia", maps, np.ones((24, 24)), "off")


def test_each_recipe_shows_its_own_map_beside_the_bare_image() -> None:
    figure = gallery_figure([row()], tile=60)
    image, plain, isnet = (np.asarray(axes.images[0].get_array()).astype(int) for axes in figure.axes[:3])
    assert (image == image[..., :1]).all()
    assert plain[60, 60, 0] - plain[60, 60, 2] > 100  # red
    assert isnet[60, 60, 2] - isnet[60, 60, 0] > 100  # blue
    np.testing.assert_array_equal(plain[5, 5], image[5, 5])


def test_captions_say_truth_answer_and_share() -> None:
    written = [text.get_text().replace("\N{NO-BREAK SPACE}", " ") for text in gallery_figure([row()], tile=60).texts]
    for text in (
        "image",
        "plain",
        "ISNet",
        "true: pneumonia",
        "bias off",
        "pneumonia, right",
        "25 % inside the region",
    ):
        assert text in written


def test_rows_with_other_recipes_are_an_error() -> None:
    with pytest.raises(DataError, match="case-2 has others"):
        gallery_figure([row(), row("case-2", ("plain",))])
    with pytest.raises(DataError, match="at least one image"):
        gallery_figure([])
