"""What a map keeps until the loss on it is differentiated, beside what the forward pass keeps anyway."""

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from sightline.attribution import LRP, Label
from sightline.models import ModelSettings, build_model


class Kept:
    """Counts the bytes behind all tensors that autograd saves, but for the weights, each storage once."""

    def __init__(self, model: nn.Module) -> None:
        self._weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}
        self._storages: dict[int, Tensor] = {}

    def pack(self, tensor: Tensor) -> Tensor:
        if tensor.untyped_storage().data_ptr() not in self._weights:
            self._storages.setdefault(tensor.untyped_storage().data_ptr(), tensor)
        return tensor

    @property
    def bytes(self) -> int:
        return sum(tensor.untyped_storage().nbytes() for tensor in self._storages.values())


@pytest.mark.parametrize(("name", "times"), [("densenet121", 1.8), ("resnet50", 2.1)])
def test_a_map_keeps_about_as_much_as_the_forward_pass_does(name: str, times: float) -> None:
    model = build_model(ModelSettings(name=name), num_classes=3, seed=0).train()
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    plain, explained = Kept(model), Kept(model)
    with saved_tensors_hooks(plain.pack, lambda kept: kept):
        logits = model(images)
    with saved_tensors_hooks(explained.pack, lambda kept: kept):
        found = LRP()(model, images, Label(torch.tensor([0, 2])))
    assert logits.requires_grad
    assert found.attribution.requires_grad
    assert explained.bytes <= times * plain.bytes, f"{explained.bytes / plain.bytes:.2f} times as much"
