import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from sightline.errors import DataError, DataNotFoundError, UnsupportedOperationError
from sightline.models import Classifier, ModelSettings, build_model, open_classifier, save_classifier
from sightline.models.unread import leave_out, without_unread

IMAGES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def classifier(name: str = "multitask_unet", **options: Any) -> Classifier:
    settings = ModelSettings(name, width=4, options=options)
    model, left_out = without_unread(build_model(settings, num_classes=2, seed=0).eval(), IMAGES)
    return Classifier(model, "mine", settings, "binary", ("no", "yes"), (3, 32, 32), left_out=left_out)


def rewritten(folder: Path, **changes: Any) -> None:
    words = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(words | changes))


def test_parts_that_logits_do_not_need_stay_behind() -> None:
    whole = build_model(ModelSettings("multitask_unet", width=4), num_classes=2, seed=0).eval()
    small, left_out = without_unread(whole, IMAGES)
    assert torch.equal(small(IMAGES), whole(IMAGES))
    gone = set(whole.state_dict()) - set(small.state_dict())
    assert gone
    assert all(name.startswith(left_out) for name in gone)
    expected = whole(IMAGES)
    with torch.no_grad():  # whatever they hold
        for name, value in whole.named_parameters():
            if name in gone:
                value.add_(1.0)
    assert torch.equal(whole(IMAGES), expected)
    with pytest.raises(UnsupportedOperationError, match="was left out when this classifier was exported"):
        small.answer(IMAGES)


def test_a_segmenter_before_the_classifier_stays() -> None:
    model = build_model(
        ModelSettings("segment_classify", width=4, options={"classifier": "vgg11"}), num_classes=2, seed=0
    )
    assert without_unread(model.eval(), IMAGES)[1] == ()


def test_a_folder_is_opened_without_a_run(tmp_path: Path) -> None:
    mine = classifier()
    save_classifier(mine, tmp_path)
    again = open_classifier(tmp_path)
    assert torch.equal(again.model(IMAGES), mine.model(IMAGES))
    assert again.words() == mine.words()
    assert not again.model.training


def test_where_a_training_began_does_not_travel(tmp_path: Path) -> None:
    settings = ModelSettings("vgg11", weights=Path("/home/someone/start.pt"), width=4)
    model = build_model(ModelSettings("vgg11", width=4), num_classes=2, seed=0)
    save_classifier(Classifier(model, "a", settings, "binary", ("no", "yes"), (3, 32, 32)), tmp_path)
    assert "someone" not in (tmp_path / "model.json").read_text()
    open_classifier(tmp_path)


def test_damaged_and_foreign_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError, match=r"holds no model\.json; name a folder that `sightline export` wrote"):
        open_classifier(tmp_path)
    save_classifier(classifier(), tmp_path)
    whole = (tmp_path / "model.json").read_text()
    for text, why in (
        ("no json", "does not describe a classifier of Sightline"),
        (whole.replace("sightline classifier 1", "sightline classifier 9"), "export it again"),
        (whole.replace('"task"', '"tusk"'), "does not describe a classifier"),
        (whole.replace('"sha256": "', '"sha256": "0'), "SHA-256 differs"),
    ):
        (tmp_path / "model.json").write_text(text)
        with pytest.raises(DataError, match=why):
            open_classifier(tmp_path)
    (tmp_path / "model.json").write_text(whole)
    rewritten(tmp_path, classes=["a", "b", "c"])
    with pytest.raises(DataError, match="holds other weights than those of multitask_unet"):
        open_classifier(tmp_path)
    rewritten(tmp_path, left_out=["nothing.here"], classes=["no", "yes"])
    with pytest.raises(DataError, match=r"has no part 'nothing\.here' to leave out"):
        open_classifier(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(DataNotFoundError, match=r"holds no model\.safetensors"):
        open_classifier(tmp_path)


@pytest.mark.parametrize(
    "architecture",
    [
        {"name": "os:system"},
        {"name": "segment_classify", "options": {"classifier": "os:system"}},
        {"name": "axialnet", "options": {"trunk": "os:system"}},
        {"name": "vgg11", "weights": "/etc/passwd"},
        {"name": "dual_encoder", "options": {"densenet_weights": "/etc/passwd"}},
    ],
)
def test_a_stranger_can_neither_import_nor_read(
    architecture: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_classifier(classifier("vgg11"), tmp_path)
    rewritten(tmp_path, architecture=architecture)
    monkeypatch.setattr("sightline.models.classifier_folder.build_model", lambda *_, **__: pytest.fail("it was built"))
    with pytest.raises(DataError, match=r"trusted=True|not Sightline's own"):
        open_classifier(tmp_path)


def test_a_pickle_in_place_of_weights_is_not_opened(tmp_path: Path) -> None:
    save_classifier(classifier("vgg11"), tmp_path)
    (tmp_path / "model.safetensors").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(DataError, match="SHA-256 differs"):
        open_classifier(tmp_path)


def test_leaving_out_names_what_is_not_there() -> None:
    with pytest.raises(DataError, match=r"VGG has no part 'nowhere\.to\.be' to leave out"):
        leave_out(build_model(ModelSettings("vgg11", width=4), num_classes=2), ["nowhere.to.be"])
