from pathlib import Path

import pytest
import torch
from torch import nn

from sightline.errors import RunError
from sightline.training.checkpoint import Progress, load_checkpoint, save_checkpoint

CPU = torch.device("cpu")


def test_everything_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "last.pt"
    model, other = nn.Linear(2, 3), nn.Linear(2, 3)
    with torch.random.fork_rng(devices=[]):
        save_checkpoint(path, {"model": model.state_dict()}, Progress(step=7, best=0.25, lines=9), CPU)
        drawn = torch.rand(3)
        assert load_checkpoint(path, {"model": other}, CPU) == Progress(step=7, best=0.25, lines=9)
        assert torch.equal(torch.rand(3), drawn)
    assert torch.equal(other.weight, model.weight)


@pytest.mark.parametrize("content", [b"", b"text", None])
def test_what_is_no_checkpoint_of_this_model_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path, other = tmp_path / "last.pt", nn.Linear(4, 3)
    if content is None:
        save_checkpoint(path, {"model": nn.Linear(2, 3).state_dict()}, Progress(), CPU)
    else:
        path.write_bytes(content)
    before = torch.random.get_rng_state()
    with pytest.raises(RunError, match=r"^checkpoint last\.pt cannot be loaded \(.*\); begin anew in another folder$"):
        load_checkpoint(path, {"model": other}, CPU)
    assert torch.equal(torch.random.get_rng_state(), before)
