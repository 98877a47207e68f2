import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from sightline.answering import Answerer
from sightline.errors import DataError, TimeLimitError
from sightline.serving import Limits
from sightline.serving.readers import ReaderPool, read_within


@pytest.fixture(scope="module")
def pool(answerer: Answerer) -> Iterator[ReaderPool]:
    made = ReaderPool(answerer.reader, Limits(readers=1, max_pixels=1 << 20))
    yield made
    made.close()


def soon() -> float:
    return time.monotonic() + 30


def test_files_are_read_as_without_a_process(pool: ReaderPool, answerer: Answerer, files: list[Path]) -> None:
    for file in files:
        ready, expected = pool.read(file, soon()), answerer.read(file)
        assert ready.name == expected.name
        assert torch.equal(ready.image, expected.image)
        assert ready.warnings == expected.warnings


def test_an_error_keeps_its_kind_and_its_words(
    pool: ReaderPool, answerer: Answerer, png: Callable[..., bytes], tmp_path: Path
) -> None:
    (tmp_path / "cut.png").write_bytes(png()[:60])
    with pytest.raises(DataError) as expected:
        read_within(answerer.reader, tmp_path / "cut.png", Limits())
    with pytest.raises(DataError) as told:
        pool.read(tmp_path / "cut.png", soon())
    assert str(told.value) == str(expected.value)


def test_one_that_hangs_is_ended_and_another_takes_its_place(
    pool: ReaderPool, files: list[Path], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "image.npy")  # whoever opens it waits for ever
    for _ in range(2):
        with pytest.raises(TimeLimitError, match=r"image\.npy: took longer than 0\.[12] s to read"):
            pool.read(tmp_path / "image.npy", time.monotonic() + 0.2)
        assert pool.read(files[0], soon()).image.shape == (1, 32, 32)


def test_one_that_dies_takes_nobody_along(pool: ReaderPool, files: list[Path], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "image.npy")
    child = pool._idle.get()
    pool._idle.put(child)
    assert child is not None
    assert child._process in multiprocessing.active_children()
    threading.Timer(0.3, os.kill, (child._process.pid, signal.SIGKILL)).start()
    with pytest.raises(DataError, match=r"image\.npy: reading it brought the decoder down"):
        pool.read(tmp_path / "image.npy", soon())
    assert pool.read(files[0], soon()).image.shape == (1, 32, 32)


def test_closing_ends_the_processes(answerer: Answerer) -> None:
    before = set(multiprocessing.active_children())
    made = ReaderPool(answerer.reader, Limits(readers=2))
    started = set(multiprocessing.active_children()) - before
    assert len(started) == 2
    made.close()
    assert not any(process.is_alive() for process in started)
