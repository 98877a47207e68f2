import importlib.util
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sightline.cli.main import main

httpx = pytest.importorskip("httpx")
for name in ("fastapi", "uvicorn", "python_multipart"):
    pytest.importorskip(name)


@contextmanager
def serving(*words: object) -> Iterator[tuple[dict[str, Any], subprocess.Popen[str]]]:
    """The verb in a process of its own: what it says when it begins, and the process."""
    command = [sys.executable, "-m", "sightline.cli.main", "serve", *map(str, words), "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines = []
            while line := process.stdout.readline():
                lines.append(line)
                if line == "}\n":
                    break
            assert lines, process.communicate()[1]
            yield json.loads("".join(lines)), process
        finally:
            if process.poll() is None:
                process.kill()


def test_a_run_is_served_until_it_is_stopped(demo: Path, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 32)).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "scan.png")
    assert main(["explain", "-q", str(demo / "isnet"), str(tmp_path / "scan.png"), "--out", str(tmp_path / "m")]) == 0
    expected = json.loads((tmp_path / "m" / "scan" / "maps.json").read_text())["probabilities"]
    with serving(demo / "isnet", "--workers", 1) as (told, process):
        assert told["run"] == "isnet"
        assert told["token"] is None
        assert told["url"].startswith("http://127.0.0.1:")
        file = {"file": ("scan.png", (tmp_path / "scan.png").read_bytes(), "image/png")}
        (answer,) = httpx.post(told["url"] + "/predict", files=file, timeout=120).json()["predictions"]
        assert answer["name"] == "scan.png"
        np.testing.assert_allclose(list(answer["probabilities"].values()), list(expected.values()), rtol=1e-4)
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert rest == ""
    assert "Traceback" not in errors


def test_elsewhere_a_token_is_made_up_and_told(demo: Path) -> None:
    with serving(demo / "plain", "--host", "0.0.0.0", "--workers", 1) as (told, process):
        assert len(told["token"]) >= 32
        here = told["url"].replace("0.0.0.0", "127.0.0.1")
        assert httpx.get(here + "/model", timeout=120).status_code == 401
        token = {"authorization": f"Bearer {told['token']}"}
        assert httpx.get(here + "/model", headers=token, timeout=120).json()["name"] == "plain"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=120)
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "nowhere is not a run folder"),
        (["RUN", "--port", "99999"], "port must be in 0 to 65535, got 99999"),
        (["RUN", "--queue", "0"], "queue must be at least 1, got 0"),
        (["RUN", "--timeout", "nan"], "time limits must be above 0 s"),
        (["RUN", "--methods", "gradcam"], "unknown method 'gradcam'. Did you mean grad_cam?"),
        (["RUN", "--token", "a word"], "--token must be letters, digits and signs of ASCII"),
        (["RUN", "--prot", "1"], "unknown option --prot. Did you mean --port?"),
    ],
)
def test_a_mistake_is_one_line(demo: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", *(str(demo / "plain") if word == "RUN" else word for word in words)]) == 2
    told = capsys.readouterr()
    assert told.err.startswith("error: ")
    assert message in told.err
    assert told.err.count("\n") == 1


def test_what_to_install_is_said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "uvicorn" else find(name))
    assert main(["serve", "runs/any"]) == 2
    told = "error: serving needs the extra 'serve' (uvicorn not found): pip install 'sightline[serve]'\n"
    assert capsys.readouterr().err == told
