import csv
import json
from pathlib import Path

import pytest

from sightline.cli.main import main
from sightline.regions.allowed import STUDY_LABELS


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    path = tmp_path / "reports.csv"
    path.write_text('id,text\na,"Nodule in the right lung. No effusion."\nb,Clear lungs.\nc,\n', encoding="utf-8")
    return path


def rows(path: Path) -> dict[str, dict[str, str]]:
    return {row["id"]: row for row in csv.DictReader(path.open(encoding="utf-8"))}


def test_the_80_labels_and_their_organs(reports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "labels.csv"
    assert main(["prepare", "reports", str(reports), str(out)]) == 0
    said = capsys.readouterr()
    assert "3 reports, 1 with findings, 1 without, 1 unknown" in said.out
    assert "report c is empty; its labels are left empty" in said.err
    table = rows(out)
    assert list(table["a"]) == ["id", *STUDY_LABELS, *(f"organs:{name}" for name in STUDY_LABELS)]
    assert (table["a"]["lung_nodule"], table["a"]["organs:lung_nodule"]) == ("1", "1")
    assert set(list(table["b"].values())[1:]) == {"0", ""}
    assert set(list(table["c"].values())[1:]) == {""}


def test_findings_and_the_whole_matrix(reports: Path, tmp_path: Path) -> None:
    out = tmp_path / "labels.csv"
    assert main(["prepare", "reports", str(reports), str(out), "-q", "--labels", "findings"]) == 0
    assert (rows(out)["a"]["nodule"], rows(out)["a"]["pleural_effusion"]) == ("1", "0")
    assert main(["prepare", "reports", str(reports), str(out), "-q", "--labels", "matrix"]) == 0
    assert (rows(out)["a"]["nodule*right_lung"], rows(out)["a"]["nodule*left_lung"]) == ("1", "0")
    assert rows(out)["c"]["nodule*right_lung"] == ""


def test_words_are_explained_beside_the_table(reports: Path, tmp_path: Path) -> None:
    assert main(["prepare", "reports", str(reports), str(tmp_path / "labels.csv"), "-q", "--explain"]) == 0
    lines = list(csv.DictReader((tmp_path / "labels.explained.csv").open(encoding="utf-8")))
    assert [(line["finding"], line["status"], line["words"]) for line in lines] == [
        ("nodule", "present", "Nodule"),
        ("pleural_effusion", "absent", "effusion"),
    ]


def test_labels_are_compared_with_those_of_people(
    reports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    truth = tmp_path / "truth.csv"
    truth.write_text("id,nodule,pleural_effusion,lung_nodule\na,1,1,1\nb,0,0,0\n", encoding="utf-8")
    words = ["prepare", "reports", str(reports), str(tmp_path / "labels.csv"), "--against", str(truth)]
    assert main([*words, "--json", "-q"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["findings"]["nodule"] == {"precision": 1, "recall": 1, "f": 1}
    assert said["findings"]["pleural_effusion"]["f"] == 0
    assert said["mean_f"] == pytest.approx(2 / 3)
    assert main([*words, "-q"]) == 0
    assert "precision" in capsys.readouterr().out


def test_no_findings_at_all_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_text("Clear lungs.", encoding="utf-8")
    assert main(["prepare", "reports", str(tmp_path), str(tmp_path / "labels.csv")]) == 0
    assert "no report has any finding" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--vocabulary", "cxr", "--labels", "study80"], "--labels study80 are of CT"),
        (["--vocabulary", "mri", "--labels", "findings"], "vocabulary must be ct, cxr, or a folder"),
        (["--against", "nowhere.csv"], "labelled reports nowhere.csv are not there"),
        (["--classifier", "nowhere.npz"], "sentence classifier nowhere.npz is not there"),
    ],
)
def test_wrong_words_are_one_line_and_nothing_is_written(
    words: list[str], message: str, reports: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "labels.csv"
    assert main(["prepare", "reports", str(reports), str(out), "-q", *words]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert "Traceback" not in said
    assert not out.exists()
