import json
import re
import shutil
from pathlib import Path

import pytest

from sightline.cli.main import main


def copy_of(demo: Path, name: str, tmp_path: Path) -> Path:
    """A run that may be changed; its cohort is the demo's."""
    return Path(shutil.copytree(demo / name, tmp_path / name, ignore=shutil.ignore_patterns("checkpoints")))


def test_a_report_is_written_about_any_runs(demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "page.html"
    assert main(["report", str(demo / "isnet"), "--out", str(out), "--title", "Only the guided one"]) == 0
    assert str(out) in capsys.readouterr().out
    page = out.read_text(encoding="utf-8")
    assert "Only the guided one" in page
    assert "not a medical device" in page


def test_maps_of_each_class_by_several_methods_are_drawn(demo: Path, tmp_path: Path) -> None:
    runs = [str(demo / "plain"), str(demo / "isnet")]
    assert main(["report", "-q", *runs, "--out", str(tmp_path / "drawn.html"), "--cases", "4"]) == 0
    page = (tmp_path / "drawn.html").read_text(encoding="utf-8")
    found = set(re.findall(r'class="map" data-class="(\w+)" data-method="([\w-]+)"', page))
    assert found == {(of, by) for of in ("normal", "pneumonia", "effusion") for by in ("LRP", "Grad-CAM")}
    cases = re.findall(r'<article class="case" data-place="(\d+)" data-given="(\w+)"', page)
    assert sorted(int(place) for place, _ in cases) == list(range(len(cases)))
    assert sum(given == "true" for _, given in cases) == 4  # two cases, with and without their bias
    assert 0 < sum(given == "false" for _, given in cases) <= 2


def test_a_method_can_be_named(demo: Path, tmp_path: Path) -> None:
    words = ["--out", str(tmp_path / "page.html"), "--cases", "2", "--method", "saliency"]
    assert main(["report", "-q", str(demo / "plain"), *words]) == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert set(re.findall(r'data-method="([\w-]+)"', page)) == {"Saliency"}


def test_kept_maps_are_shown_on_wish_and_where_none_can_be_drawn(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = copy_of(demo, "plain", tmp_path)
    assert main(["report", "-q", str(run), "--kept"]) == 0
    page = (run / "report.html").read_text(encoding="utf-8")
    assert len(re.findall('class="map"', page)) == len(re.findall('class="case"', page)) > 0
    (run / "model.safetensors").unlink()
    assert main(["report", "-q", str(run), "--out", str(tmp_path / "again.html")]) == 0
    assert "the gallery shows the maps that evaluate kept" in capsys.readouterr().err
    again = (tmp_path / "again.html").read_text(encoding="utf-8")
    assert again.count('class="map"') == page.count('class="map"')


def test_cards_stand_beside_the_page(demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = tmp_path / "one"
    assert main(["report", "-q", str(demo / "plain"), "--kept", "--json", "--out", str(one / "report.html")]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["cards"] == [(one / name).as_posix() for name in ("model_card.md", "data_sheet.md")]
    card = (one / "model_card.md").read_text(encoding="utf-8")
    page = (one / "report.html").read_text(encoding="utf-8")
    for text in ("Model card: plain", "resnet18 (width 4)", "Guided by", "18 images of 18 patients", "random weights"):
        assert text in card
        assert text in page
    assert "- **Licence of the weights:** unknown" in card
    sheet = (one / "data_sheet.md").read_text(encoding="utf-8")
    assert "| train | 18 | 18 | 6 | 6 | 6 |" in sheet
    assert "- **Consent and ethics:** unknown" in sheet


def test_options_that_do_not_go_together_are_refused(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(demo / "plain"), "--kept", "--method", "lrp"]) == 2
    assert "--kept shows the maps that are there" in capsys.readouterr().err
    assert main(["report", str(demo / "plain"), "--cases", "0"]) == 2
    assert "--cases must be at least 1, got 0" in capsys.readouterr().err


def test_organ_iou_and_saliency_are_shown_where_they_were_measured(demo: Path, tmp_path: Path) -> None:
    run = copy_of(demo, "plain", tmp_path)
    score = {"value": 0.123, "low": 0.05, "high": 0.2, "n": 7}
    organs = {"scores": {"overall": score, "per_group": {"focal": score}, "per_label": {"nodule": score | {"n": 3}}}}
    gaze = {"cases": 9, "metrics": {"kl": score | {"value": None}, "cc": score | {"value": 0.456}}}
    (run / "evaluation" / "test" / "organ_iou.json").write_text(json.dumps(organs))
    (run / "evaluation" / "test" / "saliency.json").write_text(json.dumps(gaze))
    assert main(["report", "-q", str(run), "--kept"]) == 0
    page = (run / "report.html").read_text(encoding="utf-8")
    for text in ("OrganIoU, HiResCAM", ">focal<", ">nodule<", "Drawn maps and gaze", 'data-value="0.123"', "0.46"):
        assert text in page
    assert "OrganIoU, Grad-CAM" not in page
    (run / "evaluation" / "test" / "saliency.json").write_text("{")
    assert main(["report", "-q", str(run), "--kept"]) == 2


def test_runs_without_tests_are_told_what_to_do(demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.yaml").write_bytes((demo / "plain" / "config.yaml").read_bytes())
    assert main(["report", str(run)]) == 2
    assert "run sightline evaluate first" in capsys.readouterr().err


def test_the_folder_of_a_comparison_brings_its_pairs_and_costs(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs, folder = [str(copy_of(demo, name, tmp_path)) for name in ("plain", "isnet")], tmp_path / "c"
    assert main(["compare", "-q", *runs, "--split", "test", "--split", "ood", "--cost", "--out", str(folder)]) == 0
    assert f"next: sightline report {folder} {runs[0]} {runs[1]}" in capsys.readouterr().out
    assert main(["report", "-q", str(folder)]) == 2
    assert "holds a comparison of runs that lie elsewhere; name them too" in capsys.readouterr().err
    assert main(["report", "-q", str(folder), *runs, "--kept"]) == 0
    page = (folder / "report.html").read_text(encoding="utf-8")
    told = json.loads((folder / "comparison.json").read_text())
    titles = re.findall(r"(?:<h3>|<summary>)([\w -]+) on (\w+), bias (\w+): (\d+) of 1 told apart<", page)
    assert len(titles) == sum(map(len, told["pairs"].values()))
    assert titles[0][:3] == ("macro-F1", "ood", "on")
    for tests in told["pairs"].values():
        for test in tests:
            assert f'data-value="{test["value"]}"' in page
            assert f'data-value="{test["p_holm"]}"' in page
    assert "Chart of macro-F1 on ood, bias on by the cost of a training step" in page
    assert f'data-value="{told["costs"]["isnet"]["ratio"]}"' in page
    assert main(["report", "-q", *runs, "--kept", "--out", str(tmp_path / "bare.html")]) == 0
    assert 'id="pairs"' not in (tmp_path / "bare.html").read_text(encoding="utf-8")


def test_a_comparison_of_other_evaluations_is_left_out(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = copy_of(demo, "plain", tmp_path)
    told = json.loads((demo / "comparison.json").read_text())
    told["recipes"]["plain"]["test"]["metrics"]["accuracy"]["value"] = -1.0
    (tmp_path / "comparison.json").write_text(json.dumps(told))
    assert main(["report", "-q", str(tmp_path), "--kept"]) == 0
    assert "plain was evaluated again since; compare again" in capsys.readouterr().err
    (run / "config.yaml").write_text((run / "config.yaml").read_text().replace("name: plain", "name: other"))
    assert main(["report", "-q", str(tmp_path), "--kept"]) == 0
    assert "it is of other runs; compare again" in capsys.readouterr().err
    (tmp_path / "comparison.json").write_text("{")
    assert main(["report", "-q", str(tmp_path), "--kept"]) == 0
    assert "pairs and costs are left out" in capsys.readouterr().err
    assert 'id="pairs"' not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_runs_of_one_name_are_called_by_their_folders(demo: Path, tmp_path: Path) -> None:
    again = copy_of(demo, "plain", tmp_path / "again")
    assert main(["report", "-q", str(demo / "plain"), str(again), "--kept", "--out", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert f"<h1>{demo.name}/plain and again/plain</h1>" in page
    assert (tmp_path / "model_card-again-plain.md").is_file()
