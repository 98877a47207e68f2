import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sightline.errors import DataNotFoundError, SettingsError
from sightline.models.resnet import resnet18, resnet50
from sightline.models.slice_trunk import SliceTrunk, build_trunk
from sightline.models.weights import save_weights

SIZE = (9, 64, 96)


@pytest.fixture
def volumes() -> Tensor:
    return torch.rand(2, 1, *SIZE, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_three_adjacent_slices_are_the_channels_of_an_image(
    volumes: Tensor, randomise: Callable[[nn.Module], None]
) -> None:
    net = nn.Conv2d(3, 4, 5, stride=2)
    trunk = SliceTrunk(net, SIZE)
    maps = trunk(volumes).view(2, 3, *trunk.shape)
    for case in range(2):
        for group in range(3):
            slices = volumes[case, 0, 3 * group : 3 * group + 3]
            torch.testing.assert_close(maps[case, group], net(slices[None])[0])
    assert (trunk.slices, trunk.shape) == (3, (4, 30, 46))


@torch.no_grad()
def test_the_trunk_is_a_resnet_without_its_head(volumes: Tensor, randomise: Callable[[nn.Module], None]) -> None:
    trunk = build_trunk(size=SIZE, width=4).eval()
    randomise(trunk)
    whole = resnet18(5, width=4).eval()
    names = whole.load_state_dict(trunk.net.state_dict(), strict=False)
    assert (names.missing_keys, names.unexpected_keys) == (["fc.weight", "fc.bias"], [])
    logits = whole.fc(trunk(volumes).mean((2, 3)))
    torch.testing.assert_close(logits, whole(volumes.view(6, 3, *SIZE[1:])))


def test_names_are_torchvisions(torchvision_models: ModuleType) -> None:
    with torch.device("meta"):
        theirs = {n: t.shape for n, t in torchvision_models.resnet18().state_dict().items()}
        ours = {n: t.shape for n, t in build_trunk().net.state_dict().items()}
    assert ours == {name: shape for name, shape in theirs.items() if not name.startswith("fc.")}


def test_at_full_size_it_is_the_layer_table() -> None:
    with torch.device("meta"):
        trunk = build_trunk()
        assert trunk(torch.empty(1, 1, 405, 420, 420)).shape == (135, 512, 14, 14)
    assert (trunk.slices, trunk.shape) == (135, (512, 14, 14))
    assert sum(p.numel() for p in trunk.parameters()) == 11_689_512 - 513_000  # ResNet-18 less its head


@torch.no_grad()
@pytest.mark.parametrize("whole_of", ["keys of the whole", "keys of a wrapper"])
def test_the_trunk_starts_from_a_file(tmp_path: Path, whole_of: str, volumes: Tensor) -> None:
    source, path = resnet18(7, width=4), tmp_path / "resnet.safetensors"
    save_weights(nn.ModuleDict({"module": source}) if "wrapper" in whole_of else source, path)
    trunk = build_trunk(size=SIZE, width=4, trunk_weights=str(path), trunk_stages=3)
    state = source.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in trunk.net.state_dict().items())
    with pytest.raises(DataNotFoundError, match="does not exist"):
        build_trunk(size=SIZE, width=4, trunk_weights=tmp_path / "missing.pt")


@torch.no_grad()
@pytest.mark.parametrize("at_once", [1, 2, 4, 5, 6, 7])
def test_parts_keep_the_order_of_the_groups(at_once: int, volumes: Tensor) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    seen: list[Tensor] = []
    trunk = SliceTrunk(net, SIZE, slices_at_once=at_once)
    net.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    found = trunk(volumes)
    torch.testing.assert_close(found, net(volumes.view(6, 3, *SIZE[1:])))
    sizes = [len(part) for part in seen[:-1]]
    assert max(sizes) <= at_once
    assert max(sizes) - min(sizes) <= 1
    if at_once == 2:  # spread over the volume: the first and the fourth of six groups
        assert torch.equal(seen[0], volumes.view(6, 3, *SIZE[1:])[[0, 3]])


def test_in_parts_running_statistics_move_with_each(volumes: Tensor) -> None:
    trunk = SliceTrunk(nn.Sequential(nn.BatchNorm2d(3)), SIZE, slices_at_once=2)
    maps = trunk(volumes)
    assert trunk.net[0].num_batches_tracked == 3
    first = volumes.view(6, 3, *SIZE[1:])[[0, 3]]
    expected = F.batch_norm(first, None, None, training=True)
    torch.testing.assert_close(maps[[0, 3]], expected)


def test_building_leaves_no_trace_in_the_network() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.BatchNorm2d(4).eval()).double()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    assert SliceTrunk(net, SIZE).shape == (4, 62, 94)
    assert all(map(torch.equal, net.state_dict().values(), before.values()))
    assert [module.training for module in net.modules()] == [True, True, True, False]


@torch.no_grad()
def test_the_offset_is_subtracted_first(volumes: Tensor) -> None:
    net = nn.Conv2d(3, 2, 3, padding=1)
    torch.testing.assert_close(SliceTrunk(net, SIZE, offset=0.449)(volumes), SliceTrunk(net, SIZE)(volumes - 0.449))


@pytest.mark.parametrize(
    ("trunk", "channels"),
    [
        ("resnet50", 32 * 8),
        ("densenet121", 8 * 16),
        ("vgg11", 8 * 8),
        ("vgg13_bn", 8 * 8),
        ("efficientnet_b0", 40 * 8),
        ("inception_resnet_v2", 1536 * 8 // 32),
    ],
)
def test_any_of_our_convolutional_classifiers_is_a_trunk(trunk: str, channels: int) -> None:
    with torch.device("meta"):
        shape = build_trunk(size=(3, 96, 96), width=8, trunk=trunk).shape
    assert shape[0] == channels
    assert 1 <= min(shape[1:]) <= max(shape[1:]) <= 3


@torch.no_grad()
def test_of_a_densenet_the_last_relu_is_kept(volumes: Tensor) -> None:
    options = {"block_config": (1, 1)}
    trunk = build_trunk(size=SIZE, width=4, trunk="sightline.models.densenet:DenseNet", trunk_options=options)
    assert trunk.eval()(volumes).min() == 0


def test_stages_of_a_resnet_are_left_away() -> None:
    with torch.device("meta"):
        shapes = [build_trunk(size=(3, 96, 64), trunk_stages=stages).shape for stages in (1, 2, 3, 4)]
        deep = build_trunk(size=(3, 96, 96), trunk="resnet50", trunk_stages=3)
        whole = resnet50(1)
    assert shapes == [(64, 24, 16), (128, 12, 8), (256, 6, 4), (512, 3, 2)]
    assert deep.shape == (1024, 6, 6)
    assert len(deep.net.state_dict()) < len(whole.state_dict())


def test_a_module_of_a_user_is_a_trunk(monkeypatch: pytest.MonkeyPatch, volumes: Tensor) -> None:
    def strided(num_classes: int, *, step: int = 4) -> nn.Module:
        return nn.Conv2d(3, 5, 3, stride=step)

    monkeypatch.setitem(sys.modules, "trunks_of_a_user", SimpleNamespace(strided=strided))  # type: ignore[arg-type]
    trunk = build_trunk(size=SIZE, trunk="trunks_of_a_user:strided", trunk_options={"step": 8})
    assert trunk.shape == (5, 8, 12)
    assert trunk(volumes).shape == (6, 5, 8, 12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": (10, 64, 64)}, r"multiple of 3 slices, .* got \(10, 64, 64\); choose 9 or 12 slices"),
        ({"size": (2, 64, 64)}, r"got \(2, 64, 64\); choose 3 slices"),
        ({"size": (9, 64)}, "size must be slices, rows and columns"),
        ({"in_channels": 3}, "in_channels of a volume model must be 1, got 3"),
        ({"slices_at_once": 0}, "slices_at_once must be at least 1 or null, got 0"),
        ({"trunk_stages": 5}, "trunk_stages must lie in 1 to 4 and be of a ResNet, got 5 of resnet18"),
        ({"trunk": "vgg11", "trunk_stages": 3}, "be of a ResNet, got 3 of vgg11"),
        ({"trunk": "resnet19"}, "got 'resnet19'; did you mean"),
        ({"trunk_options": {"depth": 3}}, "model resnet18 takes the options"),
        (
            {"trunk": "vgg11", "size": (3, 16, 16)},
            r"slices of 16 x 16 do not fit the trunk, choose larger ones or fewer trunk_stages: ",
        ),
        ({"trunk": "torch.nn:Flatten"}, "takes the options"),
        (
            {"trunk": "vit_tiny", "size": (3, 224, 224)},
            r"feature maps \(1, F, h, w\) of an image \(1, 3, 224, 224\), got \(1, 1\)",
        ),
    ],
)
def test_what_cannot_be_built_is_told(options: dict[str, object], message: str) -> None:
    with torch.device("meta"), pytest.raises(SettingsError, match=message):
        build_trunk(**({"size": SIZE, "width": 8} | options))  # type: ignore[arg-type]
