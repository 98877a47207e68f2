"""Graphs that return maps, against the engine that draws them, by torch and by onnxruntime."""

from pathlib import Path

import pytest
import torch

from sightline.attribution import (
    LRP,
    RISE,
    Explainer,
    GradCAM,
    GradientTimesInput,
    HiResCAM,
    IntegratedGradients,
)
from sightline.errors import ExportError
from sightline.exporting import Export, Maps, trace_with_maps
from sightline.exporting.recording import record
from sightline.models import Classifier

METHODS = {"lrp": LRP(), "grad_cam": GradCAM(), "hirescam": HiResCAM(), "gradient_times_input": GradientTimesInput()}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("target", [None, 1])
def test_a_recorded_explanation_is_that_of_the_engine_on_other_images(
    method: str, target: int | None, little: Classifier
) -> None:
    maps = Maps(method, METHODS[method], target)
    graph = record(lambda images: maps(little.model, images), little.shape, 2, name=method)
    assert not any("backward" in str(node.target) and "convolution" in str(node.target) for node in graph.graph.nodes)
    images = torch.rand(2, *little.shape, generator=torch.Generator().manual_seed(9))
    logits, drawn = maps(little.model, images)
    with torch.no_grad():
        found_logits, found = graph(images)
    torch.testing.assert_close(found_logits, logits)
    torch.testing.assert_close(found, drawn, rtol=1e-4, atol=1e-5 * float(drawn.abs().max()))
    assert drawn.shape == (2, 1, 32, 32)
    assert drawn.abs().sum() > 0
    explained = METHODS[method](little.model, images, maps_target(target, logits))
    torch.testing.assert_close(explained.logits, logits)


def maps_target(target: int | None, logits: torch.Tensor) -> object:
    from sightline.attribution import Class, Label

    return Label(logits.argmax(1)) if target is None else Class(target)


def test_the_class_is_that_of_each_image_and_not_of_the_recording(little: Classifier) -> None:
    program = trace_with_maps(little, Maps("lrp", LRP()))
    assert program.batch is None
    images = torch.rand(5, *little.shape, generator=torch.Generator().manual_seed(4))
    _, drawn = program.exported.module()(images)
    _, expected = Maps("lrp", LRP())(little.model, images)
    torch.testing.assert_close(drawn, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize("explainer", [RISE(masks=4), IntegratedGradients(steps=4)])
def test_methods_of_many_passes_are_refused(explainer: Explainer) -> None:
    with pytest.raises(ExportError, match="draws a map by many passes, which is no graph to export; choose a method"):
        Maps("it", explainer)


def test_a_graph_with_maps_is_kept_as_onnx(little: Classifier, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    (found,) = Export(little, Maps("lrp", LRP(), 2)).write(["onnx"], tmp_path)
    assert found.folder == tmp_path / "onnx-lrp"
    assert found.batch is None
    assert found.agreement.logits <= 1e-5
    assert found.agreement.maps is not None
    assert found.agreement.maps <= 1e-4
    graph = onnx.load(found.folder / "model.onnx").graph
    assert [output.name for output in graph.output] == ["logits", "maps"]
    assert "ConvTranspose" in {node.op_type for node in graph.node}
