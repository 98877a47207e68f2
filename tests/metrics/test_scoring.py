from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from sightline.errors import SettingsError, ShapeError
from sightline.metrics.scoring import background, evidence, explained, score_changed


def rounds(images: Tensor, times: int) -> Iterator[Tensor]:
    for time in range(times):
        yield images + 10 * time


@pytest.mark.parametrize(("batch_size", "sizes"), [(1, [2] * 5), (5, [4, 4, 2]), (6, [6, 4]), (64, [10])])
def test_rounds_are_scored_together_in_whole_rounds(batch_size: int, sizes: list[int]) -> None:
    images = torch.tensor([1.0, 2.0]).view(2, 1, 1)
    asked = []

    def score(changed: Tensor) -> Tensor:
        asked.append(len(changed))
        return changed.sum((1, 2))

    scores = score_changed(score, rounds(images, 5), batch_size=batch_size)
    assert scores.tolist() == [[1, 2], [11, 12], [21, 22], [31, 32], [41, 42]]
    assert asked == sizes


def test_no_more_rounds_are_made_than_are_scored_at_once() -> None:
    alive, most = [0], [0]

    def made() -> Iterator[Tensor]:
        for _ in range(6):
            alive[0] += 1
            most[0] = max(most[0], alive[0])
            yield torch.zeros(2, 1, 1)

    def score(changed: Tensor) -> Tensor:
        alive[0] = 0
        return changed.sum((1, 2))

    score_changed(score, made(), batch_size=4)
    assert most == [2]


def test_a_score_may_hold_a_class_for_each_image() -> None:
    model, labels = nn.Linear(3, 4).double(), torch.tensor([3, 0])
    images = torch.rand(2, 1, 3, dtype=torch.float64)

    def score(changed: Tensor) -> Tensor:
        assert not torch.is_grad_enabled()
        classes = labels.repeat(len(changed) // len(labels))
        return model(changed.flatten(1)).gather(1, classes[:, None])[:, 0]

    scores = score_changed(score, rounds(images, 3), batch_size=4)
    assert not scores.requires_grad
    for time in range(3):
        torch.testing.assert_close(scores[time], model(images[:, 0] + 10 * time)[[0, 1], [3, 0]].detach())


def test_a_score_may_write_to_what_it_is_given() -> None:
    images = torch.ones(2, 1, 3)
    score_changed(lambda changed: changed.mul_(0).sum((1, 2)), iter([images]), batch_size=2)
    assert images.eq(1).all()


def test_answers_that_do_not_fit_are_refused_in_words() -> None:
    images = torch.ones(2, 1, 3)
    with pytest.raises(ShapeError, match=r"2 x 2 images, \(4,\), got \(2,\); repeat the classes"):
        score_changed(lambda changed: changed[:2].sum((1, 2)), rounds(images, 2), batch_size=4)
    with pytest.raises(ShapeError, match=r"got \(2, 1, 3\)"):
        score_changed(lambda changed: changed, rounds(images, 1), batch_size=4)
    with pytest.raises(SettingsError, match="batch_size must be at least 1, got 0"):
        score_changed(lambda changed: changed.sum((1, 2)), rounds(images, 1), batch_size=0)
    with pytest.raises(ShapeError, match=r"explain must give maps \(2, ...\)"):
        explained(lambda model, given: given[:1], nn.Identity(), images)
    with pytest.raises(ShapeError, match="the same shape each time"):
        explained(lambda model, given: given[:, :, :2], nn.Identity(), images, like=images)


def test_maps_are_read_without_a_graph_and_with_their_channels_summed() -> None:
    images = torch.rand(2, 3, 4, 5, requires_grad=True)
    assert not explained(lambda model, given: 2 * given, nn.Identity(), images).requires_grad
    total = evidence(images, torch.rand(2, 1, 4, 5))
    torch.testing.assert_close(total, images.detach().sum(1))
    with pytest.raises(ShapeError, match="resize the maps to the images"):
        evidence(torch.rand(2, 1, 2, 2), images)
    with pytest.raises(ShapeError, match=r"torch.uint8 \(2, 3, 4, 5\)"):
        evidence(images, images.byte())


def test_a_background_broadcasts_or_is_refused() -> None:
    images = torch.rand(2, 3, 4, 5)
    assert not background(images, None).any()
    assert background(images, torch.arange(3.0).view(3, 1, 1))[:, 2].eq(2).all()
    with pytest.raises(ShapeError, match=r"baseline must broadcast to \(2, 3, 4, 5\), got \(3,\)"):
        background(images, torch.zeros(3))
