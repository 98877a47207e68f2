import subprocess
import sys
from pathlib import Path

import pytest

from sightline import __version__
from sightline.cli import doctor
from sightline.cli.main import VERBS, main
from sightline.cli.settings import recipe_names
from sightline.cli.stopping import StoppedError


def test_help_lists_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert main([]) == 0
    told = capsys.readouterr().out
    assert all(f"  {verb} " in told for verb in VERBS)


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"sightline {__version__}\n"


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trian"], "error: unknown verb 'trian'. Did you mean train?"),
        (["val"], "error: unknown verb 'val'. Did you mean evaluate?"),
        (["fit"], "error: unknown verb 'fit'. Did you mean train?"),
        (["checks"], "error: unknown verb 'checks'. Did you mean doctor?"),
        (["xyzzy"], f"error: unknown verb 'xyzzy'. The verbs are {', '.join(VERBS)}."),
        (["--resume"], "error: unknown option --resume; the verb comes first, as in: sightline train --resume"),
        (["doctor", "--jsn"], "error: unknown option --jsn. Did you mean --json?"),
        (["doctor", "me"], "error: unknown argument me."),
        (["train", "--resme"], "error: unknown option --resme. Did you mean --resume?"),
        (["train", "isnet"], "error: unknown argument isnet; files and recipes are given as -c isnet"),
        (["evaluate"], "error: the following arguments are required: RUN; see sightline evaluate --help"),
        (["compare"], "error: nothing to compare; name recipes or run folders, as in: sightline compare plain isnet"),
        (
            ["recipes", "nothing"],
            f"error: no recipe 'nothing'; the recipes are {', '.join(recipe_names())}, grad-cam-study, voc-cams-study",
        ),
        (["evaluate", "nowhere"], "error: nowhere is not a run folder: it has no config.yaml"),
        (["prepare", "check", "nowhere"], "error: no cohort at nowhere: no such file or folder"),
        (["train", "data.cohort=nowhere"], "error: no cohort at nowhere: no such file or folder"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    told = capsys.readouterr()
    assert told.err == message + "\n"
    assert told.out == ""
    assert list(tmp_path.iterdir()) == [], "nothing half-written"


def test_every_wrong_setting_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "-c", "isnet", "data.bach_size=3", "optim.lr=-1"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: command line: data.bach_size: unknown setting. Did you mean data.batch_size?",
        "error: command line: data.cohort: is required; give it in a file or as data.cohort=VALUE",
        "error: command line: optim.lr: must be positive, got -1.0",
    ]


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (ZeroDivisionError("by\nzero"), 1, "error: ZeroDivisionError: by zero (run again with -v for the traceback)\n"),
        (KeyboardInterrupt(), 130, "stopped\n"),
        (StoppedError("stopped at step 3", exit_code=75), 75, "error: stopped at step 3\n"),
    ],
)
def test_whatever_happens_has_an_exit_code(
    error: BaseException,
    code: int,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(_: object) -> int:
        raise error

    monkeypatch.setattr(doctor, "run", fail)
    assert main(["doctor"]) == code
    assert capsys.readouterr().err == told


def test_the_traceback_comes_with_v(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(_: object) -> int:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(doctor, "run", fail)
    assert main(["doctor", "-v"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = f"{sys.executable} -m sightline.cli.main recipes isnet | head -c 1"
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {command}"], check=False, capture_output=True, text=True)
    assert done.stderr == ""
