import json

import pytest
import torch

import sightline
from sightline.errors import SettingsError
from sightline.training.environment import describe_environment, find_device


def test_the_environment_is_described_in_plain_values() -> None:
    described = describe_environment()
    assert json.loads(json.dumps(described)) == described
    assert described["sightline"] == sightline.__version__
    assert described["threads"] == torch.get_num_threads()


def test_auto_takes_a_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for gpus, device in ((0, "cpu"), (2, "cuda")):
        monkeypatch.setattr(torch.cuda, "device_count", lambda gpus=gpus: gpus)
        assert find_device("auto") == torch.device(device)
    assert find_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(SettingsError, match="device cuda:2 is not there, this machine has 2 GPUs; take device=auto"):
        find_device("cuda:2")


def test_a_device_that_is_none_is_refused() -> None:
    with pytest.raises(SettingsError, match="device must be auto, cpu, cuda or cuda:<number>, got 'gpu'"):
        find_device("gpu")
