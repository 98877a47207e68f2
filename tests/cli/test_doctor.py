import importlib.metadata
import json

import pytest

from sightline.cli import doctor
from sightline.cli.doctor import installation
from sightline.cli.main import main


def test_the_installation_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    told = capsys.readouterr().out
    assert "torch" in told
    assert "device" in told
    assert main(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == installation()


def test_every_extra_is_told_of() -> None:
    extras = set(importlib.metadata.metadata("sightline").get_all("Provides-Extra") or [])
    assert installation()["extras"].keys() == extras


def test_what_an_extra_lacks_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    there = {"torch": "2.9"}
    monkeypatch.setattr(doctor, "_version", there.get)
    monkeypatch.setattr(
        importlib.metadata,
        "requires",
        lambda _: ["torch>=2.6", "numpy<3,>=1.26", 'torch[all]>=2; extra == "big"', "zarr>=3.0 ; extra == 'ct'"],
    )
    assert main(["doctor"]) == 1  # numpy is needed
    told = capsys.readouterr().out.splitlines()
    assert "numpy       missing: pip install numpy" in told
    assert "big         installed" in told
    assert "ct          zarr missing: pip install 'sightline[ct]'" in told
