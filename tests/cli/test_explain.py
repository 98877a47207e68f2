import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightline.cli.main import main


def test_heatmaps_of_chosen_cases_are_drawn(demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["explain", "-q", str(demo / "isnet"), "--number", "3", "--bias", "off", "--out", str(tmp_path), "--json"]
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told) == 3
    for line in told:
        picture = np.asarray(Image.open(line["file"]))
        assert picture.shape == (448, 448, 3)
        assert (picture[..., 0] != picture[..., 2]).any(), "there is colour"
        assert sum(line["probabilities"].values()) == pytest.approx(1)
        assert 0 <= line["relevance_inside"] <= 1


def test_cases_are_chosen_by_name_and_explained_by_label(
    demo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["explain", "-q", str(demo / "plain"), "--out", str(tmp_path), "--label"]
    assert main([*words, "--cases", "p00024"]) == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("p00024")
    assert main([*words, "--cases", "nobody"]) == 2
    assert "no case 'nobody'" in capsys.readouterr().err
