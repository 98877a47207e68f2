import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn

from sightline.data.cohort import Case
from sightline.errors import RunError, SettingsError
from sightline.evaluation.audit import (
    Audit,
    Columns,
    Folder,
    Look,
    Material,
    Number,
    Part,
    Section,
    Subject,
    UnfitError,
    audit,
    measure,
    measure_chunks,
)
from sightline.evaluation.audit.part import Array
from sightline.evaluation.audit.parts import default_parts, part_names
from sightline.metrics import Interval

from .made import Reads, cohort_of, labels_of, material_of, pictures, subject_of


@dataclass(frozen=True)
class Brightness(Part):
    """Mean brightness and probability of the first class; notes what it was asked."""

    name: ClassVar[str] = "brightness"
    question: ClassVar[str] = "How bright?"
    only_answers: ClassVar[bool] = True
    asked: ClassVar[list[str]] = []

    power: float = 1.0
    fails_at: str = ""

    def measure(self, subject: Subject, material: Material, look: Look) -> Mapping[str, Array]:
        if self.fails_at in {case.id for case in look.cases}:
            raise UnfitError("it is too dark")
        self.asked.extend(case.id for case in look.cases)
        return {"mean": look.images.flatten(1).mean(1).double().numpy() ** self.power, "p": look.probabilities[:, 0]}

    def conclude(self, subject: Subject, material: Material, columns: Columns, folder: Folder) -> Section:
        value = float((columns["mean"] * columns["p"]).sum())
        interval = Interval(value, value, value, len(columns.cases), "sum")
        return Section(self.name, self.question, "good", columns.patients[0], (Number("sum", interval),))


@dataclass(frozen=True)
class Maps(Part):
    name: ClassVar[str] = "maps"
    question: ClassVar[str] = "Where?"

    def measure(self, subject: Subject, material: Material, look: Look) -> Mapping[str, Array]:
        assert subject.model is not None
        return {"nothing": np.zeros(len(look))}

    def conclude(self, subject: Subject, material: Material, columns: Columns, folder: Folder) -> Section:
        return Section(self.name, self.question, "good", "Here.")


@pytest.fixture(autouse=True)
def _nothing_asked() -> None:
    Brightness.asked.clear()


def tiny(count: int = 10, **options: object) -> tuple[Subject, Material]:
    labels = labels_of(count)
    cohort = cohort_of(labels)
    return subject_of(Reads("region"), cohort, **options), material_of(  # type: ignore[arg-type]
        cohort, pictures(labels, region=True, corner=False)
    )


def test_all_cases_are_measured_and_the_result_is_written(tmp_path: Path) -> None:
    subject, material = tiny()
    told: list[tuple[int, int | None]] = []
    found = audit(subject, material, [Brightness()], Folder(tmp_path), chunk=4, progress=lambda *how: told.append(how))
    assert Brightness.asked == [case.id for case in material.cases]
    assert told == [(1, 3), (2, 3), (3, 3)]
    images = material.load(material.cases).images
    expected = (images.flatten(1).mean(1).double().numpy() * subject.probabilities(images)[:, 0]).sum()
    assert found.sections[0].numbers[0].interval.value == pytest.approx(expected, rel=1e-6)
    assert found.sections[0].numbers[0].interval.n == 10
    assert found.sections[0].answer == "patient-0"
    assert Audit.from_dict(json.loads((tmp_path / "audit.json").read_text())) == found


def test_a_chunk_that_is_there_is_not_measured_again(tmp_path: Path) -> None:
    subject, material = tiny()
    whole = audit(subject, material, [Brightness()], Folder(tmp_path), chunk=4)
    (tmp_path / "sections" / "brightness.json").unlink()
    (tmp_path / "measured" / "brightness" / "00001.npz").unlink()
    (tmp_path / "measured" / "brightness" / "00002.npz").write_bytes(b"broken")
    Brightness.asked.clear()
    assert audit(subject, material, [Brightness()], Folder(tmp_path), chunk=4) == whole
    assert Brightness.asked == [case.id for case in material.cases[4:]]


def test_a_finished_audit_is_read(tmp_path: Path) -> None:
    subject, material = tiny()
    whole = audit(subject, material, [Brightness()], Folder(tmp_path))
    loads: list[tuple[str, ...]] = []
    again = material_of(material.cohort, torch.zeros(10, 1, 32, 32), loaded=loads)
    again = replace(again, resampling=material.resampling)
    assert audit(subject, again, [Brightness()], Folder(tmp_path)) == whole
    assert loads == [], "no image is read"


@pytest.mark.parametrize(
    ("pixels", "expected"), [(224 * 224, 32), (362 * 362, 32), (512 * 512, 16), (81 * 96 * 96, 5), (405 * 420 * 420, 1)]
)
def test_fewer_cases_at_a_time_where_images_are_large(tmp_path: Path, pixels: int, expected: int) -> None:
    subject, material = tiny()
    audit(replace(subject, pixels=pixels), material, [Brightness()], Folder(tmp_path))
    assert json.loads((tmp_path / "asked.json").read_text())["chunk"] == expected


def test_processes_share_the_chunks_and_the_audit_finds_them(tmp_path: Path) -> None:
    subject, material = tiny()
    told: list[tuple[int, int | None]] = []
    whole = audit(subject, material, [Brightness()], Folder(tmp_path / "alone"), chunk=3)
    asked = []
    for number in (2, 1):
        Brightness.asked.clear()
        measure(
            subject,
            material,
            [Brightness()],
            Folder(tmp_path / "shared"),
            (number, 2),
            chunk=3,
            progress=lambda *how: told.append(how),
        )
        asked.append(list(Brightness.asked))
    names = [case.id for case in material.cases]
    assert asked == [names[3:6] + names[9:], names[:3] + names[6:9]]
    assert told == [(1, 2), (2, 2)] * 2
    assert not (tmp_path / "shared" / "audit.json").exists()
    Brightness.asked.clear()
    assert audit(subject, material, [Brightness()], Folder(tmp_path / "shared"), chunk=3) == whole
    assert not Brightness.asked
    with pytest.raises(SettingsError, match="shard must be I/N with 1 <= I <= N, got 3/2"):
        measure(subject, material, [Brightness()], Folder(tmp_path / "none"), (3, 2))
    assert not (tmp_path / "none").exists()


def test_chunks_may_be_measured_elsewhere(tmp_path: Path) -> None:
    subject, material = tiny()
    whole = audit(subject, material, [Brightness()], Folder(tmp_path / "alone"), chunk=3)
    folder, asked = Folder(tmp_path / "shared"), []

    def elsewhere(chunks: Mapping[int, tuple[Case, ...]]) -> None:
        asked.append({number: [case.id for case in cases] for number, cases in chunks.items()})
        Brightness.asked.clear()
        measure_chunks(subject, material, [Brightness()], folder, [number for number in chunks if number != 3], chunk=3)

    names = [case.id for case in material.cases]
    measure(subject, material, [Brightness()], folder, (3, 4), chunk=3)
    assert audit(subject, material, [Brightness()], folder, chunk=3, elsewhere=elsewhere) == whole
    assert asked == [{0: names[:3], 1: names[3:6], 3: names[9:]}], "but for what is there"
    assert Brightness.asked == names[:6] + names[9:], "what is left is measured here"
    with pytest.raises(RunError, match="sees another chunk than the command did"):
        measure_chunks(subject, material, [Brightness()], folder, [0], chunk=4)


def test_the_result_does_not_depend_on_chunks(tmp_path: Path) -> None:
    subject, material = tiny()
    parts = default_parts(["performance", "outside", "inside", "shortcuts"])
    one, other = (
        audit(subject, material, parts, Folder(tmp_path / str(chunk)), chunk=chunk).as_dict() for chunk in (10, 3)
    )
    assert _close(one, other)


def _close(one: object, other: object) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_close(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_close, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return bool(np.isclose(one, other, rtol=1e-4, atol=1e-6, equal_nan=True))
    return one == other


@pytest.mark.parametrize("what", ["model", "cases", "images", "seed", "part", "parts"])
def test_another_audit_is_refused(tmp_path: Path, what: str) -> None:
    subject, material = tiny()
    parts: list[Part] = [Brightness()]
    audit(subject, material, parts, Folder(tmp_path))
    if what == "model":
        subject = replace(subject, fingerprint="ff00")
    if what == "cases":
        material = replace(material, cohort=replace(material.cohort, cases=material.cases[:5]))
    if what == "images":
        material = replace(material, made="preprocessing.size=64")
    if what == "seed":
        material = replace(material, seed=1)
    parts = {"part": [Brightness(power=2.0)], "parts": [*parts, Maps()]}.get(what, parts)
    with pytest.raises(RunError, match=f"an audit with another {'parts' if what.startswith('part') else what}"):
        audit(subject, material, parts, Folder(tmp_path))
    found = audit(subject, material, parts, Folder(tmp_path), again=True)
    assert found.sections[0].verdict == "good"


def test_a_part_that_needs_the_inside_of_a_model_says_so(tmp_path: Path) -> None:
    subject, material = tiny(black_box=True)
    found = audit(subject, material, [Brightness(), Maps()], Folder(tmp_path))
    assert [section.verdict for section in found.sections] == ["good", "unknown"]
    assert found.sections[1].answer == "Not tested: the model can only be asked, not looked into."


def test_a_part_that_turns_out_not_to_fit_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    subject, material = tiny()
    found = audit(subject, material, [Brightness(fails_at="case-005")], Folder(tmp_path), chunk=4)
    assert found.sections[0].verdict == "unknown"
    assert found.sections[0].answer == "Not tested: it is too dark."
    assert Brightness.asked == ["case-000", "case-001", "case-002", "case-003"]
    assert "brightness is left out: it is too dark" in caplog.text


def test_the_model_comes_back_as_it_was(tmp_path: Path) -> None:
    subject, material = tiny()
    assert isinstance(subject.model, nn.Module)
    subject.model.train()
    before = {name: value.clone() for name, value in subject.model.state_dict().items()}
    state = torch.get_rng_state()
    audit(subject, material, default_parts(["outside", "shortcuts"]), Folder(tmp_path))
    assert subject.model.training
    assert all(torch.equal(value, before[name]) for name, value in subject.model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)


def test_parts_have_different_names(tmp_path: Path) -> None:
    subject, material = tiny()
    with pytest.raises(SettingsError, match="parts of an audit need different names"):
        audit(subject, material, [Brightness(), Brightness(power=2.0)], Folder(tmp_path))


def test_parts_are_made_by_name_in_the_order_of_the_page() -> None:
    assert [part.name for part in default_parts()] == list(part_names())
    assert [part.name for part in default_parts(["shortcuts", "performance"])] == ["performance", "shortcuts"]
    with pytest.raises(SettingsError, match="there is no part 'sanity' of an audit; there are performance, "):
        default_parts(["sanity"])


def test_every_part_says_what_it_asks_and_keeps_no_state() -> None:
    for part in default_parts():
        assert part.question.endswith("?")
        assert part == type(part)(), "its options are all there is to it"
        assert (type(part).__doc__ or "").strip()


def test_a_notebook_shows_question_verdict_and_answer() -> None:
    page = Audit("mine", (Section("looking", "Where?", "doubtful", "Here <or> there."),))._repr_html_()
    assert all(words in page for words in ("audit of mine", "Where?", "doubtful", "Here &lt;or&gt; there."))
