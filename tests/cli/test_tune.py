import json
from pathlib import Path

import pytest

from sightline.cli.main import main
from sightline.comparing import Tuning

TINY = ["epochs=1", "data.batch_size=8", "model.width=4", "model.in_channels=1", "model.name=resnet18"]
TINY += ["data.preprocessing.size=32", "data.preprocessing.channels=1"]


def test_a_strength_is_searched_and_the_search_goes_on(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["tune", "-q", "-c", "isnet-stochastic", f"data.cohort={demo / 'cohort'}", *TINY]
    words += ["--values", "0.2, 0.8", "--tolerance", "1", "--explain", "2", "--out", str(tmp_path / "t")]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert told.splitlines()[0].split() == [
        "guidance.strength",
        "accuracy,",
        "bias",
        "on",
        "off",
        "gap",
        "level",
        "inside",
    ]
    result = json.loads((tmp_path / "t" / "tune.json").read_text())
    chosen = result["chosen"]
    assert f"\n{chosen} *" in told
    assert f"guidance.strength={chosen}; next: sightline evaluate {tmp_path / 't' / chosen}\n" in told
    assert f"another seed: sightline train -c isnet-stochastic data.cohort={demo / 'cohort'} epochs=1 " in told
    assert told.endswith(f"guidance.strength={chosen} seed=1\n")
    weights = tmp_path / "t" / "0.2" / "model.safetensors"
    written = weights.stat().st_mtime_ns
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == result
    assert weights.stat().st_mtime_ns == written


def test_it_is_said_when_the_bias_helps_at_every_value(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Tuning, "is_level", lambda tuning, candidate: False)
    words = ["tune", "-q", "-c", "isnet-stochastic", f"data.cohort={demo / 'cohort'}", *TINY, "--values", "0.2"]
    assert main([*words, "--out", str(tmp_path / "t"), "--explain", "0"]) == 0
    told = capsys.readouterr()
    assert "at none of these values are both scores the same and better than a guess" in told.err
    assert told.out.splitlines()[1].split()[-2] in ("no", "guesses")


def test_any_setting_can_be_varied(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["tune", "-c", "isnet-stochastic", "data.cohort=c", "--print-config"]
    assert main(words) == 0
    parts = capsys.readouterr().out.split("---\n")
    assert [part.split("strength: ")[1].split()[0] for part in parts] == ["0.3", "0.5", "0.7"]
    assert main([*words, "--setting", "guidance.tolerance", "--values", "0.2,0.5"]) == 0
    parts = capsys.readouterr().out.split("---\n")
    assert [part.split("tolerance: ")[1].split()[0] for part in parts] == ["0.2", "0.5"]
    assert [part.split("name: ")[1].split()[0] for part in parts] == ["tolerance-0.2", "tolerance-0.5"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["isnet"], "unknown argument isnet; files and recipes are given as -c isnet"),
        (["--setting", "guidance.margin"], "no values for guidance.margin; name them as in --values 0.3,0.5"),
        (["--values", "0.3,0.3"], "--values holds 0.3 more than once"),
        (["guidance.strength=0.4"], "guidance.strength is what is varied; give its values by --values"),
        (["--values", "0.3,3"], "command line: guidance.strength: must lie in [0, 1], got 3.0"),
    ],
)
def test_a_mistake_is_told_before_anything_is_trained(
    words: list[str], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["tune", "-c", "isnet-stochastic", "data.cohort=c", *words]) == 2
    assert capsys.readouterr().err == f"error: {says}\n"
    assert list(tmp_path.iterdir()) == []
