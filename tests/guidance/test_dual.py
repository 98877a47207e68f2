import pytest
import torch
from torch import nn

from sightline.guidance.dual import AllLogits, positive_lrp

LOGITS = torch.tensor([[1.0, -2.0, 4.0], [0.5, 0.5, -1.0]])


@pytest.mark.parametrize(("magnitude", "expected"), [(False, [3.0, 0.0]), (True, [7.0, 2.0])])
def test_all_logits_are_added_up(magnitude: bool, expected: list[float]) -> None:
    target = AllLogits(magnitude=magnitude)
    selection = target.select(LOGITS)
    torch.testing.assert_close(selection.scores, torch.tensor([expected]))
    assert selection.classes is None
    assert not selection.every
    assert selection.again is not None
    torch.testing.assert_close(selection.again(LOGITS.flip(0), torch.tensor([1, 0])), torch.tensor([expected[::-1]]))


def test_positive_relevance_has_one_sign_and_sums_to_the_magnitudes() -> None:
    """x = (1, 2), y_1 = 3 x_1 - x_2 = 1, y_2 = -5 x_1 + x_2 = -3: 1 goes to x_1 and 3 to x_2."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False)).double()
    with torch.no_grad():
        net[1].weight.copy_(torch.tensor([[3.0, -1.0], [-5.0, 1.0]]))
    images = torch.tensor([1.0, 2.0], dtype=torch.float64).reshape(1, 1, 1, 2)
    explained = positive_lrp(epsilon=0.0, input_rule=None)(net, images, AllLogits(magnitude=True))
    torch.testing.assert_close(explained.attribution.flatten(), torch.tensor([1.0, 3.0], dtype=torch.float64))
