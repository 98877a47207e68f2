from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sightline.data import Batches
from sightline.data.batches import batches
from sightline.data.cohort import Cohort
from sightline.data.planted_bias import PlantedBias, draw_polygons
from sightline.data.prepared import Preprocessing
from sightline.data.prepared_cache import ImageCache
from sightline.data.reading import read_cohort
from sightline.data.transforms import Augmentation, draw_affine, move_points
from sightline.errors import DataError, DataNotFoundError, SettingsError
from sightline.types import Batch

Save = Callable[[Path, np.ndarray], Path]
SMALL = Preprocessing(size=16, channels=1, equalise=False, pad_to_square="never")
LARGE = PlantedBias(side=0.4, margin=0.05)


@pytest.fixture
def cohort(folder: Path) -> Cohort:
    return read_cohort(folder)


def same(one: Batch, other: Batch) -> bool:
    tensors = zip((one.images, one.labels, one.regions), (other.images, other.labels, other.regions), strict=True)
    return one.cases == other.cases and all(torch.equal(a.nan_to_num(-1), b.nan_to_num(-1)) for a, b in tensors)


def shuffled(cohort: Cohort, **changes: Any) -> Batches:
    return batches(cohort, SMALL, **{"batch_size": 2, "seed": 3, "augmentation": Augmentation()} | changes)


def test_in_order_without_seed_and_the_last_may_be_short(cohort: Cohort) -> None:
    made = list(batches(cohort, Preprocessing(size=16), batch_size=4, seed=None))
    assert [batch.cases for batch in made] == [
        tuple(c.id for c in cohort.cases[:4]),
        tuple(c.id for c in cohort.cases[4:]),
    ]
    assert made[0].images.shape == (4, 3, 16, 16)
    assert made[0].regions.shape == (4, 1, 16, 16)
    assert made[0].labels.tolist() == [0, 0, 0, 1]
    assert (made[0].images.dtype, made[0].labels.dtype, made[0].regions.dtype) == (
        torch.float32,
        torch.int64,
        torch.float32,
    )
    assert len(list(batches(cohort, SMALL, batch_size=4, seed=None, drop_last=True))) == 1


def test_an_epoch_shows_every_image_once_in_an_order_of_its_own(cohort: Cohort) -> None:
    orders = [[name for batch in shuffled(cohort, epoch=epoch) for name in batch.cases] for epoch in range(3)]
    assert all(sorted(order) == sorted(case.id for case in cohort.cases) for order in orders)
    assert orders[0] != orders[1] != orders[2]


@pytest.mark.parametrize("workers", [0, 2])
def test_any_batch_can_be_made_again_from_seed_epoch_and_number(cohort: Cohort, workers: int) -> None:
    whole = list(shuffled(cohort, epoch=5))
    again = shuffled(cohort, epoch=5, start=1, workers=workers)
    assert len(again) == 2
    assert all(same(a, b) for a, b in zip(again, whole[1:], strict=True))
    assert all(same(a, b) for a, b in zip(shuffled(cohort).at(5, start=1), whole[1:], strict=True))
    assert list(shuffled(cohort, start=3)) == []


def test_another_seed_or_epoch_draws_anew(cohort: Cohort) -> None:
    one = replace(cohort, cases=cohort.cases[:1])
    first, other_seed, other_epoch = (next(iter(shuffled(one, **c))) for c in ({}, {"seed": 4}, {"epoch": 1}))
    assert not torch.equal(first.images, other_seed.images)
    assert not torch.equal(first.images, other_epoch.images)


def test_each_image_of_a_batch_has_a_motion_of_its_own(cohort: Cohort) -> None:
    twins = replace(cohort, cases=(cohort.cases[0], replace(cohort.cases[0], id="twin")))
    images = next(iter(shuffled(twins))).images
    assert not torch.equal(images[0], images[1])


def test_the_global_generators_are_left_alone(cohort: Cohort) -> None:
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002 - the state that must not change
    list(shuffled(cohort))
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == np.random.get_state()[1].tolist()  # noqa: NPY002


def test_image_and_region_move_alike(tmp_path: Path, save: Save) -> None:
    mask = np.zeros((32, 32), np.uint8)
    mask[8:20, 6:26] = 255
    save(tmp_path / "a" / "1.png", mask)
    save(tmp_path / "masks" / "a" / "1.png", mask)
    size = Preprocessing(size=32, channels=1, equalise=False)
    for epoch in range(5):
        made = batches(read_cohort(tmp_path), size, batch_size=1, seed=0, epoch=epoch, augmentation=Augmentation())
        (batch,) = made
        assert ((batch.images > 0.5).float() - batch.regions).abs().mean() < 0.02
        assert set(batch.regions.unique().tolist()) == {0, 1}


def test_an_unknown_region_is_nan_throughout_also_after_a_motion(cohort: Cohort) -> None:
    cases = (replace(cohort.cases[0], mask=None), cohort.cases[1])
    half_known = replace(cohort, cases=cases)
    for made in (shuffled(half_known), batches(half_known, SMALL, batch_size=2, seed=None)):
        (batch,) = made
        unknown = batch.cases.index(cases[0].id)
        assert batch.regions[unknown].isnan().all()
        assert not batch.regions[1 - unknown].isnan().any()


def test_images_are_read_once_for_all_epochs(cohort: Cohort) -> None:
    made = shuffled(cohort)
    first = list(made)
    cache = ImageCache()
    elsewhere = list(shuffled(cohort, cache=cache))
    for case in cohort.cases:
        case.image.unlink()
    assert all(same(a, b) for a, b in zip(made.at(0), first, strict=True))
    assert all(same(a, b) for a, b in zip(shuffled(cohort, cache=cache), elsewhere, strict=True))
    with pytest.raises(DataNotFoundError, match=r"ill/|well/"):
        list(shuffled(cohort))


def test_a_cache_without_room_changes_nothing(cohort: Cohort) -> None:
    pairs = zip(shuffled(cohort, cache=ImageCache(0)), shuffled(cohort), strict=True)
    assert all(same(a, b) for a, b in pairs)


def test_padding_is_for_evaluation_unless_asked_for(cohort: Cohort) -> None:
    def top(seed: int | None, pad: Any) -> float:  # 20 x 16 films: the padding of a square is at the top
        preprocessing = Preprocessing(20, 1, equalise=False, pad_to_square=pad)
        return float(next(iter(batches(cohort, preprocessing, batch_size=6, seed=seed))).images[:, :, :2].sum())

    assert top(None, "evaluation") == top(None, "always") == top(0, "always") == 0
    assert min(top(0, "evaluation"), top(None, "never"), top(0, "never")) > 0


def planted(cohort: Cohort, **changes: Any) -> torch.Tensor:
    """Return what planting changed on one batch, `(6, 16, 16)`."""
    settings = {"batch_size": 6, "seed": None} | changes
    bare = {k: v for k, v in settings.items() if k not in ("planted", "bias")}
    with_bias = next(iter(batches(cohort, SMALL, **{"planted": LARGE} | settings)))
    return (with_bias.images - next(iter(batches(cohort, SMALL, **bare))).images)[:, 0].abs().amax(dim=0) > 0


def test_the_planted_polygon_is_that_of_the_class_of_another_or_none(cohort: Cohort) -> None:
    ill = replace(cohort, cases=cohort.cases[:3])
    triangle, square = draw_polygons(LARGE, 2, size=16) > 0
    assert torch.equal(planted(ill), triangle)
    assert torch.equal(planted(ill, bias="swapped"), square)
    assert not planted(ill, bias="off").any()


def test_a_polygon_planted_after_the_motion_stays_in_its_corner(cohort: Cohort) -> None:
    moving = {"seed": 0, "augmentation": Augmentation()}
    beyond = planted(cohort, **moving)[8:, 8:]
    assert beyond.any()
    stays = planted(cohort, planted=replace(LARGE, after_augmentation=True), **moving)
    assert stays.any()
    assert not stays[8:, 8:].any()


def test_several_labels_an_image_make_float_labels_and_several_polygons(cohort: Cohort) -> None:
    both = replace(cohort.cases[0], label=(1.0, float("nan")))
    many = replace(cohort, task="multilabel", cases=(both, replace(cohort.cases[1], label=(1.0, 1.0))))
    batch = next(iter(batches(many, SMALL, batch_size=2, seed=None, planted=LARGE)))
    assert batch.labels.dtype == torch.float32
    assert batch.labels.isnan().tolist() == [[False, True], [False, False]]
    assert (batch.images[:, 0, 14, 14] == 1).tolist() == [False, True]  # second class: lower right


def test_variants_of_the_image_stand_in_for_it(cohort: Cohort, folder: Path, save: Save) -> None:
    black = save(folder / "black.png", np.zeros((16, 20), np.uint8))
    cases = tuple(replace(case, variants={"off": black}) for case in cohort.cases)
    with_variants = replace(cohort, cases=cases)
    assert next(iter(batches(with_variants, SMALL, batch_size=6, seed=None, bias="off"))).images.sum() == 0
    assert next(iter(batches(with_variants, SMALL, batch_size=6, seed=None))).images.sum() > 0
    with pytest.raises(
        DataError, match=r"ill/0.png has no variant with its bias swapped; add a column 'image:swapped'"
    ):
        batches(with_variants, SMALL, batch_size=6, seed=None, bias="swapped")


def test_erasing_the_background_leaves_the_region_alone(cohort: Cohort) -> None:
    whole, erased = (
        next(iter(batches(cohort, SMALL, batch_size=6, seed=None, erase_background=erase))) for erase in (False, True)
    )
    torch.testing.assert_close(erased.images, whole.images * whole.regions)
    unknown = replace(cohort, cases=(replace(cohort.cases[0], mask=None),))
    with pytest.raises(DataError, match=r"ill/0.png has no mask, so its background cannot be erased"):
        batches(unknown, SMALL, batch_size=6, seed=None, erase_background=True)


LOOKING = replace(SMALL, regions="gaze")
LOOKED, ELSEWHERE = "x,y,start,duration\n4,4,0,1\n", "x,y,start,duration\n-4,4,0,1\n"


@pytest.fixture
def watched(cohort: Cohort, tmp_path: Path) -> Cohort:
    """Three films: of one a reader looked at the upper left, of one beside it, of one nobody knows."""
    gaze = []
    for number, text in enumerate((LOOKED, ELSEWHERE)):
        gaze.append(tmp_path / f"{number}.csv")
        gaze[-1].write_text(text)
    cases = tuple(replace(case, gaze=table) for case, table in zip(cohort.cases, [*gaze, None], strict=False))
    return replace(cohort, cases=cases)


@pytest.mark.parametrize("seed", [None, 0])
def test_regions_of_gaze_are_unknown_where_nobody_looked(watched: Cohort, seed: int | None) -> None:
    augmentation = None if seed is None else Augmentation()
    (batch,) = batches(watched, LOOKING, batch_size=3, seed=seed, augmentation=augmentation)
    by_case = dict(zip(batch.cases, batch.regions, strict=True))
    looked, elsewhere, nobody = (by_case[case.id] for case in watched.cases)
    assert batch.regions.shape == (3, 1, 16, 16)
    assert looked.max() > 0.9
    assert 0 < looked.mean() < 0.1
    assert elsewhere.isnan().all()
    assert nobody.isnan().all()
    if seed is None:
        assert looked[0].argmax() in (4 * 16 + 3, 3 * 16 + 3)  # (4, 4) of 20 x 16 pixels is (3.2, 4) of 16 x 16


def test_gaze_moves_with_its_image(watched: Cohort) -> None:
    one = replace(watched, cases=watched.cases[:1])
    steps, augmentation = replace(LOOKING, size=64), Augmentation(flip=1)
    for epoch in range(5):
        moved = next(iter(batches(one, steps, batch_size=1, seed=1, epoch=epoch, augmentation=augmentation)))
        generator = np.random.default_rng(np.random.SeedSequence(1, spawn_key=(epoch, 0)))
        expected = move_points(np.asarray([4.0, 4.0]), draw_affine(augmentation, generator), (16, 20)) * (64 / 20, 4)
        row, column = divmod(int(moved.regions[0, 0].argmax()), 64)
        np.testing.assert_allclose([column + 0.5, row + 0.5], expected, atol=1.5)


def test_erasing_by_gaze_needs_gaze_on_the_image(watched: Cohort) -> None:
    one, other, none = (replace(watched, cases=(case,)) for case in watched.cases)
    (batch,) = batches(one, LOOKING, batch_size=1, seed=None, erase_background=True)
    (whole,) = batches(one, LOOKING, batch_size=1, seed=None)
    torch.testing.assert_close(batch.images, whole.images * whole.regions)
    with pytest.raises(DataError, match=r"ill/2.png has no gaze, so its background cannot be erased"):
        batches(none, LOOKING, batch_size=1, seed=None, erase_background=True)
    with pytest.raises(DataError, match=r"1.csv: no gaze lies on the image, so its background cannot be erased"):
        list(batches(other, LOOKING, batch_size=1, seed=None, erase_background=True))


def test_a_z_score_over_the_mask_needs_one(cohort: Cohort) -> None:
    steps = replace(SMALL, z_score="mask")
    (batch,) = batches(cohort, steps, batch_size=6, seed=None)
    inside = (10 * batch.images - 5)[batch.regions == 1]  # resized, so not to the last digit
    assert abs(float(inside.mean())) < 0.2
    without = replace(cohort, cases=(cohort.cases[0], replace(cohort.cases[1], mask=None)))
    with pytest.raises(DataError, match=r"^ill/1.png has no mask, so its z-score over the mask is not known$"):
        batches(without, steps, batch_size=1, seed=None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"seed": -1}, "seed, epoch, start, workers at least 0"),
        ({"seed": None}, "augmentation needs a seed"),
        ({"bias": "of"}, "bias must be one of on, off, swapped, got 'of'"),
        ({"planted": PlantedBias(shapes=("square",), corner="top")}, "2 classes apart"),
    ],
)
def test_arguments_out_of_range_are_errors(cohort: Cohort, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        shuffled(cohort, **changes)


def test_an_empty_cohort_is_an_error(cohort: Cohort) -> None:
    with pytest.raises(DataError, match="the cohort is empty"):
        shuffled(replace(cohort, cases=()))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_image_is_an_error_that_names_it(cohort: Cohort, workers: int) -> None:
    cohort.cases[4].image.write_bytes(cohort.cases[4].image.read_bytes()[:60])
    with pytest.raises(DataError, match=r"^well/1.png: unreadable or truncated image"):
        list(shuffled(cohort, workers=workers))


def test_leaving_early_ends_the_threads(cohort: Cohort) -> None:
    iterator = iter(shuffled(cohort, workers=2))
    next(iterator)
    iterator.close()  # type: ignore[attr-defined]
    assert list(iterator) == []


@pytest.mark.parametrize(("processes", "parts"), [(2, 1), (3, 1), (1, 2), (2, 2)])
def test_processes_share_each_batch_without_overlap(cohort: Cohort, processes: int, parts: int) -> None:
    made = shuffled(cohort, batch_size=5, epoch=2, drop_last=True)
    whole = list(made)
    shared = [list(replace(made, share=(rank, processes), parts=parts)) for rank in range(processes)]
    places = replace(made, share=(0, processes), parts=parts).shares(5)
    sizes = [len(share) for part in places for share in part]
    assert max(sizes) - min(sizes) <= 1
    assert [place for part in places for share in part for place in share] == [0, 1, 2, 3, 4]
    for number, batch in enumerate(whole):
        own = [iter(range(len(each[number].cases))) for each in shared]
        for place, rank in ((p, r) for part in places for r, share in enumerate(part) for p in share):
            at = next(own[rank])
            assert shared[rank][number].cases[at] == batch.cases[place]
            assert torch.equal(shared[rank][number].images[at], batch.images[place])
    assert sorted(name for each in shared for batch in each for name in batch.cases) == sorted(
        name for batch in whole for name in batch.cases
    )


def test_processes_take_whole_batches_in_turns(cohort: Cohort) -> None:
    whole = list(shuffled(cohort))
    turns = [replace(shuffled(cohort), start=rank, stride=2) for rank in range(2)]
    assert [len(each) for each in turns] == [2, 1]
    assert all(same(a, b) for a, b in zip(turns[0], whole[::2], strict=True))
    assert all(same(a, b) for a, b in zip(turns[1], whole[1::2], strict=True))


def test_a_share_of_nothing_is_refused(cohort: Cohort) -> None:
    for wrong in ({"share": (2, 2)}, {"share": (-1, 2)}, {"parts": 0}, {"stride": 0}):
        with pytest.raises(SettingsError, match=r"share must be \(process, processes\)"):
            replace(shuffled(cohort), **wrong)
