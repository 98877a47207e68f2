import pytest
import torch

from sightline.evaluation.audit.partners import generator_of
from sightline.evaluation.audit.planting import OBJECTS, plant_object

SIZES = ((64, 64), (96, 80), (224, 224))


def planted(kind: str, size: tuple[int, int], *, regions: torch.Tensor | None = None, n: int = 8) -> torch.Tensor:
    images = torch.full((n, 3, *size), 0.4)
    free = torch.zeros(n, *size) if regions is None else regions
    return plant_object(kind, images, free, [generator_of(0, str(index)) for index in range(n)])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", OBJECTS)
def test_an_object_is_small_and_stands_at_the_edge(kind: str, size: tuple[int, int]) -> None:
    made = planted(kind, size)
    assert made.shape == (8, 3, *size)
    assert torch.equal(made[:, 0], made[:, 2])
    assert ((made >= 0) & (made <= 1)).all()
    changed = (made[:, 0] - 0.4).abs() > 0.05
    share = changed.float().mean((1, 2))
    assert (share > 0.001).all()
    assert (share < 0.2).all()
    height, width = size
    inner = changed[:, height // 5 : -height // 5, width // 5 : -width // 5]
    assert not inner.any()


def test_borders_are_black_and_the_others_white() -> None:
    assert planted("border", (96, 96))[:, :, 0].max() < 1e-6
    for kind in ("letter", "text", "polygon"):
        assert (planted(kind, (96, 96)).flatten(1).amax(1) > 0.8).all()
        assert planted(kind, (96, 96)).min() == pytest.approx(0.4)


def test_the_generator_chooses_among_free_places() -> None:
    made = planted("polygon", (64, 64), n=40)
    sides = slice(9), slice(-9, None)
    ends = torch.stack([made[:, 0, row, column].flatten(1).amax(1) > 0.8 for row in sides for column in sides])
    assert (ends.sum(0) == 1).all()
    assert (ends.sum(1) > 2).all(), "every corner comes"


def test_what_would_cover_the_region_is_left_away_and_free_places_are_sought() -> None:
    regions = torch.zeros(8, 64, 64)
    regions[:, :, :40] = 1.0
    made = planted("polygon", (64, 64), regions=regions)
    assert made[..., :40].eq(0.4).all()
    assert (made[..., 40:].flatten(1).amax(1) > 0.8).all(), "on the free side"
    everything = planted("letter", (64, 64), regions=torch.ones(8, 64, 64))
    assert everything.eq(0.4).all()
    unknown = planted("letter", (64, 64), regions=torch.full((8, 64, 64), torch.nan))
    assert torch.equal(unknown, planted("letter", (64, 64)))


def test_a_volume_carries_the_object_in_every_slice() -> None:
    volumes, regions = torch.full((2, 1, 5, 48, 48), 0.4), torch.zeros(2, 5, 48, 48)
    regions[:, 2] = 1.0
    made = plant_object("border", volumes, regions, [generator_of(0, "a"), generator_of(0, "b")])
    assert made[:, 0, [0, 1, 3, 4], 0].lt(1e-6).all()
    assert made[:, 0, 2].eq(0.4).all(), "but not where it is region throughout"


def test_inputs_stay_as_they_are() -> None:
    images, regions = torch.rand(2, 1, 32, 32), torch.zeros(2, 32, 32)
    before = images.clone()
    plant_object("text", images, regions, [generator_of(0, "a"), generator_of(0, "b")])
    assert torch.equal(images, before)
