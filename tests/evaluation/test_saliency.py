import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sightline.errors import DataError, DataNotFoundError, SettingsError, ShapeError
from sightline.evaluation.saliency import MEASURES, evaluate_saliency, read_saliency
from sightline.metrics import Resampling
from sightline.types import Answer, Batch

NAN = float("nan")
FEW = Resampling(resamples=50)
Make = Callable[..., list[Batch]]


class Drawing(nn.Module):
    """Draws the image itself as a map of logits, times a weight, and drops half of it in training."""

    def __init__(self, maps: int = 1) -> None:
        super().__init__()
        self.scale, self.drop, self.maps = nn.Parameter(torch.ones(())), nn.Dropout(0.5), maps

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1)[:, :2]

    def answer(self, images: Tensor) -> Answer:
        drawn = self.scale * self.drop(images)
        return Answer(self(images), torch.cat([0 * drawn] * (self.maps - 1) + [drawn], 1))


@pytest.fixture
def cases(batches_of: Make) -> list[Batch]:
    """Five images of 2 x 2 pixels; the gaze of the third is not known, on the fourth nobody looked."""
    images = torch.rand(5, 1, 2, 2, generator=torch.Generator().manual_seed(0))
    regions = torch.tensor([1.0, 1, 0, 0]).reshape(1, 1, 2, 2).repeat(5, 1, 1, 1)
    regions[2], regions[3] = NAN, 0
    images[0] = torch.log(torch.tensor([2.0, 4, 1, 1])).reshape(1, 2, 2)
    return batches_of(images, torch.zeros(5, dtype=torch.int64), regions, size=2)


def test_measures_by_hand_and_unknown_gaze(cases: list[Batch]) -> None:
    model, told = Drawing().train(), []
    found = evaluate_saliency(model, cases, progress=lambda *step: told.append(step))
    # p = 1/4 1/2 1/8 1/8, q = 1/2 1/2 0 0
    assert found.values["kl"][0] == pytest.approx(0.5 * np.log(2))
    assert found.values["hs"][0] == pytest.approx(0.75)
    assert found.values["cc"][0] == pytest.approx(0.125 / (0.25 * 3 / 32) ** 0.5)
    assert found.cases == found.patients == tuple(f"case-{i}" for i in range(5))
    for name in MEASURES:
        assert np.isnan(found.values[name]).tolist() == [False, False, True, True, False]
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert model.drop.training  # and nothing was dropped above


def test_two_maps_are_read_as_one_and_maps_of_another_size_bring_the_gaze_to_theirs(cases: list[Batch]) -> None:
    expected = evaluate_saliency(Drawing(), cases).values
    two = evaluate_saliency(Drawing(maps=2), cases).values
    large = [
        Batch(b.images, b.labels, b.regions.repeat_interleave(3, 2).repeat_interleave(3, 3), b.cases) for b in cases
    ]
    resized = evaluate_saliency(Drawing(), large).values
    for name in MEASURES:
        np.testing.assert_allclose(two[name], expected[name])
        np.testing.assert_allclose(resized[name], expected[name])


def test_means_rest_on_the_cases_with_gaze(cases: list[Batch]) -> None:
    patients = {f"case-{i}": "ABBAC"[i] for i in range(5)}
    found = evaluate_saliency(Drawing(), cases, patients=patients)
    mean = found.means(resampling=FEW)["kl"]
    known = found.values["kl"][[0, 1, 4]]
    assert mean.value == pytest.approx(known.mean())
    assert (mean.n, mean.n_patients) == (3, 3)
    assert mean.low <= mean.value <= mean.high
    assert found.spreads()["kl"] == pytest.approx(known.std(ddof=1))
    assert np.isnan(found.take([0, 2]).spreads()["kl"])


def test_what_is_written_is_read_back(cases: list[Batch], tmp_path: Path) -> None:
    found = evaluate_saliency(Drawing(), cases)
    found.write(tmp_path, resampling=FEW)
    again = read_saliency(tmp_path)
    assert (again.cases, again.patients) == (found.cases, found.patients)
    for name in MEASURES:
        np.testing.assert_array_equal(again.values[name], found.values[name])
    written = json.loads((tmp_path / "saliency.json").read_text())
    assert (written["cases"], written["patients"]) == (5, 5)
    assert written["metrics"]["cc"]["value"] == pytest.approx(found.means(resampling=FEW)["cc"].value)
    assert written["metrics"]["cc"]["sd"] == pytest.approx(found.spreads()["cc"])
    assert written["metrics"]["cc"]["n"] == 3


def test_files_that_are_missing_or_damaged_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"holds no saliency.csv"):
        read_saliency(tmp_path)
    (tmp_path / "saliency.csv").write_text("case,patient\na,b\n")
    with pytest.raises(DataError, match=r"is not a table of saliency"):
        read_saliency(tmp_path)


def test_models_and_cases_that_do_not_fit_are_refused(cases: list[Batch]) -> None:
    with pytest.raises(SettingsError, match=r"must draw maps, by answer\(images\); Linear has none"):
        evaluate_saliency(nn.Linear(2, 2), cases)
    with pytest.raises(ShapeError, match=r"maps must be \(N, 1, \*S\) or \(N, 2, \*S\), got \(2, 3, 2, 2\)"):
        evaluate_saliency(Drawing(maps=3), cases)
    several = [Batch(b.images, b.labels, b.regions.expand(-1, 2, -1, -1), b.cases) for b in cases]
    with pytest.raises(ShapeError, match=r"regions must be \(2, 1, \*S\), one an image, got \(2, 2, 2, 2\)"):
        evaluate_saliency(Drawing(), several)
    with pytest.raises(DataError, match="no case to evaluate"):
        evaluate_saliency(Drawing(), [])
    with pytest.raises(DataError, match="case case-1 has no patient"):
        evaluate_saliency(Drawing(), cases, patients={"case-0": "A"})
