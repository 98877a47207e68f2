import hashlib
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from sightline.errors import DataError, DataNotFoundError
from sightline.models.densenet import DenseNet, densenet121
from sightline.models.resnet import ResNet, resnet18
from sightline.models.vgg import vgg11, vgg16_bn
from sightline.models.weights import _ours, load_weights, save_weights


def net(num_classes: int = 3, in_channels: int = 3) -> ResNet:
    return resnet18(num_classes, in_channels=in_channels, width=2)


def same(first: nn.Module, second: nn.Module, *, but: tuple[str, ...] = ()) -> bool:
    a, b = first.state_dict(), second.state_dict()
    return all(torch.equal(a[name], b[name]) for name in a if name not in but)


def test_saved_weights_come_back_and_are_fingerprinted(tmp_path: Path) -> None:
    path, source, model = tmp_path / "deep" / "model.safetensors", net(), net()
    save_weights(source, path)
    loaded = load_weights(model, path)
    assert same(model, source)
    assert (loaded.kept, loaded.summed) == ((), ())
    assert loaded.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert [file.name for file in path.parent.iterdir()] == ["model.safetensors"]


def test_tensors_that_share_memory_are_saved(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    save_weights(model, tmp_path / "tied.safetensors")
    fresh = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    load_weights(fresh, tmp_path / "tied.safetensors")
    assert same(fresh, model)


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"state_dict": s, "epoch": 3}, lambda s: {"model": s}])
@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod."])
def test_torch_files_load_bare_and_wrapped(tmp_path: Path, wrap: object, prefix: str) -> None:
    source, model = net(), net()
    torch.save(wrap({prefix + n: t for n, t in source.state_dict().items()}), tmp_path / "a.pt")  # type: ignore[operator]
    load_weights(model, tmp_path / "a.pt")
    assert same(model, source)


def test_device_and_dtype_of_the_model_stay(tmp_path: Path) -> None:
    save_weights(net().half(), tmp_path / "half.safetensors")
    model = net()
    load_weights(model, tmp_path / "half.safetensors")
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


@pytest.mark.parametrize("drop", [False, True])
def test_a_head_of_another_size_or_none_stays_as_initialised_and_is_reported(tmp_path: Path, drop: bool) -> None:
    source, model = net(num_classes=1000), net(num_classes=3)
    state = {n: t for n, t in source.state_dict().items() if not (drop and n.startswith("fc."))}
    torch.save(state, tmp_path / "a.pt")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    loaded = load_weights(model, tmp_path / "a.pt")
    assert loaded.kept == ("fc.weight", "fc.bias")
    assert same(model, source, but=loaded.kept)
    assert all(torch.equal(model.state_dict()[name], before[name]) for name in loaded.kept)


def test_a_grey_model_answers_as_the_colour_model_answers_the_grey_image_in_each_channel(tmp_path: Path) -> None:
    colour, grey = net(in_channels=3).eval(), net(in_channels=1).eval()
    save_weights(colour, tmp_path / "a.safetensors")
    assert load_weights(grey, tmp_path / "a.safetensors").summed == ("conv1.weight",)
    images = torch.rand(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(grey(images), colour(images.expand(-1, 3, -1, -1)))


def test_torchvisions_old_densenet_names_load(tmp_path: Path) -> None:
    source, model = DenseNet(3, (2, 1), width=4), DenseNet(3, (2, 1), width=4)
    old = {}
    for name, tensor in source.state_dict().items():
        if name.endswith("num_batches_tracked"):  # the published file has none
            continue
        for part in ("norm", "conv") if ".denselayer" in name else ():
            name = name.replace(f"{part}1.", f"{part}.1.").replace(f"{part}2.", f"{part}.2.")
        old[name] = tensor
    assert "features.denseblock1.denselayer2.norm.1.running_mean" in old
    torch.save(old, tmp_path / "densenet.pth")
    load_weights(model, tmp_path / "densenet.pth")
    assert same(model, source)


def test_monais_densenet_loads(tmp_path: Path) -> None:
    """Whose dense layers hold their parts in `layers`, and whose last layer is `class_layers.out`."""
    source, model = DenseNet(3, (2, 1), width=4, dimensions=3), DenseNet(3, (2, 1), width=4, dimensions=3)
    theirs = {
        re.sub(r"(denselayer\d)\.", r"\1.layers.", name).replace("classifier.", "class_layers.out."): tensor
        for name, tensor in source.state_dict().items()
    }
    assert {"features.denseblock1.denselayer2.layers.norm1.weight", "class_layers.out.bias"} <= theirs.keys()
    torch.save({"state_dict": theirs}, tmp_path / "monai.pt")
    assert load_weights(model, tmp_path / "monai.pt").kept == ()
    assert same(model, source)


def test_timms_vgg_loads(tmp_path: Path, timm: ModuleType) -> None:
    """Whose head is of convolutions; the names are timm's own."""
    source, model = vgg11(3, width=2), vgg11(3, width=2)
    with torch.device("meta"):
        names = timm.create_model("vgg11", num_classes=3).state_dict()
    tensors = list(source.state_dict().values())
    theirs = dict(zip(names, tensors, strict=True))
    theirs["pre_logits.fc1.weight"] = theirs["pre_logits.fc1.weight"].unflatten(1, (-1, 7, 7))
    theirs["pre_logits.fc2.weight"] = theirs["pre_logits.fc2.weight"][..., None, None]
    torch.save(theirs, tmp_path / "timm.pth")
    assert load_weights(model, tmp_path / "timm.pth").kept == ()
    assert same(model, source)


@pytest.mark.parametrize(
    ("name", "build"), [("resnet18", resnet18), ("densenet121", densenet121), ("vgg16_bn", vgg16_bn)]
)
def test_timms_names_are_ours_or_have_a_spelling(name: str, build: Callable[..., nn.Module], timm: ModuleType) -> None:
    with torch.device("meta"):
        theirs, ours = timm.create_model(name).state_dict(), build(1000).state_dict()
    assert {own if own in ours else _ours(own) for own in theirs} == ours.keys()


def test_weights_of_another_model_are_refused_and_nothing_is_copied(tmp_path: Path) -> None:
    model = net()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = net().state_dict() | {"extra": torch.zeros(1), "conv1.weight": torch.zeros(5, 3, 7, 7)}
    del state["layer1.0.conv1.weight"]
    torch.save(state, tmp_path / "a.pt")
    message = (
        r"do not fit ResNet: 1 missing \(layer1.0.conv1.weight\); 1 unknown \(extra\); "
        r"1 of another shape \(conv1.weight \(5, 3, 7, 7\) instead of \(2, 3, 7, 7\)\)"
    )
    with pytest.raises(DataError, match=message):
        load_weights(model, tmp_path / "a.pt")
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in before.items())


def test_a_model_that_is_all_head_takes_no_weights_of_another_size(tmp_path: Path) -> None:
    save_weights(nn.Linear(4, 2), tmp_path / "a.safetensors")
    with pytest.raises(DataError, match="not one tensor fits"):
        load_weights(nn.Linear(4, 3), tmp_path / "a.safetensors")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"weights file .*none.pt does not exist"):
        load_weights(net(), tmp_path / "none.pt")


class Surprise:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return print, ("pwned",)


@pytest.mark.parametrize("name", ["a.pt", "a.safetensors"])
@pytest.mark.parametrize("content", [b"", b"no weights", pickle.dumps(Surprise())])
def test_a_file_that_is_no_weights_file_is_one_clear_line_and_runs_no_code(
    tmp_path: Path, name: str, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match="cannot be read") as caught:
        load_weights(net(), tmp_path / name)
    assert "\n" not in str(caught.value)
    assert capsys.readouterr().out == ""


def test_a_whole_pickled_model_is_refused(tmp_path: Path) -> None:
    torch.save(net(), tmp_path / "model.pt")
    with pytest.raises(DataError, match="cannot be read"):
        load_weights(net(), tmp_path / "model.pt")


@pytest.mark.parametrize("value", [torch.zeros(3), {}, {"epoch": 3}])
def test_a_file_without_a_state_dict_says_so(tmp_path: Path, value: object) -> None:
    torch.save(value, tmp_path / "a.pt")
    with pytest.raises(DataError, match="holds no state dict"):
        load_weights(net(), tmp_path / "a.pt")
