import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sightline.errors import DataError, ShapeError
from sightline.evaluation.explaining import Explain, Spread, explain_batch, rows_of
from sightline.types import Batch, Explanation

BATCH = Batch(torch.rand(3, 1, 2, 2), torch.tensor([0, 1, 0]), torch.ones(3, 1, 2, 2), ("a", "b", "c"))
NONE = np.zeros(3, dtype=bool)


def answer(maps: Tensor, classes: Tensor | None = None, num_logits: int = 2) -> Explain:
    return lambda model, images, target: Explanation(torch.zeros(len(images), num_logits), maps, classes)


def test_spread_gives_each_class_its_share_in_the_order_they_come() -> None:
    spread = Spread(5, 3)  # 2, 2, 1
    assert spread.take(np.array([0, 0, 0, 2])).tolist() == [True, True, False, True]
    assert spread.take(np.array([2, 1, 0, 1, 1])).tolist() == [False, True, False, True, False]
    assert Spread(None, 3).take(np.array([0, 0])).all()
    assert not Spread(0, 3).take(np.array([0, 1, 2])).any()


def test_part_of_a_batch_keeps_its_rows_together() -> None:
    part = rows_of(BATCH, np.array([True, False, True]))
    assert part.cases == ("a", "c")
    assert torch.equal(part.images, BATCH.images[[0, 2]])
    assert part.labels.tolist() == [0, 0]
    assert len(part.regions) == 2


def test_share_is_measured_in_the_region_of_the_class_explained() -> None:
    regions = torch.zeros(3, 2, 2, 2)
    regions[:, 1] = 1
    batch = Batch(BATCH.images, BATCH.labels, regions, BATCH.cases)
    explainer = answer(torch.ones(3, 1, 2, 2), torch.tensor([0, 1, 1]))
    measured = explain_batch(explainer, None, nn.Identity(), batch, keep=NONE)
    assert measured.relevance_inside.tolist() == [0, 1, 1]
    assert measured.explained.tolist() == [0, 1, 1]
    single = answer(torch.ones(3, 1, 2, 2), torch.tensor([0, 0, 0]), num_logits=1)
    measured = explain_batch(single, None, nn.Identity(), batch, keep=NONE)
    assert measured.explained.tolist() == [1, 1, 1]
    with pytest.raises(ShapeError, match="one class an image"):
        explain_batch(answer(torch.ones(3, 1, 2, 2)), None, nn.Identity(), batch, keep=NONE)


def test_coarse_maps_are_brought_to_the_size_of_the_images() -> None:
    batch = Batch(torch.rand(1, 1, 4, 4), torch.tensor([0]), torch.ones(1, 1, 4, 4), ("a",))
    batch.regions[..., 2:] = 0
    maps = torch.tensor([[1.0, 0.0]]).view(1, 1, 1, 2)
    measured = explain_batch(answer(maps), None, nn.Identity(), batch, keep=np.array([True]))
    assert measured.maps["a"].attribution.shape == (4, 4)
    assert measured.relevance_inside[0] == pytest.approx(1.75 / 2)  # columns 1, .75, .25, 0


def test_maps_kept_hold_what_the_report_draws() -> None:
    images = BATCH.images.repeat(1, 3, 1, 1)
    batch = Batch(images, BATCH.labels, torch.full((3, 1, 2, 2), float("nan")), BATCH.cases)
    maps = torch.randn(3, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    keep = np.array([False, True, False])
    measured = explain_batch(answer(maps, torch.tensor([0, 1, 0])), None, nn.Identity(), batch, keep=keep)
    assert list(measured.maps) == ["b"]
    kept = measured.maps["b"]
    assert kept.image.shape == (1, 2, 2)
    assert kept.attribution == pytest.approx(maps[1].sum(0).numpy())
    assert np.isnan(kept.region).all()
    assert kept.explained == 1
    assert np.isnan(measured.relevance_inside).all()


def test_maps_of_every_class_and_maps_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ShapeError, match=r"one map an image, \(N, C, \*S\), got \(3, 2, 1, 2, 2\)"):
        explain_batch(answer(torch.ones(3, 2, 1, 2, 2)), None, nn.Identity(), BATCH, keep=NONE)
    broken = torch.ones(3, 1, 2, 2)
    broken[1, 0, 0, 0] = float("inf")
    with pytest.raises(DataError, match="explanation of case b is not finite"):
        explain_batch(answer(broken), None, nn.Identity(), BATCH, keep=NONE)
