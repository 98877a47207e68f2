import copy
import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import spearmanr
from torch import Tensor, nn

from sightline.errors import SettingsError, ShapeError, SightlineError
from sightline.metrics.randomisation import (
    Randomisation,
    cascading_randomisation,
    independent_randomisation,
    map_similarity,
    randomised,
    shuffled_labels,
)

BOTH = pytest.mark.parametrize("check", [cascading_randomisation, independent_randomisation])
Check = Callable[..., Randomisation]


class Net(nn.Module):
    """Layers that are made in another order than they are used in, one of them never."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(3, 2)
        self.never = nn.Linear(3, 2)
        self.norm = nn.BatchNorm2d(3)
        self.first = nn.Conv2d(1, 3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.norm(self.first(x))).mean((2, 3)))


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def net() -> nn.Module:
    made = Net().double()
    for tensor in (made.norm.running_mean, made.norm.running_var, made.norm.weight.data, made.norm.bias.data):
        tensor.uniform_(0.5, 1.5)
    return made


@pytest.fixture
def images() -> Tensor:
    return torch.rand(3, 1, 5, 5, dtype=torch.float64)


def gradient(model: nn.Module, images: Tensor) -> Tensor:
    leaf = images.detach().requires_grad_()
    return torch.autograd.grad(model(leaf)[:, 0].sum(), leaf)[0]


class Watch:
    """Explains by the gradient and keeps the weights of the model it was given."""

    def __init__(self) -> None:
        self.states: list[dict[str, Tensor]] = []

    def __call__(self, model: nn.Module, images: Tensor) -> Tensor:
        assert not any(module.training for module in model.modules())
        self.states.append(copy.deepcopy(model.state_dict()))
        return gradient(model, images)

    def changed(self) -> list[set[str]]:
        """Parts whose weights differ from the first, at each stage."""
        first = self.states[0]
        return [
            {name.rpartition(".")[0] for name in first if not torch.equal(first[name], state[name])}
            for state in self.states[1:]
        ]


def test_cascade_runs_from_the_output_to_the_input_in_the_order_of_use(net: nn.Module, images: Tensor) -> None:
    watch = Watch()
    result = cascading_randomisation(watch, net, images)
    assert result.layers == ("head", "norm", "first")
    assert result.similarity.shape == (3, 3)
    assert watch.changed() == [{"head"}, {"head", "norm"}, {"head", "norm", "first"}]


def test_shares_of_the_cascade_are_its_stages_and_no_other_map_is_drawn(net: nn.Module, images: Tensor) -> None:
    whole = cascading_randomisation(gradient, net, images, seed=3)
    drawn = 0

    def counting(model: nn.Module, images: Tensor) -> Tensor:
        nonlocal drawn
        drawn += 1
        return gradient(model, images)

    some = cascading_randomisation(counting, net, images, seed=3, shares=(0.5, 1.0))
    stages = [-(-len(whole.layers) // 2) - 1, len(whole.layers) - 1]
    assert some.layers == tuple(whole.layers[stage] for stage in stages)
    assert torch.equal(some.similarity, whole.similarity[stages])
    assert drawn == 3
    for shares in ((), (0.0, 1.0), (0.5, 0.5), (0.5, 1.1)):
        with pytest.raises(SettingsError, match="must rise from over 0 to at most 1"):
            cascading_randomisation(gradient, net, images, shares=shares)


@pytest.mark.parametrize("cascading", [True, False])
def test_the_randomised_copies_are_those_that_the_checks_explain(
    cascading: bool, net: nn.Module, images: Tensor
) -> None:
    watch = Watch()
    (cascading_randomisation if cascading else independent_randomisation)(watch, net, images, seed=5)
    stages = randomised(net, images, seed=5, cascading=cascading)
    found = [(name, copy.deepcopy(changed.state_dict())) for name, changed in stages]
    assert [name for name, _ in found] == ["", "head", "norm", "first"]
    for (_, state), expected in zip(found, watch.states, strict=True):
        assert all(torch.equal(state[name], expected[name]) for name in expected)
    assert torch.equal(found[0][1]["head.weight"], net.state_dict()["head.weight"])


def test_independent_randomisation_gives_the_other_layers_back(net: nn.Module, images: Tensor) -> None:
    watch = Watch()
    result = independent_randomisation(watch, net, images)
    assert result.layers == ("head", "norm", "first")
    assert watch.changed() == [{"head"}, {"norm"}, {"first"}]
    first = cascading_randomisation(gradient, net, images)
    assert torch.equal(result.similarity[0], first.similarity[0])


def test_weights_change_places_and_statistics_are_reset(net: nn.Module, images: Tensor) -> None:
    watch = Watch()
    cascading_randomisation(watch, net, images)
    before, after = watch.states[0], watch.states[-1]
    for name in ("head.weight", "norm.weight", "norm.bias", "first.weight", "first.bias"):
        assert torch.equal(before[name].flatten().sort().values, after[name].flatten().sort().values)
        assert not torch.equal(before[name], after[name])
    assert after["norm.running_mean"].eq(0).all()
    assert after["norm.running_var"].eq(1).all()
    assert torch.equal(before["never.weight"], after["never.weight"])


def test_similarity_is_the_rank_correlation_with_the_map_of_the_trained_model(net: nn.Module, images: Tensor) -> None:
    maps = []

    def explain(model: nn.Module, given: Tensor) -> Tensor:
        maps.append(gradient(model, given))
        return maps[-1]

    result = cascading_randomisation(explain, net, images)
    for stage, row in enumerate(result.similarity, 1):
        for index, value in enumerate(row):
            expected = spearmanr(maps[0][index].abs().flatten(), maps[stage][index].abs().flatten()).statistic
            assert value.item() == pytest.approx(expected)


@BOTH
def test_a_map_of_the_image_alone_does_not_change_and_an_empty_one_says_nothing(
    check: Check, net: nn.Module, images: Tensor
) -> None:
    same = check(lambda model, given: given, net, images)
    torch.testing.assert_close(same.similarity, torch.ones_like(same.similarity))
    empty = check(lambda model, given: given * torch.tensor([0.0, 1, 1]).view(3, 1, 1, 1), net, images)
    assert empty.similarity.isnan().all(0).tolist() == [True, False, False]


def test_a_map_of_weights_that_were_permuted_is_unrelated(images: Tensor) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(5000, 1, bias=False))
    many = torch.rand(2, 1, 50, 100)
    result = cascading_randomisation(gradient, model, many)
    assert result.layers == ("1",)
    assert result.similarity.abs().max() < 5 / 5000**0.5
    assert torch.equal(result.similarity[:, 0], result.similarity[:, 1])


@BOTH
@pytest.mark.parametrize("fails", [False, True])
def test_model_and_global_random_state_are_untouched(check: Check, net: nn.Module, images: Tensor, fails: bool) -> None:
    net.train()
    net.first.eval()
    weights, modes = copy.deepcopy(net.state_dict()), [module.training for module in net.modules()]
    pixels, state, asked = images.clone(), torch.random.get_rng_state(), itertools.count()

    def explain(model: nn.Module, given: Tensor) -> Tensor:
        if fails and next(asked) == 2:
            raise RuntimeError("broken")
        return gradient(model, given)

    if fails:
        with pytest.raises(RuntimeError, match="broken"):
            check(explain, net, images)
    else:
        check(explain, net, images)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in net.state_dict().items())
    assert [module.training for module in net.modules()] == modes
    assert all(parameter.grad is None for parameter in net.parameters())
    assert torch.equal(images, pixels)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch._C._len_torch_function_stack() == 0


@BOTH
def test_the_seed_makes_the_result(check: Check, net: nn.Module, images: Tensor) -> None:
    first = check(gradient, net, images, seed=4)
    assert torch.equal(check(gradient, net, images, seed=4).similarity, first.similarity)
    assert not torch.equal(check(gradient, net, images, seed=5).similarity, first.similarity)
    alone = check(gradient, net, images[1:2], seed=4)
    torch.testing.assert_close(alone.similarity, first.similarity[:, 1:2])


class Shared(nn.Module):
    """A layer used before and after another, one used by its weight alone, and weights of the model's own."""

    def __init__(self) -> None:
        super().__init__()
        self.own = nn.Parameter(torch.rand(25))
        self.twice, self.between, self.weight_alone = nn.Linear(25, 25), nn.Linear(25, 25), nn.Linear(25, 25)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.twice(x.flatten(1) * self.own) @ self.weight_alone.weight.T
        return self.twice(self.between(hidden).relu()).to(self.own.dtype) * self.own.shape[0]


def test_what_counts_is_the_last_use_of_a_weight_by_whatever_operation(images: Tensor) -> None:
    watch = Watch()
    result = cascading_randomisation(watch, Shared().double(), images)
    assert result.layers == ("twice", "between", "weight_alone", "")
    assert watch.changed()[-1] == {"twice", "between", "weight_alone", ""}


def test_tied_weights_are_randomised_once(images: Tensor) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(25, 25), nn.Tanh(), nn.Linear(25, 25)).double()
    model[3].weight = model[1].weight
    watch = Watch()
    assert cascading_randomisation(watch, model, images).layers == ("3", "1")  # the second keeps its bias
    assert torch.equal(watch.states[-1]["1.weight"], watch.states[-1]["3.weight"])
    for states, same in ((watch.states[:2], True), (watch.states[1:3], False)):
        assert torch.equal(states[0]["1.weight"], states[1]["1.weight"]) is same


@BOTH
def test_a_model_that_writes_to_its_images_does_not_write_to_ours(check: Check, images: Tensor) -> None:
    model = nn.Sequential(nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(25, 2)).double()
    below = images - 2
    check(lambda model, given: gradient(model[1:], given), model, below)
    assert torch.equal(below, images - 2)


class Tokens(nn.Module):
    """Attention, recurrence, a parametrised layer and a normalisation without weights."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.utils.parametrizations.weight_norm(nn.Linear(5, 8))
        self.norm = nn.BatchNorm1d(5, affine=False)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.recur = nn.LSTM(8, 4, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.recur(self.block(self.norm(self.embed(x[:, 0]))))[0][:, -1]


def test_layers_of_many_kinds_are_seen_in_their_order(images: Tensor) -> None:
    model = Tokens().double()
    result = cascading_randomisation(gradient, model, images)
    assert result.layers == (
        "recur",
        "block.norm2",
        "block.linear2",
        "block.linear1",
        "block.norm1",
        "block.self_attn.out_proj",
        "block.self_attn",
        "norm",
        "embed",
        "embed.parametrizations.weight",
    )
    assert not result.similarity.isnan().any()


@BOTH
def test_models_without_weights_and_maps_that_do_not_fit_are_refused(check: Check, images: Tensor) -> None:
    with pytest.raises(SightlineError, match="no parameter was seen in use"):
        check(lambda model, given: given, nn.Flatten(), images)
    with pytest.raises(ShapeError, match="explain must give maps"):
        check(lambda model, given: given[0], nn.Flatten(), images)
    with pytest.raises(ShapeError, match=r"got \(3, 1, 5, 5\) and \(3, 1, 5, 4\)"):
        map_similarity(images, images[..., 1:])


def test_similarity_of_maps_knows_neither_sign_nor_scale(images: Tensor) -> None:
    other = torch.randn(3, 1, 5, 5, dtype=torch.float64)
    torch.testing.assert_close(map_similarity(images, other), map_similarity(-3 * images, other.square()))
    torch.testing.assert_close(map_similarity(other, -other), torch.ones(3, dtype=torch.float64))
    assert isinstance(map_similarity(images.numpy(), other.numpy()), np.ndarray)


def test_shuffled_labels_are_the_same_labels_in_another_order() -> None:
    labels = torch.arange(50) // 10
    shuffled = shuffled_labels(labels)
    assert torch.equal(shuffled.sort().values, labels)
    assert not torch.equal(shuffled, labels)
    assert torch.equal(shuffled, shuffled_labels(labels))
    assert not torch.equal(shuffled, shuffled_labels(labels, seed=1))
    assert np.array_equal(shuffled_labels(labels.numpy()), shuffled.numpy())
    rows = torch.stack([labels, 10 * labels], 1)
    assert torch.equal(shuffled_labels(rows)[:, 1], 10 * shuffled_labels(rows)[:, 0])
