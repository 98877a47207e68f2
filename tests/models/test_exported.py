import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from sightline.errors import DataError, DataNotFoundError, MissingExtraError
from sightline.models.exported import Asked, exported_program, onnx_model


def tiny() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)).eval()


class Two(nn.Module):
    def forward(self, images: Tensor, more: Tensor) -> Tensor:
        return (images + more).flatten(1)


IMAGES = torch.rand(5, 1, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("size", [None, 1, 2, 8])
def test_an_exported_program_answers_as_its_model(tmp_path: Path, size: int | None) -> None:
    model = tiny()
    shapes = ({0: torch.export.Dim("n")},) if size is None else None
    program = torch.export.export(model, (torch.zeros(size or 2, 1, 16, 16),), dynamic_shapes=shapes)
    torch.export.save(program, tmp_path / "a.pt2")
    answer = exported_program(tmp_path / "a.pt2")
    torch.testing.assert_close(answer(IMAGES), model(IMAGES))
    asked = Asked(answer).eval()  # an exported program has no eval() of its own
    torch.testing.assert_close(asked(IMAGES[:1]), model(IMAGES[:1]))


def test_other_programs_are_refused(tmp_path: Path) -> None:
    (tmp_path / "words.pt2").write_text("not a program")
    with pytest.raises(DataError, match=r"words.pt2 is not a program of torch.export"):
        exported_program(tmp_path / "words.pt2")
    with pytest.raises(DataNotFoundError, match=r"none.pt2: no such file"):
        exported_program(tmp_path / "none.pt2")
    torch.export.save(torch.export.export(Two(), (torch.zeros(1, 2), torch.zeros(1, 2))), tmp_path / "two.pt2")
    with pytest.raises(DataError, match="takes 2 arguments; export a model that takes images alone"):
        exported_program(tmp_path / "two.pt2")


def linear_onnx(path: Path, batch: int | str, inputs: int = 1) -> None:
    """Write `ReduceMean over pixels, times three weights` as ONNX, without torch's exporter."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    given = [helper.make_tensor_value_info(name, kind, [batch, 1, 16, 16]) for name in ("images", "more")[:inputs]]
    weights = helper.make_tensor("weights", kind, [1, 3], [1.0, 2.0, -1.0])
    axes = helper.make_tensor("axes", onnx.TensorProto.INT64, [2], [2, 3])
    nodes = [
        helper.make_node("ReduceMean", ["images", "axes"], ["means"], keepdims=0),
        helper.make_node("MatMul", ["means", "weights"], ["logits"]),
    ]
    out = helper.make_tensor_value_info("logits", kind, [batch, 3])
    graph = helper.make_graph(nodes, "tiny", given, [out], [weights, axes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, str(path))


@pytest.mark.parametrize("batch", ["n", 1, 2, 8])
def test_an_onnx_file_answers(tmp_path: Path, batch: int | str) -> None:
    pytest.importorskip("onnxruntime")
    linear_onnx(tmp_path / "a.onnx", batch)
    expected = IMAGES.mean((1, 2, 3))[:, None] * torch.tensor([1.0, 2.0, -1.0])
    torch.testing.assert_close(onnx_model(tmp_path / "a.onnx")(IMAGES), expected)


def test_other_onnx_files_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    (tmp_path / "words.onnx").write_text("not a graph")
    with pytest.raises(DataError, match=r"words.onnx cannot be used by onnxruntime"):
        onnx_model(tmp_path / "words.onnx")
    linear_onnx(tmp_path / "two.onnx", 1, inputs=2)
    with pytest.raises(DataError, match="takes 2 arguments"):
        onnx_model(tmp_path / "two.onnx")


def test_without_onnxruntime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.onnx").write_bytes(b"")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"needs onnxruntime; install sightline\[onnx\]"):
        onnx_model(tmp_path / "a.onnx")
