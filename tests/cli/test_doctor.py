import json

import pytest

from sightline.cli.doctor import installation
from sightline.cli.main import main


def test_the_installation_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    told = capsys.readouterr().out
    assert "torch" in told
    assert "device" in told
    assert main(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == installation()
