import pytest
import torch
from torch import nn

from sightline.guidance.second_pass import buffers_held


def test_running_statistics_stay_and_are_the_same_tensors_also_after_an_error() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))
    before = dict(model.named_buffers())
    values = {name: buffer.clone() for name, buffer in before.items()}
    images = torch.rand(3, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    first = model[1](model[0](images))
    for name, buffer in before.items():
        buffer.copy_(values[name])
    with buffers_held(model):
        torch.testing.assert_close(model(images), first)
    with pytest.raises(RuntimeError), buffers_held(model):
        model(torch.rand(3, 2, 4, 4))
    after = dict(model.named_buffers())
    assert all(after[name] is before[name] for name in before)
    assert all(torch.equal(after[name], values[name]) for name in values)
    model(images)
    assert int(model[1].num_batches_tracked) == 1
