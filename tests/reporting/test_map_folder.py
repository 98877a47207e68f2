import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from PIL import Image

from sightline import __version__
from sightline.errors import RunError
from sightline.evaluation.explain_cases import Piece
from sightline.reporting import map_folder
from sightline.reporting.map_folder import MapFolder, each_class, folder_names
from sightline.reporting.overlay import heatmap_overlay

CLASSES = ("normal", "a/b", "nodule")
SIDE = 24


def piece(
    classes: tuple[int, ...] = (1,), *, total: int = 1, shape: tuple[int, ...] = (6, 6), outputs: int = 3
) -> Piece:
    generator = np.random.default_rng(len(classes) + classes[0])
    maps = generator.standard_normal((len(classes), *shape)).astype(np.float32)
    return Piece(
        "case",
        "lrp",
        np.full((1, *shape), 0.5, np.float32),
        np.arange(outputs, dtype=float),
        np.array([0.2, 0.3, 0.5]),
        np.array(classes),
        total,
        maps,
        np.full((len(classes), *shape), np.nan, np.float32),
        (3, 3),
        np.full(len(classes), np.nan),
        None,
    )


def asked(**changed: Any) -> dict[str, Any]:
    given = {"method": "lrp", "options": {"epsilon": 0.01}, "target": "predicted", "image_sha256": "abc"}
    return {**given, **changed}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MapFolder:
    monkeypatch.setattr(map_folder, "SIDE", SIDE)
    return MapFolder(tmp_path / "maps", CLASSES, raw="npy")


def files(folder: MapFolder) -> set[str]:
    return {file.name for file in (folder.path / "case").iterdir()}


def test_a_case_gets_its_picture_map_and_record(folder: MapFolder) -> None:
    drawn = piece()
    folder.write("case", [drawn], asked(), {"case": "Case", "label": "normal"})
    assert files(folder) == {"image.png", "lrp.png", "lrp.npy", "maps.json"}
    kept = np.load(folder.path / "case" / "lrp.npy")
    assert kept.dtype == np.dtype("<f4")
    np.testing.assert_array_equal(kept, drawn.maps[0])
    picture = np.asarray(Image.open(folder.path / "case" / "lrp.png"))
    np.testing.assert_array_equal(picture, heatmap_overlay(drawn.image, drawn.maps[0], size=SIDE))
    bare = np.asarray(Image.open(folder.path / "case" / "image.png"))
    np.testing.assert_array_equal(bare, heatmap_overlay(drawn.image, size=SIDE))
    record = json.loads((folder.path / "case" / "maps.json").read_text())
    assert record["case"] == "Case"
    assert record["logits"] == {"normal": 0, "a/b": 1, "nodule": 2}
    assert record["probabilities"] == {"normal": 0.2, "a/b": 0.3, "nodule": 0.5}
    assert record["maps"]["lrp"] == {
        **asked(),
        "sightline": __version__,
        "file": "lrp.npy",
        "pictures": ["lrp.png"],
        "shape": [6, 6],
        "drawn_at": [3, 3],
        "class": "a/b",
        "class_index": 1,
        "logit": 1,
        "probability": 0.3,
        "relevance_inside": None,
        "gap": None,
    }


def test_maps_of_all_classes_are_put_together_piece_by_piece(folder: MapFolder) -> None:
    pieces = [piece((0, 1), total=3), piece((2,), total=3)]
    folder.write("case", iter(pieces), asked(target="every"), {})
    assert files(folder) == {
        *("image.png", "lrp.npy", "maps.json"),
        *("lrp.00-normal.png", "lrp.01-a_b.png", "lrp.02-nodule.png"),
    }
    kept = np.load(folder.path / "case" / "lrp.npy")
    np.testing.assert_array_equal(kept, np.concatenate([part.maps for part in pieces]))
    entry = folder.record("case")["maps"]["lrp"]
    assert entry["shape"] == [3, 6, 6]
    assert [each["picture"] for each in each_class(entry)] == entry["pictures"]
    assert [each["class"] for each in each_class(entry)] == list(CLASSES)
    assert [each["logit"] for each in each_class(entry)] == [0, 1, 2]


def test_maps_are_kept_as_nifti_with_the_axes_the_other_way_round(folder: MapFolder) -> None:
    folder = MapFolder(folder.path, CLASSES, raw="nifti")
    drawn, volume = piece(), piece(shape=(4, 6, 5))
    several = [piece((0, 1), total=3, shape=(6, 5)), piece((2,), total=3, shape=(6, 5))]
    folder.write("case", [drawn], asked(), {})
    folder.write("case", [volume], asked(method="volume"), {})
    folder.write("case", several, asked(method="several", target="every"), {})
    kept = {method: nibabel.load(folder.path / "case" / f"{method}.nii.gz") for method in ("lrp", "volume", "several")}
    np.testing.assert_array_equal(np.asarray(kept["lrp"].dataobj), drawn.maps[0].T)
    np.testing.assert_array_equal(np.asarray(kept["volume"].dataobj), volume.maps[0].transpose(2, 1, 0))
    maps = np.concatenate([part.maps for part in several])  # (3, 6, 5)
    assert kept["several"].shape == (5, 6, 1, 3)
    np.testing.assert_array_equal(np.asarray(kept["several"].dataobj)[:, :, 0, 1], maps[1].T)
    assert not folder.missing({"case": {"lrp": asked()}})["case"]
    assert MapFolder(folder.path, CLASSES, raw="npy").missing({"case": {"lrp": asked()}}) == {"case": {"lrp"}}


def test_one_output_is_the_logit_of_the_second_class(folder: MapFolder) -> None:
    folder = MapFolder(folder.path, ("no", "yes"))
    one = piece((1,), outputs=1)
    object.__setattr__(one, "probabilities", np.array([0.25, 0.75]))
    folder.write("case", [one], asked(), {})
    record = folder.record("case")
    assert record["logits"] == {"yes": 0}
    assert record["maps"]["lrp"]["logit"] == 0
    assert record["maps"]["lrp"]["probability"] == 0.75


def test_of_a_volume_the_fullest_slice_is_shown(folder: MapFolder) -> None:
    volume = piece(shape=(4, 6, 6))
    volume.maps[0, 2] *= 100
    volume.image[0, 2] = 0.25
    folder.write("case", [volume], asked(), {})
    picture = np.asarray(Image.open(folder.path / "case" / "lrp.png"))
    np.testing.assert_array_equal(picture, heatmap_overlay(volume.image[:, 2], volume.maps[0, 2], size=SIDE))
    assert np.load(folder.path / "case" / "lrp.npy").shape == (4, 6, 6)
    assert np.asarray(Image.open(folder.path / "case" / "image.png")).max() == 64


def test_what_is_there_with_the_same_settings_is_kept(folder: MapFolder) -> None:
    wanted = {"case": {"lrp": asked(), "rise": asked(method="rise")}}
    assert folder.missing(wanted) == {"case": {"lrp", "rise"}}
    folder.write("case", [piece()], asked(), {})
    assert folder.missing(wanted) == {"case": {"rise"}}
    folder.write("case", [piece()], asked(method="rise"), {})
    assert folder.missing(wanted) == {"case": set()}


@pytest.mark.parametrize("name", ["lrp.npy", "lrp.png", "image.png"])
def test_what_is_not_whole_is_drawn_again(folder: MapFolder, name: str) -> None:
    folder.write("case", [piece()], asked(), {})
    (folder.path / "case" / name).unlink()
    assert folder.missing({"case": {"lrp": asked()}}) == {"case": {"lrp"}}
    folder.write("case", [piece()], asked(), {})
    assert folder.missing({"case": {"lrp": asked()}}) == {"case": set()}


def test_an_array_that_is_wanted_later_is_missing(folder: MapFolder) -> None:
    MapFolder(folder.path, CLASSES).write("case", [piece()], asked(), {})
    assert "lrp.npy" not in files(folder)
    assert folder.missing({"case": {"lrp": asked()}}) == {"case": {"lrp"}}


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        ({"options": {"epsilon": 0.1}}, "options.epsilon 0.01, not 0.1"),
        ({"options": {"gate": 0.5}}, "options.gate None, not 0.5"),
        ({"target": "every"}, "target predicted, not every"),
        ({"image_sha256": "def"}, "image_sha256 abc, not def"),
    ],
)
def test_what_was_drawn_with_other_settings_is_refused_or_replaced(
    folder: MapFolder, changed: dict[str, Any], difference: str
) -> None:
    folder.write("case", [piece()], asked(), {})
    folder.write("other", [piece()], asked(), {})
    wanted = {name: {"lrp": asked(**changed)} for name in ("case", "other")}
    with pytest.raises(RunError, match="lrp of case was drawn with") as caught:
        folder.missing(wanted)
    assert f"{difference} (and 1 more); replace with --again" in str(caught.value)
    again = MapFolder(folder.path, CLASSES, raw="npy", again=True)
    assert again.missing(wanted) == {"case": {"lrp"}, "other": {"lrp"}}
    again.write("case", [piece((0, 1, 2), total=3) if "target" in changed else piece((2,))], wanted["case"]["lrp"], {})
    assert again.missing({"case": wanted["case"]}) == {"case": set()}
    assert ("lrp.png" in files(folder)) == ("target" not in changed), "no picture of before is left"


def test_a_break_leaves_whole_files_and_nothing_is_taken_for_done(folder: MapFolder) -> None:
    def broken() -> Iterator[Piece]:
        yield piece((0, 1), total=3)
        raise KeyboardInterrupt

    folder.write("case", [piece()], asked(method="rise"), {})
    folder.write("case", [piece()], asked(), {})
    with pytest.raises(KeyboardInterrupt):
        folder.write("case", broken(), asked(target="every"), {})
    assert not {name for name in files(folder) if name.startswith(".") or name == "lrp.npy"}
    for picture in (folder.path / "case").glob("*.png"):
        Image.open(picture).load()
    assert set(folder.record("case")["maps"]) == {"rise"}
    assert folder.missing({"case": {"lrp": asked(), "rise": asked(method="rise")}}) == {"case": {"lrp"}}


@pytest.mark.parametrize("changed", [{"image_sha256": "def"}, {"bias": "off"}])
def test_a_new_image_gets_a_new_picture(folder: MapFolder, changed: dict[str, Any]) -> None:
    folder.write("case", [piece()], asked(), {})
    brighter = piece()
    brighter.image[:] = 1
    folder.write("case", [brighter], asked(**changed), {})
    assert np.asarray(Image.open(folder.path / "case" / "image.png")).min() == 255


@pytest.mark.parametrize("text", ["{", "[]", '{"maps": 3}'])
def test_a_damaged_record_is_named(folder: MapFolder, text: str) -> None:
    (folder.path / "case").mkdir(parents=True)
    (folder.path / "case" / "maps.json").write_text(text)
    with pytest.raises(RunError, match=r"case/maps\.json is damaged; remove it"):
        folder.missing({"case": {"lrp": asked()}})


def test_every_case_has_a_folder_of_its_own() -> None:
    names = folder_names(["a/b.png", "a_b.png", "a/c.png", "x.y", "../z", "A_C.jpg", "ok", "é ü", ".npy", "w" * 300])
    assert names["x.y"] == "x.y"
    assert names["ok"] == "ok"
    assert names["é ü"] == "é_ü"
    assert names["../z"] == "__z"
    assert names["a/b.png"].startswith("a_b-")
    assert names["a/c.png"].startswith("a_c-"), "some file systems do not tell A from a"
    assert len({name.casefold() for name in names.values()}) == len(names)
    assert all(name and not name.startswith(".") and "/" not in name and len(name) < 128 for name in names.values())
    assert folder_names(["test/p1.png"]) == {"test/p1.png": "test_p1"}
