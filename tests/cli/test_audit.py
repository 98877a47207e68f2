import json
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from torch import Tensor, nn

from sightline.cli import auditing
from sightline.cli.main import main
from sightline.data import read_cohort
from sightline.evaluation.audit import Folder

PARTS = "performance,shortcuts"


class Net(nn.Module):
    """Looks at the brightness of three stripes."""

    def __init__(self, num_classes: int = 3, in_channels: int = 3) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(in_channels, 4, 3), nn.Linear(4, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.last(self.first(images).relu().flatten(2).mean(2))
        return logits


@pytest.fixture(autouse=True)
def package(monkeypatch: pytest.MonkeyPatch) -> None:
    made = ModuleType("somebody")
    made.Net = Net  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "somebody", made)
    few = auditing.Resampling
    monkeypatch.setattr(auditing, "Resampling", lambda seed: few(50, seed))


def told(capsys: pytest.CaptureFixture[str], *words: object, code: int = 0) -> dict[str, Any]:
    assert main(["audit", "-q", *map(str, words), "--json"]) == code
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def refusal(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    assert main(["audit", "-q", *map(str, words)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    return said.err.removeprefix("error: ").rstrip("\n")


def test_a_run_is_audited_on_its_own_cohort(demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "plain"
    shutil.copytree(demo / "plain", run)
    found = told(capsys, run, "--parts", "performance,outside,inside,shortcuts")
    assert found["folder"] == (run / "audit").as_posix()
    assert found["subject"] == "plain"
    page = (run / "audit" / "audit.html").read_text(encoding="utf-8")
    assert found["page"] == (run / "audit" / "audit.html").as_posix()
    assert "<h1>plain on 9 cases</h1>" in page
    assert "--parts performance,outside,inside,shortcuts" in page
    assert all(section["question"] in page for section in found["sections"])
    assert found["cases"] == 9
    assert [section["name"] for section in found["sections"]] == ["performance", "outside", "inside", "shortcuts"]
    assert all(section["verdict"] in ("good", "doubtful", "bad", "unknown") for section in found["sections"])
    known = {number["of"] for number in found["sections"][3]["numbers"]}
    assert "the known mark of a wrong class" in known, "the phantoms hold their bias off and swapped"
    assert (run / "audit" / "audit.json").is_file()
    assert main(["audit", "-q", str(run), "--parts", "performance,outside,inside,shortcuts"]) == 0
    assert capsys.readouterr().out.startswith("performance  ")


def test_a_model_of_others_is_audited(demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["somebody:Net", demo / "cohort", "--size", 32, "--parts", PARTS, "--limit", 6]
    found = told(capsys, *words, "--out", tmp_path / "a")
    assert found["cases"] == 6
    grey = told(capsys, *words, "--channels", 1, "--values", "[-1024,1024]", "--out", tmp_path / "b")
    assert grey["subject"] == "somebody:Net"


def test_the_default_folder_is_named_by_the_model(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = told(capsys, "somebody:Net", demo / "cohort", "--size", 32, "--parts", "performance", "--limit", 3)
    assert found["folder"] == "audits/somebody-Net"


def test_an_audit_goes_on_where_it_stopped(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["somebody:Net", demo / "cohort", "--size", 32, "--parts", PARTS, "--random-weights"]
    whole = told(capsys, *words, "--out", tmp_path / "whole")
    stopped = tmp_path / "stopped"

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Folder, "write_section", stop)
        assert main(["audit", "-q", *map(str, words), "--out", str(stopped)]) == 130
    assert capsys.readouterr().err == f"error: stopped; {stopped} holds what is done, the same command continues\n"
    (stopped / "measured" / "shortcuts" / "00000.npz").write_bytes(b"broken")
    assert told(capsys, *words, "--out", stopped)["sections"] == whole["sections"]


def test_the_gate(demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "somebody:Net",
        demo / "cohort",
        "--size",
        32,
        "--parts",
        "performance",
        "--out",
        tmp_path,
        "--split",
        "train",
    ]
    found = told(capsys, *words)
    verdict = found["sections"][0]["verdict"]
    assert main(["audit", "-q", *map(str, words), "--gate"]) == (3 if verdict == "bad" else 0)
    section = tmp_path / "sections" / "performance.json"
    for other, code in (("bad", 3), ("doubtful", 0), ("good", 0), ("unknown", 0)):
        section.write_text(section.read_text().replace(f'"verdict": "{verdict}"', f'"verdict": "{other}"'))
        verdict = other
        assert main(["audit", "-q", *map(str, words), "--gate"]) == code
        assert main(["audit", "-q", *map(str, words)]) == 0
    capsys.readouterr()


def test_the_settings_are_printed(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "somebody:Net", str(demo / "cohort"), "--size", "64", "batch_size=3", "--print-config"]) == 0
    said = capsys.readouterr().out
    assert "batch_size: 3" in said
    assert "size: 64" in said


def test_a_run_takes_settings_in_place_of_a_cohort(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [demo / "plain", "batch_size=2", "--parts", "performance", "--limit", 3, "--out", tmp_path]
    assert told(capsys, *words)["cases"] == 3


def test_whole_patients_are_drawn(demo: Path) -> None:
    cohort = read_cohort(demo / "cohort").split("train")
    some = auditing._drawn(cohort, 5, 0)
    assert len(some.cases) == 5
    assert [case for case in cohort.cases if case in some.cases] == list(some.cases)
    assert auditing._drawn(cohort, 5, 1) != some
    assert auditing._drawn(cohort, 500, 0) is cohort


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["somebody:Net"], "name the cohort to audit on: sightline audit somebody:Net COHORT"),
        (["somebody:Net", "COHORT", "more"], "unknown argument more; one MODEL and one COHORT are audited"),
        (["somebody", "COHORT"], "somebody is no run folder, no .pt2 or .onnx file"),
        (["none.onnx", "COHORT"], "none.onnx: no such file"),
        (["somebody:Net", "COHORT", "--parts", "sanity"], "there is no part 'sanity' of an audit"),
        (["somebody:Net", "COHORT", "--limit", "0"], "--limit must be at least 1, got 0"),
        (["somebody:Net", "COHORT", "--values", "bright"], "--values must be imagenet or two numbers"),
        (["somebody:Net", "COHORT", "--outputs", "normal"], "--outputs must be CLASS=INDEX"),
        (
            ["somebody:Net", "COHORT", "--outputs", "norm=1"],
            "--outputs norm: the classes are normal, pneumonia, effusion",
        ),
        (["somebody:Net", "COHORT", "--split", "tests"], "no split 'tests' in the cohort; did you mean 'test'?"),
        (["somebody:Net", "COHORT", "--device", "abacus"], "--device abacus cannot be used"),
        (["somebody:Net", "COHORT", "--weights", "none.pt"], "weights file none.pt does not exist"),
        (["somebody:Net", "COHORT", "preprocessing.sise=3"], "unknown setting"),
        (["somebody:Net", "nowhere"], "no cohort at nowhere"),
        (["torchvision:resnet18", "COHORT"], "has no weights, and none are downloaded"),
        (["RUN", "--weights", "a.pt"], "--weights is for models that are no run; a run says it in its config.yaml"),
        (["RUN", "--size", "9"], "--size is for models that are no run"),
        (["COHORT"], "is not a run folder: it has no config.yaml"),
    ],
)
def test_mistakes_are_told_on_one_line(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    places = {"COHORT": str(demo / "cohort"), "RUN": str(demo / "plain")}
    out = ["--out", str(tmp_path / "audit")]
    said = refusal(capsys, *[places.get(word, word) for word in words], *out)
    assert message in said
    assert said.count("\n") == 0
    assert not (tmp_path / "audit").exists()


def test_another_audit_in_the_folder_is_refused(demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [demo / "plain", "--parts", "performance", "--limit", 3, "--out", tmp_path]
    told(capsys, *words)
    assert "holds an audit with another cases, resampling, seed" in refusal(capsys, *words, "--seed", 1)
    told(capsys, *words, "--seed", 1, "--again")


def test_a_cohort_of_other_classes_is_refused(demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cohort = tmp_path / "cohort"
    shutil.copytree(demo / "cohort", cohort)
    head = cohort / "cohort.yaml"
    head.write_text(head.read_text().replace("- normal\n- pneumonia", "- pneumonia\n- normal"))
    said = refusal(capsys, demo / "plain", cohort, "--out", tmp_path / "audit")
    assert "but the cohort has multiclass with pneumonia, normal, effusion; name and order its classes alike" in said


def test_a_model_of_another_library_runs_unchanged(
    timm: Any, demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["timm:resnet10t", demo / "cohort", "--random-weights", "--values", "imagenet", "--size", 64, "--limit", 4]
    found = told(capsys, *words, "--parts", "performance,outside", "--out", tmp_path)
    assert [section["name"] for section in found["sections"]] == ["performance", "outside"]
    assert "unknown" not in [section["verdict"] for section in found["sections"]]


def test_processes_share_an_audit(demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["somebody:Net", demo / "cohort", "--size", 32, "--parts", PARTS, "--random-weights"]
    out = ["--out", tmp_path / "shared"]
    assert told(capsys, *words, *out, "--shard", "1/2") == {"folder": (tmp_path / "shared").as_posix(), "shard": "1/2"}
    assert list((tmp_path / "shared" / "measured").glob("*/*.npz"))
    assert not (tmp_path / "shared" / "audit.html").exists()
    assert main(["audit", "-q", *map(str, [*words, *out]), "--shard", "2/2"]) == 0
    assert capsys.readouterr().out.endswith("the command without --shard concludes\n")
    whole = told(capsys, *words, "--out", tmp_path / "whole")
    assert told(capsys, *words, *out)["sections"] == whole["sections"]
    assert refusal(capsys, *words, *out, "--shard", "1/2", "--gate").startswith("--shard measures only")
