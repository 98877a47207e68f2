"""Whatever a file holds, it is read or refused; and what we write ourselves is read back as it was."""

import importlib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sightline import yaml12
from sightline.data import Case, Cohort, read_cohort
from sightline.data.table import write_cohort
from sightline.errors import SightlineError
from sightline.regions.rle import mask_from_coco, mask_from_gaps, mask_from_starts
from targets import NAMES

pytestmark = pytest.mark.filterwarnings("ignore")
FEW = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
CELLS = st.text("aB0179.:-_+~!#&*'\"{}[]|>%@`,; eéß中😀", min_size=1, max_size=8).map(str.strip).filter(bool)


@cache
def seeds(name: str) -> list[bytes]:
    return [data for _, data in importlib.import_module(f"targets.{name}").seeds()]


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@FEW
def test_a_seed_with_bytes_changed_or_cut_off_is_read_or_refused(name: str, data: st.DataObject) -> None:
    target = importlib.import_module(f"targets.{name}")
    seed = bytearray(data.draw(st.sampled_from(seeds(name))))
    for _ in range(data.draw(st.integers(0, 4))):
        place = data.draw(st.integers(0, len(seed)))
        piece = data.draw(st.sampled_from(target.WORDS) | st.binary(max_size=4))
        seed[place : place + data.draw(st.integers(0, 4))] = piece
    target.one(bytes(seed[: data.draw(st.sampled_from([len(seed), len(seed) // 2]))]))


@given(st.data())
@FEW
def test_run_lengths_that_we_write_are_the_mask(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 7)), data.draw(st.integers(1, 7))
    flat = np.array(data.draw(st.lists(st.booleans(), min_size=size[0] * size[1], max_size=size[0] * size[1])))
    mask = flat.reshape(size[1], size[0]).T
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flat, [False]]).astype(int)))
    starts, lengths = edges[::2], edges[1::2] - edges[::2]
    gaps = starts - np.concatenate([[0], edges[1::2][:-1]]) if len(starts) else starts
    pairs = [" ".join(f"{a} {b}" for a, b in zip(each, lengths, strict=True)) for each in (starts + 1, gaps)]
    assert (mask_from_starts([pairs[0]], size) == mask).all()
    assert (mask_from_gaps([pairs[1]], size) == mask).all()
    runs = np.diff([0, *edges, flat.size]).tolist()
    assert (mask_from_coco(runs, size) == mask).all()


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | CELLS,
    lambda inner: st.dictionaries(CELLS, inner, max_size=4) | st.lists(st.none() | st.integers() | CELLS, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(CELLS, PLAIN, max_size=5))
@FEW
def test_settings_that_we_write_are_read_back(value: dict[str, object]) -> None:
    assert yaml12.read(yaml12.dump(value), "again").plain() == value


@given(
    rows=st.lists(
        st.tuples(CELLS, CELLS, CELLS, st.sampled_from(["train", "", "test"])),
        min_size=1,
        max_size=5,
        unique_by=lambda row: row[0],
    )
)
@FEW
def test_a_cohort_that_we_write_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]]
) -> None:
    root = tmp_path_factory.mktemp("cohort")
    cases = tuple(
        Case(id=name, image=root / f"{number}.png", label=number % 2, patient=patient, source=source, split=split)
        for number, (name, patient, source, split) in enumerate(rows)
    )
    cohort = Cohort(root, "binary", ("well", "no"), cases, (0.0, 255.0), "HU")
    write_cohort(cohort, root)
    assert read_cohort(root) == cohort


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: " + "9" * 5000, "not an int that can be read"),
        ("a: !!int x", "not an int that can be read"),
        ("a: !!float x", "not a float that can be read"),
        ("a: " + "[" * 900 + "]" * 900, "levels deep"),
        ("a:\n " + "- " * 900 + "b", "levels deep"),
        ("a: &a [1, *a]", "levels deep"),
        (
            "a0: &a0 x\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)),
            "at most 10000 values",
        ),
    ],
    ids=["digits", "int", "float", "brackets", "dashes", "itself", "laughs"],
)
def test_settings_without_end_are_refused(text: str, words: str) -> None:
    with pytest.raises(SightlineError, match=words):
        yaml12.read(text, "file.yaml")


def test_brackets_are_not_scanned_to_their_end(monkeypatch: pytest.MonkeyPatch) -> None:
    scanned, scan = [], yaml.scanner.Scanner.fetch_flow_collection_start
    monkeypatch.setattr(
        yaml.scanner.Scanner, "fetch_flow_collection_start", lambda *words: (scanned.append(1), scan(*words))
    )
    with pytest.raises(SightlineError, match="levels deep"):
        yaml12.read("a: " + "[" * 900, "file.yaml")
    assert len(scanned) == 50, "PyYAML takes the square of them"


def test_more_frames_than_bytes_are_refused(tmp_path: Path) -> None:
    from sightline.data.readers import read_volume
    from targets import dicom

    (tmp_path / "scan.dcm").write_bytes(dict(dicom.seeds())["frames"].replace(b"IS\x02\x002 ", b"IS\x0a\x002147483647"))
    with pytest.raises(SightlineError, match="2147483647 frames, more than it has bytes"):
        read_volume(tmp_path / "scan.dcm")
