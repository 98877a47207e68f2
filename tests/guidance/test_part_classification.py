import pytest
import torch
from torch import nn

from sightline.errors import SettingsError
from sightline.guidance import PartClassification, PartClassificationSettings, Unguided, make_guidance
from sightline.models.dual_encoder import DualEncoder

LABELS = torch.tensor([0, 1])


def test_a_part_classifies_and_the_rest_does_not_run() -> None:
    model = DualEncoder(2, (1, 1, 1, 1), width=4)
    model.encoder.register_forward_pre_hook(lambda *_: pytest.fail("it ran"))
    images = torch.rand(2, 3, 32, 32)
    guided = PartClassification(part="densenet")(model, images, LABELS, torch.ones(2, 1, 32, 32))
    torch.testing.assert_close(guided.logits, model.densenet(images))
    torch.testing.assert_close(guided.loss, nn.functional.cross_entropy(guided.logits, LABELS))
    guided.loss.backward()
    assert all((p.grad is not None) == n.startswith("densenet.") for n, p in model.named_parameters())
    assert guided.parts == {"classification": guided.loss}
    assert not guided.parts["classification"].requires_grad


def test_the_whole_model_is_a_part_too() -> None:
    model, images = nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), torch.rand(2, 1, 2, 2)
    labels, regions = torch.tensor([[1.0, float("nan")], [0.0, 1.0]]), torch.ones(2, 1, 2, 2)
    expected = Unguided()(model, images, labels, regions)
    torch.testing.assert_close(PartClassification()(model, images, labels, regions).loss, expected.loss)


def test_a_part_that_is_not_there_is_refused() -> None:
    guide = make_guidance(PartClassificationSettings(part="dense"))
    with pytest.raises(SettingsError, match=r"^part must name a part of DualEncoder.*did you mean 'densenet'\?$"):
        guide(DualEncoder(2, (1, 1, 1, 1), width=4), torch.zeros(2, 3, 32, 32), LABELS, torch.ones(2, 1, 32, 32))
