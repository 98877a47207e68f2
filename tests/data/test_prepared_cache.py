import multiprocessing
import os
import resource
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
import pytest

from sightline.data import prepared_cache
from sightline.data.batches import batches
from sightline.data.cohort import Cohort
from sightline.data.gaze_files import GazeRegion
from sightline.data.prepared import Loader, Preprocessing, prepare_image
from sightline.data.prepared_cache import VERSION, FolderCache, ImageCache, Prepared
from sightline.data.reading import read_cohort
from sightline.errors import DataNotFoundError, SettingsError
from sightline.regions.gaze import GazeHeatmap

Save = Callable[[Path, np.ndarray], Path]
SMALL = Preprocessing(size=16, channels=1)


class Maker:
    """Makes pixels of the bytes of a file, and counts how often."""

    def __init__(self, file: Path) -> None:
        self.file, self.count = file, 0

    def __call__(self) -> Prepared:
        self.count += 1
        return Prepared(np.frombuffer(self.file.read_bytes()[:12], np.uint16).reshape(1, 2, 3), (20, 30))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "x.bin"
    path.write_bytes(bytes(range(12)))
    return path


@pytest.fixture
def old_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files count as left alone at once."""
    monkeypatch.setattr(prepared_cache, "_SETTLED_NS", -1)


def get(folder: Path, file: Path, recipe: object = "r") -> tuple[Prepared, int]:
    """Return what a new cache on a folder gives for a file, and how often it was made for that."""
    make = Maker(file)
    return FolderCache(folder).get([file], recipe, make), make.count


def entries(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "prepared").rglob("*") if path.is_file())


def test_memory_makes_a_thing_once_and_stops_at_its_budget() -> None:
    cache = ImageCache(budget_mib=2.5)
    made: list[str] = []

    def one_mib(key: str) -> Prepared:
        made.append(key)
        return Prepared(np.zeros(2**19, np.uint16), (1, 1))

    for key in ["a", "b", "c", "a", "b", "c"]:
        cache.get(key, lambda key=key: one_mib(key))  # type: ignore[misc]
    assert made == ["a", "b", "c", "c"]


@pytest.mark.parametrize("settled", [-1, 2 * 10**9])
def test_what_was_made_once_is_there_for_others(
    tmp_path: Path, file: Path, settled: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepared_cache, "_SETTLED_NS", settled)
    first, made = get(tmp_path / "c", file)
    again, made_again = get(tmp_path / "c", file)
    assert (made, made_again) == (1, 0)
    np.testing.assert_array_equal(again.pixels, first.pixels)
    assert (again.pixels.dtype, again.original) == (np.uint16, (20, 30))
    assert again.pixels.flags.writeable
    assert (tmp_path / "c" / "contents").exists() == (settled < 0)


def test_bytes_and_what_is_unknown_are_kept_as_they_are(tmp_path: Path, file: Path) -> None:
    for recipe, pixels in (("a", np.arange(6, dtype=np.uint8).reshape(1, 2, 3)), ("b", np.zeros((0, 4, 4), np.uint8))):
        for _ in range(2):
            kept = FolderCache(tmp_path / "c").get([file], recipe, lambda pixels=pixels: Prepared(pixels, (1, 2)))  # type: ignore[misc]
            np.testing.assert_array_equal(kept.pixels, pixels)
            assert kept.pixels.dtype == np.uint8


@pytest.mark.parametrize("settled", [-1, 2 * 10**9])
@pytest.mark.parametrize("replaced", [False, True])
def test_changed_content_gives_changed_pixels_though_size_and_time_are_the_same(
    tmp_path: Path, file: Path, settled: int, replaced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepared_cache, "_SETTLED_NS", settled)
    cache = FolderCache(tmp_path / "c")
    was = file.stat()
    for value in range(5):
        if replaced:
            file.unlink()
        time.sleep(0.01)  # a clock of files ticks every few milliseconds; the test below is about those within a tick
        file.write_bytes(bytes([value] * 12))
        os.utime(file, ns=(was.st_atime_ns, was.st_mtime_ns))
        assert file.stat().st_mtime_ns == was.st_mtime_ns
        assert cache.get([file], "r", Maker(file)).pixels[0, 0, 0] == value * 257
        assert get(tmp_path / "c", file)[0].pixels[0, 0, 0] == value * 257


def test_content_wins_where_two_changes_share_a_time(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepared_cache, "file_identity", lambda _: (b"i" * 32, time.time_ns()))
    cache = FolderCache(tmp_path / "c")
    for value in range(3):
        file.write_bytes(bytes([value] * 12))
        assert cache.get([file], "r", Maker(file)).pixels[0, 0, 0] == value * 257


@pytest.mark.usefixtures("old_enough")
def test_a_file_that_changes_while_it_is_prepared_is_not_kept(tmp_path: Path, file: Path) -> None:
    before = file.read_bytes()

    def change() -> Prepared:
        time.sleep(0.01)
        file.write_bytes(bytes(12))
        return Maker(file)()

    assert not FolderCache(tmp_path / "c").get([file], "r", change).pixels.any()
    assert entries(tmp_path / "c") == []
    file.write_bytes(before)
    assert get(tmp_path / "c", file)[0].pixels.any()


@pytest.mark.usefixtures("old_enough")
def test_a_moved_file_is_known_and_another_recipe_suffix_or_part_is_not(tmp_path: Path, file: Path) -> None:
    get(tmp_path / "c", file)
    moved = file.rename(tmp_path / "y.bin")
    assert get(tmp_path / "c", moved)[1] == 0
    assert get(tmp_path / "c", moved, "s")[1] == 1
    other = moved.rename(tmp_path / "y.npz")
    assert get(tmp_path / "c", other)[1] == 1
    for count in (1, 0):
        make = Maker(other)
        FolderCache(tmp_path / "c").get([tmp_path / "y.npz#chest"], "r", make)
        assert make.count == count


@pytest.mark.usefixtures("old_enough")
def test_a_broken_or_foreign_file_is_never_trusted_and_made_anew(tmp_path: Path, file: Path) -> None:
    folder = tmp_path / "c"
    right, _ = get(folder, file)
    get(folder, file, "other")
    one, other = entries(folder)
    whole, foreign = one.read_bytes(), other.read_bytes()
    flipped = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(len(whole))]
    cut = [whole[:length] for length in range(len(whole))]
    for content in [*cut, *flipped, foreign, whole + b"\0", b"\x89PNG not ours" * 50]:
        one.write_bytes(content)
        for recipe in ("r", "other"):  # one of the two is kept in the file that is spoilt
            assert get(folder, file, recipe)[0].pixels.tobytes() == right.pixels.tobytes()
        assert one.read_bytes() == whole


@pytest.mark.usefixtures("old_enough")
def test_a_broken_note_is_not_trusted_either(tmp_path: Path, file: Path) -> None:
    get(tmp_path / "c", file)
    (note,) = (path for path in (tmp_path / "c" / "contents").rglob("*") if path.is_file())
    whole = note.read_bytes()
    for content in (b"", whole[:20], bytes([whole[0] ^ 1]) + whole[1:]):
        note.write_bytes(content)
        assert get(tmp_path / "c", file)[1] == 0
        assert note.read_bytes() == whole


def test_what_cannot_be_made_is_not_kept(tmp_path: Path) -> None:
    def fail() -> Prepared:
        raise DataNotFoundError("x.png: no such image file")

    for _ in range(2):
        with pytest.raises(DataNotFoundError, match=r"^x.png"):
            FolderCache(tmp_path / "c").get([tmp_path / "x.png"], "r", fail)


@pytest.fixture
def numbered(tmp_path: Path) -> Path:
    for number in range(20):
        (tmp_path / f"{number}.bin").write_bytes(bytes([number]) * 100)
    return tmp_path


def use(folder: Path, start: Event, spoil: bool) -> None:
    """Take 20 images from a folder again and again, and remove some of what is kept there."""
    cache = FolderCache(folder / "c")
    start.wait()
    for turn in range(20):
        for number in range(20):
            file = folder / f"{number}.bin"
            assert (cache.get([file], "r", Maker(file)).pixels == number * 257).all()
        if spoil:
            for entry in entries(folder / "c")[turn::3]:
                entry.unlink(missing_ok=True)


def killed(folder: Path) -> None:
    Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign]
    FolderCache(folder / "c").get([folder / "0.bin"], "r", Maker(folder / "0.bin"))


FORK = multiprocessing.get_context("fork")  # a process anew would load torch first
in_a_fork = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


@in_a_fork
@pytest.mark.usefixtures("old_enough")
def test_processes_may_write_and_remove_the_same_at_once(numbered: Path) -> None:
    start = FORK.Event()
    processes = [FORK.Process(target=use, args=(numbered, start, spoil)) for spoil in (False, False, True)]
    for process in processes:
        process.start()
    start.set()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert not list((numbered / "c").rglob("*.part"))


@in_a_fork
def test_a_process_killed_while_it_writes_leaves_nothing_that_is_taken_for_whole(numbered: Path) -> None:
    process = FORK.Process(target=killed, args=(numbered,))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert [path.suffix for path in (numbered / "c").rglob("*") if path.is_file()] == [".part"]
    assert [get(numbered / "c", numbered / "0.bin")[1] for _ in range(2)] == [1, 0]


@pytest.mark.parametrize("blocked", ["file", "file/below"])
def test_a_folder_that_cannot_be_made_is_one_clear_line(tmp_path: Path, blocked: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        SettingsError, match=r"^cache_dir .*file.* cannot be written to \(.+\); make room, name"
    ) as caught:
        ImageCache(folder=tmp_path / blocked)
    assert "\n" not in str(caught.value)


def test_a_full_disk_is_one_clear_line_and_leaves_nothing(tmp_path: Path, file: Path) -> None:
    cache = FolderCache(tmp_path / "c")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))  # no file may grow beyond it, as on a disk with so much left
    try:
        with pytest.raises(SettingsError, match=r"^cache_dir \S+ cannot be written to \(File too large\)"):
            cache.get([file], "r", Maker(file))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path for path in (tmp_path / "c").rglob("*") if path.is_file()] == []


@pytest.mark.usefixtures("old_enough")
def test_batches_from_the_folder_are_those_that_were_made(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort = read_cohort(folder)
    made = [next(iter(batches(cohort, SMALL, batch_size=6, seed=None)))]

    def kept(workers: int = 0) -> ImageCache:
        cache = ImageCache(0, tmp_path / "c")
        made.append(next(iter(batches(cohort, SMALL, batch_size=6, seed=None, cache=cache, workers=workers))))
        return cache

    kept(workers=2)

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("was decoded again")

    monkeypatch.setattr("sightline.data.prepared.read_unit", fail)
    monkeypatch.setattr("sightline.data.prepared.read_mask", fail)
    kept(workers=2)
    for batch in made[1:]:
        assert (batch.images == made[0].images).all()
        assert (batch.regions == made[0].regions).all()


LOADER = Loader(Cohort(Path(), "multiclass", ("a",), (), (0.0, 255.0)), SMALL, pad=False, cache=ImageCache())
GAZE = GazeRegion(GazeHeatmap(sigma=0.1))


@pytest.mark.parametrize(
    ("change", "counts"),
    [
        ({"size": 17}, "image mask gaze"),
        ({"channels": 3, "equalise": False}, "image"),
        ({"channels": 2}, ""),
        ({"equalise": False}, "image"),
        ({"equalise": "clahe"}, "image"),
        ({"window": (0.0, 100.0)}, "image"),
        ({"percentiles": (1.0, 99.0)}, "image"),
        ({"clip_limit": 0.02}, ""),
        ({"equalise": "clahe", "clip_limit": 0.02}, "image"),
        ({"z_score": "image"}, "image"),
        ({"z_score": "mask"}, "image"),
        ({"regions": "gaze"}, ""),
        ({"gaze": GAZE}, "gaze"),
        ({"pad": True}, "image mask gaze"),
        ({"value_range": (0.0, 254.0)}, "image"),
        ({"name": "b.png"}, "mask"),
    ],
)
def test_a_name_holds_all_that_pixels_depend_on(
    change: dict[str, object], counts: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def recipes(loader: Loader, name: str) -> dict[str, str]:
        found: dict[str, str] = {}

        def note(_: ImageCache, files: object, recipe: tuple[object, ...], make: object) -> Prepared:
            found[str(recipe[0])] = repr(recipe)
            return Prepared(np.zeros((1, 1, 1), np.uint8), (1, 1))

        monkeypatch.setattr(ImageCache, "prepared", note)
        case = replace(read_cohort(folder).cases[0], gaze=folder / "g.csv")
        case = replace(case, image=case.image.with_name(name))
        assert case.mask is not None
        loader.image(case)
        loader.region(case.mask, case, (16, 20))
        loader.gaze(case, (16, 20))
        return found

    steps = {key: value for key, value in change.items() if key not in ("pad", "value_range", "name")}
    other = replace(LOADER, preprocessing=replace(SMALL, **steps), pad=bool(change.get("pad")))  # type: ignore[arg-type]
    if "value_range" in change:
        other = replace(other, cohort=replace(other.cohort, value_range=change["value_range"]))  # type: ignore[arg-type]
    before, after = recipes(LOADER, "a.png"), recipes(other, str(change.get("name", "a.png")))
    assert [kind for kind in before if before[kind] != after[kind]] == counts.split()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, [[34617, 40271], [33680, 38598], [31167, 27504], [34646, 42357]]),
        (
            {"equalise": False, "percentiles": (5.0, 95.0), "z_score": "mask"},
            [[21820, 25989], [21022, 24613], [19308, 16655], [22058, 27376]],
        ),
    ],
)
def test_the_version_counts_up_when_pixels_change(
    change: dict[str, object], expected: list[list[int]], tmp_path: Path, save: Save
) -> None:
    file = save(tmp_path / "x.png", np.random.default_rng(0).integers(0, 256, (37, 29), dtype=np.uint8))
    made = prepare_image(file, replace(SMALL, **change), pad=True, masks={"x": file})  # type: ignore[arg-type]
    assert VERSION == 1, "new pixels: note them here"
    found = made.pixels[0, ::5, 5:15:5].astype(int)
    np.testing.assert_allclose(found, expected, atol=2, err_msg="count VERSION up if meant so")
