"""Each format, written and opened again."""

import json
import sys
import zipfile
from pathlib import Path

import pytest
import torch
import yaml

import sightline
from sightline.attribution import LRP
from sightline.errors import ExportError, MissingExtraError, SettingsError
from sightline.exporting import FORMATS, Export, Maps, Measured
from sightline.exporting import export as module
from sightline.exporting.monai_bundle import bundle_metadata, check_metadata, inference_config
from sightline.models import Classifier, open_classifier
from sightline.models.exported import exported_program

HERE = Path(sightline.__file__).parent.as_posix().encode()


def test_weights_and_program_are_opened_without_the_run(little: Classifier, tmp_path: Path) -> None:
    examples = torch.rand(3, *little.shape)
    written = Export(little, examples=examples).write(["safetensors", "torch"], tmp_path)
    assert [each.format for each in written] == ["safetensors", "torch"]
    assert all(each.agreement.images == 6 and each.agreement.logits <= 1e-5 for each in written)
    assert written[1].batch is None
    expected = little.model(examples)
    torch.testing.assert_close(open_classifier(tmp_path / "safetensors").model(examples), expected)
    torch.testing.assert_close(exported_program(tmp_path / "torch" / "model.pt2")(examples), expected)
    words = json.loads((tmp_path / "torch" / "model.json").read_text())
    assert (words["batch"], words["outputs"], words["classes"]) == ("any", ["logits"], ["clear", "opaque", "other"])
    with zipfile.ZipFile(tmp_path / "torch" / "model.pt2") as archive:
        assert not any(HERE in archive.read(name) for name in archive.namelist()), "no path of this machine"


def test_a_hub_folder_has_a_card_and_opens(little: Classifier, tmp_path: Path) -> None:
    scores = (
        Measured("films", "test", "accuracy", "Accuracy", 0.75),
        Measured("films", "test", "auroc", "AUROC", float("nan")),
    )
    Export(little, card="# Little\n\nWords.", scores=scores, licence="cc-by-4.0").write(["huggingface"], tmp_path)
    folder = tmp_path / "huggingface"
    _, front, body = (folder / "README.md").read_text().split("---\n", 2)
    head = yaml.safe_load(front)
    assert (head["license"], head["pipeline_tag"]) == ("cc-by-4.0", "image-classification")
    (result,) = head["model-index"][0]["results"]
    assert result["metrics"] == [{"type": "accuracy", "name": "Accuracy", "value": 0.75}]
    assert "# Little" in body
    config = json.loads((folder / "config.json").read_text())
    assert config["id2label"] == {"0": "clear", "1": "opaque", "2": "other"}
    images = torch.rand(1, *little.shape)
    torch.testing.assert_close(open_classifier(folder).model(images), little.model(images))


def test_the_hubs_own_reader_reads_the_card(little: Classifier, tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    Export(little, scores=(Measured("films", "test", "accuracy", "Accuracy", 0.75),)).write(["huggingface"], tmp_path)
    card = hub.ModelCard.load(tmp_path / "huggingface" / "README.md")
    assert card.data.eval_results[0].metric_value == 0.75
    assert card.data.model_name == "little"


def test_a_bundle_has_what_the_specification_asks_for(little: Classifier, tmp_path: Path) -> None:
    Export(little).write(["monai"], tmp_path)
    folder = tmp_path / "monai"
    assert {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()} == {
        *("LICENSE", "configs/metadata.json", "configs/inference.json", "docs/README.md", "models/model.pt"),
    }
    check_metadata(json.loads((folder / "configs" / "metadata.json").read_text()))
    state = torch.load(folder / "models" / "model.pt", weights_only=True)
    assert state.keys() == little.model.state_dict().keys()
    assert "No licence was given" in (folder / "LICENSE").read_text()


@pytest.mark.parametrize("missing", ["version", "network_data_format", "numpy_version"])
def test_metadata_that_lack_a_field_are_refused(missing: str, little: Classifier) -> None:
    metadata = bundle_metadata(little)
    check_metadata(metadata)
    with pytest.raises(ExportError, match=f"metadata.json lacks {missing}"):
        check_metadata({key: value for key, value in metadata.items() if key != missing})
    metadata["network_data_format"]["inputs"]["image"]["channel_def"] = {"0": "image"}
    with pytest.raises(ExportError, match="must name 3 channels"):
        check_metadata(metadata)


def test_a_bundle_prepares_files_as_the_run_does(run: Path, cohort: Path) -> None:
    from sightline.data import read_cohort
    from sightline.exporting import classifier_of, examples_of
    from sightline.exporting.bundle_input import PrepareImaged
    from sightline.training import load_trained, open_run

    settings, folder = open_run(run)
    films = read_cohort(cohort)
    classifier = classifier_of(settings, load_trained(settings, folder, num_classes=3), films)
    told = json.loads(json.dumps(inference_config(classifier)))["preprocessing"]["transforms"][0]
    assert told.pop("_target_") == f"{PrepareImaged.__module__}.PrepareImaged"
    prepared = PrepareImaged(**told)({"image": str(cohort / "2.png"), "name": "2"})
    expected = examples_of(films, settings, number=1)
    assert expected is not None
    torch.testing.assert_close(prepared["image"], expected[0])
    assert prepared["name"] == "2"


def test_nothing_is_begun_where_something_cannot_be(
    little: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingsError, match="unknown format 'tflite'; the formats are safetensors, torch, onnx"):
        Export(little).write(["safetensors", "tflite"], tmp_path)
    with pytest.raises(SettingsError, match="monai holds no maps; those that do are torch and onnx"):
        Export(little, Maps("lrp", LRP())).write(["monai"], tmp_path)
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MissingExtraError, match=r"the format onnx needs onnxscript; install sightline\[export\]"):
        Export(little).write(FORMATS, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_answers_otherwise_is_not_kept(
    little: Classifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(export: Export, folder: Path) -> object:
        (folder / "model.json").write_text("{}")
        return export.agree(lambda images: (little.model(images) + 1e-3,)), None

    monkeypatch.setitem(module._WRITERS, "safetensors", other)
    with pytest.raises(ExportError, match="exported logits differ"):
        Export(little).write(["safetensors"], tmp_path)
    assert list(tmp_path.iterdir()) == []
