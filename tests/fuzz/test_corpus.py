"""What fuzzing has found once is refused in one clear line ever after, and the kept corpus stays small."""

import importlib
import resource
from pathlib import Path

import pytest

from targets import NAMES, rle

CORPUS = Path(__file__).parents[2] / "fuzz" / "corpus"
pytestmark = pytest.mark.filterwarnings("ignore")  # of decoders, about odd values


@pytest.mark.parametrize("name", NAMES)
def test_no_kept_input_brings_a_parser_down(name: str) -> None:
    target = importlib.import_module(f"targets.{name}")
    kept = sorted((CORPUS / name).iterdir())
    assert kept
    for file in kept:
        try:
            target.one(file.read_bytes())
        except Exception as error:  # to name the file
            pytest.fail(f"{name}/{file.name}: {error!r}")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4 << 20, "KiB"


def test_the_kept_corpus_is_small() -> None:
    assert {folder.name for folder in CORPUS.iterdir()} == set(NAMES)
    sizes = [file.stat().st_size for file in CORPUS.rglob("*") if file.is_file()]
    assert max(sizes) < 20_000
    assert sum(sizes) < 3 << 20
    assert all(len(list(folder.iterdir())) <= 80 for folder in CORPUS.iterdir())


def test_an_error_that_is_not_ours_comes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr(rle, "mask_from_starts", broken)
    with pytest.raises(KeyError):
        rle.one(b"\0\4\5" + b"1 2")
