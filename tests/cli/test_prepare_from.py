import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightline.cli.main import main
from sightline.cli.preparing import looking
from sightline.data import read_cohort
from sightline.data.adapters import adapters
from sightline.data.readers.checksums import sha256_of

DOCS = Path(__file__).parents[2] / "docs" / "data_sets.md"


@pytest.fixture
def download(tmp_path: Path) -> Path:
    """The layout of Montgomery: six films of six people, one of them a child."""
    root = tmp_path / "MontgomerySet"
    generator = np.random.default_rng(0)
    mask = np.zeros((10, 8), np.uint8)
    mask[2:6, 1:4] = 255
    for number in range(6):
        stem = f"MCUCXR_000{number}_{number % 2}"
        for folder, pixels in (
            ("CXR_png", generator.integers(0, 255, (10, 8), dtype=np.uint8)),
            ("ManualMask/leftMask", mask),
            ("ManualMask/rightMask", mask[:, ::-1]),
        ):
            (root / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(root / folder / f"{stem}.png")
        (root / "ClinicalReadings").mkdir(exist_ok=True)
        age = "009Y" if number == 5 else "040Y"
        (root / f"ClinicalReadings/{stem}.txt").write_text(f"Patient's Sex: F\nPatient's Age: {age}\nnormal")
    return root


def cells(file: Path) -> list[list[str]]:
    with file.open(newline="") as opened:
        return list(csv.reader(opened))


def test_a_download_becomes_a_cohort_with_its_census_and_what_was_left_out(
    download: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "cohort"
    assert main(["prepare", "from", "montgomery", str(download), "--out", str(out), "--set", "min_age=18", "-q"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].split() == ["rule", "images", "change", "patients", "Normal", "Tuberculosis"]
    assert [line.split()[-5:] for line in told[1:4]] == [
        ["CXR_png", "6", "6", "3", "3"],
        ["5", "-1", "5", "3", "2"],
        ["5", "+0", "5", "3", "2"],
    ]
    assert told[-1] == f"{out / 'cohort.csv'}: 5 images"
    cohort = read_cohort(out)
    assert len(cohort.cases) == 5
    assert all(case.mask is not None and case.mask.is_file() for case in cohort.cases)
    assert all(case.sha256 == sha256_of(case.image) for case in cohort.cases)
    census = cells(out / "census.csv")
    assert census[0] == ["rule", "images", "patients", "Normal", "Tuberculosis"]
    assert [row[1:] for row in census[1:]] == [["6", "6", "3", "3"], ["5", "5", "3", "2"], ["5", "5", "3", "2"]]
    (left_out,) = cells(out / "left_out.csv")[1:]
    assert left_out[0] == "MCUCXR_0005_1.png"
    assert "18" in left_out[1]
    assert sorted(path.name for path in out.iterdir()) == [
        "census.csv",
        "cohort.csv",
        "cohort.yaml",
        "left_out.csv",
        "masks",
    ]


def test_a_corrupted_file_is_left_out_listed_and_does_not_end_the_run(
    download: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = sorted((download / "CXR_png").glob("*.png"))[2]
    out = tmp_path / "cohort"
    words = ["prepare", "from", "montgomery", str(download), "--out", str(out), "--json", "-q"]
    assert main(words) == 0  # masks are made
    broken.write_bytes(broken.read_bytes()[:50])
    capsys.readouterr()
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["images"] == 5
    (unusable,) = told["unusable"]
    assert unusable["case"] == broken.name
    assert "unreadable or truncated" in unusable["what"]
    assert [row[0] for row in cells(out / "left_out.csv")[1:]] == [broken.name]
    assert told["census"][-1] == {
        "rule": "file can be used",
        "images": 5,
        "patients": 5,
        "classes": {"Normal": 2, "Tuberculosis": 3},
    }
    assert broken.name not in {case.id for case in read_cohort(out).cases}


def test_strict_ends_with_exit_code_2_and_writes_no_table(
    download: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "cohort"
    words = ["prepare", "from", "montgomery", str(download), "--out", str(out), "--strict", "-q"]
    assert main(words) == 0
    (out / "cohort.csv").unlink()
    broken = sorted((download / "CXR_png").glob("*.png"))[2]
    broken.write_bytes(broken.read_bytes()[:50])
    capsys.readouterr()
    assert main(words) == 2
    told = capsys.readouterr()
    assert told.err.count("\n") == 1
    assert broken.name in told.err
    assert told.out == ""
    assert not (out / "cohort.csv").exists()


def test_one_broken_file_among_a_thousand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "films"
    for name in ("ill", "well"):
        (root / name).mkdir(parents=True)
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(tmp_path / "one.png")
    whole = (tmp_path / "one.png").read_bytes()
    for number in range(1000):
        (root / ("ill", "well")[number % 2] / f"{number}.png").write_bytes(whole if number != 617 else whole[:40])
    words = ["prepare", "from", "class_folders", str(root), "--out", str(tmp_path / "out"), "-q"]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert told.count("left out: ") == 1
    assert "617.png" in told
    assert len(read_cohort(tmp_path / "out").cases) == 999
    assert [row[0] for row in cells(tmp_path / "out/left_out.csv")[1:]] == ["well/617.png"]
    assert main([*words, "--strict"]) == 2
    assert "617.png" in capsys.readouterr().err


def test_a_stopped_look_goes_on_where_it_was(
    download: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(looking, "_PART", 2)
    whole, looked = looking.readable_cases, []

    def counted(cohort: object) -> object:
        if len(looked) == 2:
            raise KeyboardInterrupt
        looked.append([case.id for case in cohort.cases])
        return whole(cohort)

    monkeypatch.setattr(looking, "readable_cases", counted)
    out = tmp_path / "cohort"
    words = ["prepare", "from", "montgomery", str(download), "--out", str(out), "-q"]
    assert main(words) == 130
    assert capsys.readouterr().err == "error: stopped; the same command continues\n"
    assert len(looked) == 2
    assert not (out / "cohort.csv").exists()
    notes = out / ".looked_at.jsonl"
    notes.write_text(notes.read_text() + '["half a li')
    first = [each for part in looked for each in part]
    looked.clear()
    assert main(words) == 0
    assert sorted(first + [each for part in looked for each in part]) == sorted(
        case.id for case in read_cohort(out).cases
    )
    assert not notes.exists()
    assert all(case.sha256 for case in read_cohort(out).cases)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["montgomry", "here", "--out", "o"], "error: no adapter 'montgomry'; did you mean 'montgomery'?; there are "),
        (
            ["montgomery", "here", "--out", "o"],
            "error: Montgomery County: no folder here; give the folder that holds CXR_png",
        ),
        (["montgomery", ".", "--out", "o"], "error: Montgomery County: expected CXR_png"),
        (["montgomery", "here"], "error: name an adapter, the folder of the download, and --out DIR; --list shows the"),
        (
            ["montgomery", ".", "--out", "o", "--set", "min_ge=3"],
            "error: command line: min_ge: unknown setting. Did you",
        ),
        (
            ["montgomery", ".", "--out", "o", "--set", "min_age=old"],
            "error: command line: min_age: must be a valid number",
        ),
        (["montgomery", ".", "--out", "o", "--set", "min_age"], "error: command line: min_age: not a setting; write"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["prepare", "from", *words]) == 2
    told = capsys.readouterr()
    assert told.err.startswith(message)
    assert told.err.count("\n") == 1
    assert told.out == ""
    assert list(tmp_path.iterdir()) == []


def test_the_list_says_where_each_is_to_be_had_and_what_must_lie_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "from", "--list"]) == 0
    told = capsys.readouterr().out
    for name, kind in adapters().items():
        assert f"{name}: {kind.title}\n  from  {kind.home}\n  with  {kind.layout.splitlines()[0]}" in told
    assert main(["prepare", "from", "--list", "--json"]) == 0
    listed = {each["name"]: each for each in json.loads(capsys.readouterr().out)}
    assert listed.keys() == adapters().keys()
    assert all(each["where"] == adapters()[name].home for name, each in listed.items())


def test_the_list_and_the_page_say_the_same() -> None:
    page = DOCS.read_text(encoding="utf-8")
    for name, kind in adapters().items():
        assert f"| `{name}` | {kind.home} |" in page


def test_one_adapter_is_listed_with_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prepare", "from", "chexpert", "--list"]) == 0
    told = capsys.readouterr().out
    assert "--set uncertain  (negative | positive | unknown; default " in told
    assert "what a label of -1 is taken for" in told
    assert "--set views  (list of str; default " in told
    assert "--set partial  (bool; default false)" in told
    assert "montgomery" not in told


def test_help_loads_neither_torch_nor_numpy() -> None:
    for verb in ("from", "cohort", "check", "split"):
        code = f"from sightline.cli.main import main; main(['prepare', '{verb}', '--help'])"
        check = f"{code}\nimport sys\nassert not {{'torch', 'numpy', 'scipy'}} & sys.modules.keys()"
        subprocess.run([sys.executable, "-c", check], check=True, capture_output=True)
