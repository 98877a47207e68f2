import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sightline.errors import DataError, DataNotFoundError, MissingExtraError, SettingsError
from sightline.models.foreign import Wanted, find_model
from sightline.models.weights import save_weights

GREY, COLOUR = Wanted(3, 1, 2), Wanted(3, 3, 2)


class Net(nn.Module):
    def __init__(self, num_classes: int = 7, in_channels: int = 2, width: int = 4, spatial_dims: int = 2) -> None:
        super().__init__()
        convolution = nn.Conv3d if spatial_dims == 3 else nn.Conv2d
        self.first, self.last = convolution(in_channels, width, 3), nn.Linear(width, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.last(self.first(images).flatten(2).mean(2))
        return logits


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A package of somebody, with a class, a function and a module in it."""
    made = ModuleType("somebody")
    made.Net, made.trained, made.number = Net, Net(3, 1), 5  # type: ignore[attr-defined]
    made.plain = lambda: Net(3, 1)  # type: ignore[attr-defined]
    made.broken = lambda num_classes: [num_classes]  # type: ignore[attr-defined]

    def needs(path: str) -> nn.Module:
        raise AssertionError(path)

    made.needs = needs  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "somebody", made)
    return made


def test_a_callable_is_told_what_is_wanted_in_its_own_words(package: ModuleType) -> None:
    model = find_model("somebody:Net", Wanted(3, 1, 3))
    assert isinstance(model, Net)
    assert model.last.out_features == 3
    assert model.first.weight.shape == (4, 1, 3, 3, 3)
    assert find_model("somebody:Net", Wanted(None, 1, 2)).last.out_features == 7, "its author's choice"  # type: ignore[union-attr]
    assert isinstance(find_model("somebody:plain", GREY), Net)


def test_a_module_is_taken_as_it_is(package: ModuleType) -> None:
    assert find_model("somebody:trained", GREY) is package.trained


def test_weights_are_loaded_whole(package: ModuleType, tmp_path: Path) -> None:
    trained = Net(3, 1)
    save_weights(trained, tmp_path / "net.safetensors")
    torch.save({"state_dict": trained.state_dict()}, tmp_path / "net.pt")
    for file in ("net.safetensors", "net.pt"):
        model = find_model("somebody:Net", GREY, weights=tmp_path / file)
        assert all(torch.equal(value, trained.state_dict()[name]) for name, value in model.state_dict().items())
    save_weights(Net(9, 1), tmp_path / "other.safetensors")
    with pytest.raises(DataError, match=r"have no last.weight, last.bias of this size; does somebody:Net have"):
        find_model("somebody:Net", GREY, weights=tmp_path / "other.safetensors")
    with pytest.raises(DataNotFoundError, match=r"missing.pt does not exist"):
        find_model("somebody:Net", GREY, weights=tmp_path / "missing.pt")


def test_random_weights_are_the_same_each_time_and_leave_the_generator(package: ModuleType) -> None:
    state = torch.get_rng_state()
    one, other, third = (find_model("somebody:Net", GREY, random_weights=True, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(one.last.weight, other.last.weight)  # type: ignore[union-attr, arg-type]
    assert not torch.equal(one.last.weight, third.last.weight)  # type: ignore[union-attr, arg-type]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("somebody", "is no run folder, no .pt2 or .onnx file, no LIBRARY:NAME"),
        ("nobody:Net", "module 'nobody' cannot be imported"),
        ("somebody:Nest", "has no such callable"),
        ("somebody:number", "must be callable, got int"),
        ("somebody:broken", "must be a torch.nn.Module or return one, got list"),
        ("somebody:needs", "refused .*missing 1 required positional argument"),
        (
            "timm:resnet18",
            "has no weights, and none are downloaded: give a file with --weights, or say",
        ),
    ],
)
def test_what_cannot_be_found_is_said(package: ModuleType, words: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        find_model(words, GREY)


def test_weights_are_given_or_random_and_not_both(package: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="exclude each other"):
        find_model("somebody:Net", GREY, weights=tmp_path / "a.pt", random_weights=True)


def test_a_library_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "monai", None)
    with pytest.raises(MissingExtraError, match=r"monai cannot be imported .* pip install monai"):
        find_model("monai:DenseNet121", GREY, random_weights=True)


def test_a_library_that_does_not_fit_this_torch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "timm.py").write_text('raise RuntimeError("operator torchvision::nms does not exist")')
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "timm", raising=False)
    with pytest.raises(MissingExtraError, match=r"nms does not exist\); it is installed, but maybe for another torch"):
        find_model("timm:resnet18", GREY, random_weights=True)


def test_torchvision(torchvision: Any) -> None:
    model = find_model("torchvision:resnet18", COLOUR, random_weights=True)
    assert model(torch.rand(1, 3, 64, 64)).shape == (1, 3)
    assert find_model("torchvision:resnet18", Wanted(None, 3, 2), random_weights=True).fc.out_features == 1000  # type: ignore[union-attr]
    with pytest.raises(SettingsError, match="torchvision:resnet19 cannot be built"):
        find_model("torchvision:resnet19", COLOUR, random_weights=True)


def test_timm(timm: Any) -> None:
    model = find_model("timm:resnet18", GREY, random_weights=True)
    assert model(torch.rand(1, 1, 64, 64)).shape == (1, 3)
    with pytest.raises(SettingsError, match="timm has no model 'hf-hub:somebody/net'"):
        find_model("timm:hf-hub:somebody/net", GREY, random_weights=True)


@pytest.mark.parametrize(
    ("library", "place"), [("monai", "monai.networks.nets"), ("torchxrayvision", "torchxrayvision.models")]
)
def test_libraries_with_keywords_of_their_own(monkeypatch: pytest.MonkeyPatch, library: str, place: str) -> None:
    class DenseNet(nn.Module):
        def __init__(self, spatial_dims: int = 2, in_channels: int = 1, out_channels: int = 18) -> None:
            super().__init__()
            self.made = spatial_dims, in_channels, out_channels

    for name in {library, *(place.rsplit(".", n)[0] for n in range(place.count(".") + 1))}:
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules[place].DenseNet = DenseNet  # type: ignore[attr-defined]
    assert find_model(f"{library}:DenseNet", Wanted(4, 1, 3), random_weights=True).made == (3, 1, 4)
    assert find_model(f"{library}:DenseNet", Wanted(None, 1, 2), random_weights=True).made == (2, 1, 18)
    with pytest.raises(SettingsError, match=f"{library} has no model 'DenseNets'"):
        find_model(f"{library}:DenseNets", GREY, random_weights=True)


def test_monai() -> None:
    pytest.importorskip("monai")
    model = find_model("monai:DenseNet121", Wanted(3, 1, 3), random_weights=True).eval()
    assert model(torch.rand(1, 1, 32, 32, 32)).shape == (1, 3)


def test_torchxrayvision() -> None:
    pytest.importorskip("torchxrayvision")
    assert find_model("torchxrayvision:DenseNet", Wanted(None, 1, 2), random_weights=True)(
        torch.rand(1, 1, 224, 224)
    ).shape == (1, 18)
