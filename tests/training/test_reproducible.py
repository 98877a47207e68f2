import pytest
import torch

from sightline.training.reproducible import reproducible

CPU = torch.device("cpu")


def test_the_seed_decides_what_is_drawn() -> None:
    drawn = []
    for seed in (0, 0, 1):
        with reproducible(seed, CPU):
            drawn.append(torch.rand(4))
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


@pytest.mark.parametrize("warn_only", [True, False])
def test_afterwards_all_is_as_it_was_also_after_an_error(warn_only: bool) -> None:
    before = torch.random.get_rng_state()
    torch.use_deterministic_algorithms(warn_only, warn_only=warn_only)

    def fail() -> None:
        with reproducible(0, CPU):
            assert torch.are_deterministic_algorithms_enabled()
            assert torch.is_deterministic_algorithms_warn_only_enabled()
            torch.rand(1)
            raise KeyboardInterrupt

    try:
        with pytest.raises(KeyboardInterrupt):
            fail()
        assert torch.are_deterministic_algorithms_enabled() == warn_only
        assert torch.is_deterministic_algorithms_warn_only_enabled() == warn_only
    finally:
        torch.use_deterministic_algorithms(False)
    assert torch.equal(torch.random.get_rng_state(), before)
