import pytest
import torch
from torch import Tensor

from sightline.attribution import EveryClass, LogOdds, Predicted, Selection, Target
from sightline.attribution.chosen import Chosen
from sightline.errors import SettingsError

LOGITS = torch.tensor([[1.0, 3.0, -2.0], [0.0, -1.0, 4.0]])


def test_the_same_class_is_chosen_again_by_hand() -> None:
    chosen = Predicted().select(LOGITS)  # 1 and 2
    other = LOGITS.flip(1)
    again = Chosen(chosen).select(other)
    assert again.scores.tolist() == [[3, 0]]
    assert again.classes.tolist() == [1, 2]
    copies = Chosen(chosen, torch.tensor([1, 1, 0])).select(torch.arange(9.0).view(3, 3))
    assert copies.scores.tolist() == [[2, 5, 7]]
    assert copies.classes.tolist() == [2, 2, 1]
    assert copies.again(torch.arange(9.0).view(3, 3), torch.tensor([2, 0, 1])).tolist() == [[1, 5, 8]]


@pytest.mark.parametrize("target", [EveryClass(), LogOdds(EveryClass())])
def test_every_class_stays_every_class(target: Target) -> None:
    again = Chosen(target.select(LOGITS), torch.tensor([0, 0])).select(LOGITS)
    assert again.every
    assert again.classes is None
    torch.testing.assert_close(again.scores, target.select(LOGITS).scores)


def test_a_target_that_cannot_choose_again_is_refused() -> None:
    class Sum(Target):
        def select(self, logits: Tensor) -> Selection:
            return Selection(logits.sum(1)[None])

    with pytest.raises(SettingsError, match="'again'"):
        Chosen(Sum().select(LOGITS)).select(LOGITS)
