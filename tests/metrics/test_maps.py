import numpy as np
import torch

from sightline.metrics.maps import as_tensor, in_kind, share


def test_numbers_are_read_in_single_or_double_precision() -> None:
    assert as_tensor(np.ones(2)).dtype == torch.float64
    assert as_tensor(np.ones(2, np.float32)).dtype == torch.float32
    for low in (torch.float16, torch.bfloat16, torch.int64):
        assert as_tensor(torch.ones(2, dtype=low)).dtype == torch.float32
    assert as_tensor(np.arange(4.0)[::-2]).tolist() == [3, 1]


def test_the_answer_is_of_the_kind_of_the_example() -> None:
    assert isinstance(in_kind(torch.ones(2), np.ones(1)), np.ndarray)
    assert isinstance(in_kind(torch.ones(2), torch.ones(1)), torch.Tensor)


def test_a_share_of_nothing_is_undefined() -> None:
    shares = share(torch.tensor([0.0, 1.0, 1.0, 1.0]), torch.tensor([0.0, 4.0, -1.0, torch.nan]))
    np.testing.assert_equal(shares.numpy(), [np.nan, 0.25, np.nan, np.nan])
