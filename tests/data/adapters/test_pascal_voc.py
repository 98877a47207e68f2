import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from sightline.data import read_cohort, write_cohort
from sightline.data.adapters import PascalVoc
from sightline.errors import DataError, DataNotFoundError
from sightline.regions.masks import region_from_mask

CLASSES = (  # 1 to 20 in the masks
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog"),
    *("horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
TRAIN, VAL = ["2007_000032", "2008_000002"], ["2007_000033", "2008_000003"]
NOVAL = ["2008_000002", "2008_000008"]  # the first is in VOC's train, too
SBD_TRAIN, SBD_VAL = ["2008_000008", "2008_000003"], ["2008_000020", "2008_000002"]
LABELS = np.asarray([[0, 1, 1, 255], [0, 15, 255, 0]], np.uint8)


@pytest.fixture
def download(tmp_path: Path) -> Path:
    voc, sbd = tmp_path / "VOCdevkit/VOC2012", tmp_path / "benchmark_RELEASE/dataset"
    for folder in ("JPEGImages", "SegmentationClass", "SegmentationObject", "Annotations", "ImageSets/Segmentation"):
        (voc / folder).mkdir(parents=True)
    for folder in ("img", "cls", "inst"):
        (sbd / folder).mkdir(parents=True)
    for name in {*TRAIN, *VAL, "2008_000008"}:
        Image.fromarray(np.zeros((2, 4, 3), np.uint8)).save(voc / f"JPEGImages/{name}.jpg")
        (voc / f"Annotations/{name}.xml").write_text(
            "<annotation><object><name>dog</name><part><name>head</name></part><difficult>0</difficult></object>"
            "<object><name>dog</name><difficult>1</difficult></object>"
            "<object><name>cat</name><difficult>1</difficult></object></annotation>"
        )
    for name in (*TRAIN, *VAL):
        save_palette(voc / f"SegmentationClass/{name}.png", LABELS)
    for name in {*SBD_TRAIN, *SBD_VAL}:
        Image.fromarray(np.zeros((2, 4, 3), np.uint8)).save(sbd / f"img/{name}.jpg")
        labels = np.where(LABELS == 1, 20, 0).astype(np.uint8)
        savemat(
            sbd / f"cls/{name}.mat", {"GTcls": {"Boundaries": [0], "Segmentation": labels, "CategoriesPresent": 20}}
        )
    lists = {voc / "ImageSets/Segmentation": {"train": TRAIN, "val": VAL, "trainval": TRAIN + VAL}}
    lists |= {sbd: {"train": SBD_TRAIN, "val": SBD_VAL, "train_noval": NOVAL}}
    for folder, names in lists.items():
        for name, members in names.items():
            (folder / f"{name}.txt").write_text("".join(f"{member}\n" for member in members))
    return tmp_path


def save_palette(path: Path, labels: np.ndarray) -> None:
    image = Image.frombytes("P", labels.shape[::-1], labels.tobytes())
    image.putpalette(np.random.default_rng(0).integers(0, 256, 768).tolist())
    image.save(path)


def present(case_label: tuple[float, ...]) -> list[str]:
    return [name for name, value in zip(CLASSES, case_label, strict=True) if value == 1]


def test_training_joins_two_lists_and_photos_in_both_come_once(download: Path, tmp_path: Path) -> None:
    adapted = PascalVoc().read(download, tmp_path / "out")
    cases = adapted.cohort.cases
    assert [(case.id, case.split) for case in cases] == [
        ("2007_000032", "train"),
        ("2008_000002", "train"),
        ("2007_000033", "val"),
        ("2008_000003", "val"),
        ("2008_000008", "train"),
    ]
    assert adapted.census[0].rule == ("train.txt (2) and val.txt (2) of VOC, 2 of SBD, 1 of which VOC has or twice")
    assert present(cases[1].label) == ["aeroplane", "person"]  # the mask of VOC
    assert present(cases[4].label) == ["tvmonitor"]
    assert cases[4].image == download / "VOCdevkit/VOC2012/JPEGImages/2008_000008.jpg"
    assert adapted.census[-1].classes["person"] == 4


def test_training_may_take_voc_alone_or_all_of_sbd_without_the_validation(download: Path, tmp_path: Path) -> None:
    voc = PascalVoc(training="voc").read(download, tmp_path / "out").cohort
    assert [case.id for case in voc.split("train").cases] == TRAIN
    everything = PascalVoc(training="augmented").read(download, tmp_path / "out").cohort
    assert [case.id for case in everything.split("train").cases] == [*TRAIN, "2008_000008", "2008_000020"]
    assert everything.cases[-1].image == download / "benchmark_RELEASE/dataset/img/2008_000020.jpg"
    assert [case.id for case in everything.split("val").cases] == VAL


def test_masks_are_one_a_class_and_pixels_of_nobody_are_not_allowed(download: Path, tmp_path: Path) -> None:
    case = PascalVoc().read(download, tmp_path / "out").cohort.cases[0]
    assert set(case.class_masks) == {"aeroplane", "person"}
    assert case.class_masks["person"] == tmp_path / "out/masks/person/2007_000032.png"
    assert case.mask is None
    for name, expected in {
        "aeroplane": [[0, 255, 255, 127], [0, 0, 127, 0]],
        "person": [[0, 0, 0, 127], [0, 255, 127, 0]],
    }.items():
        pixels = np.asarray(Image.open(case.class_masks[name]))
        assert pixels.tolist() == expected
        assert (region_from_mask(pixels)[0].numpy() == (np.asarray(expected) == 255)).all()


def test_numbers_in_masks_stand_for_the_20_classes_in_their_order(download: Path, tmp_path: Path) -> None:
    voc = download / "VOCdevkit/VOC2012/SegmentationClass"
    save_palette(voc / "2007_000032.png", np.arange(10, dtype=np.uint8).reshape(2, 5))
    save_palette(voc / "2008_000002.png", np.arange(11, 21, dtype=np.uint8).reshape(2, 5))
    first, second = PascalVoc(training="voc").read(download, tmp_path / "out").cohort.cases[:2]
    assert present(first.label) == list(CLASSES[:9])
    assert present(second.label) == list(CLASSES[10:])
    for case, begin, names in ((first, 1, CLASSES[:9]), (second, 0, CLASSES[10:])):
        for place, name in enumerate(names, start=begin):
            assert np.argmax(np.asarray(Image.open(case.class_masks[name]))) == place


def test_labels_may_come_from_the_objects(download: Path, tmp_path: Path) -> None:
    case = PascalVoc(training="voc", labels="objects").read(download, tmp_path / "out").cohort.cases[0]
    assert present(case.label) == ["dog"]
    assert math.isnan(case.label[CLASSES.index("cat")])  # only a difficult one
    assert set(case.class_masks) == {"aeroplane", "person"}


def test_the_cohort_is_written_and_reads_back(download: Path, tmp_path: Path) -> None:
    cohort = PascalVoc().read(download, tmp_path / "out").cohort
    again = read_cohort(write_cohort(cohort, tmp_path / "out").parent)
    assert [(case.id, case.label, case.class_masks) for case in again.cases] == [
        (case.id, case.label, case.class_masks) for case in cohort.cases
    ]


def test_the_list_without_validation_photos_may_lie_in_the_folder(download: Path, tmp_path: Path) -> None:
    lists = download / "benchmark_RELEASE/dataset/train_noval.txt"
    lists.rename(download / "train_noval.txt")
    assert len(PascalVoc().read(download, tmp_path / "out").cohort.cases) == 5
    (download / "train_noval.txt").unlink()
    with pytest.raises(
        DataNotFoundError, match=r"SBD: expected train_noval.txt in .*, found VOCdevkit/, benchmark_REL"
    ):
        PascalVoc().read(download, tmp_path / "out")


def test_a_wrong_folder_says_what_was_expected(download: Path, tmp_path: Path) -> None:
    wrong = download / "VOCdevkit/VOC2012/JPEGImages"
    with pytest.raises(DataNotFoundError, match=r"expected VOC2012/ImageSets/Segmentation/train.txt or"):
        PascalVoc().read(wrong, tmp_path / "out")
    with pytest.raises(DataNotFoundError, match=r"SBD: expected benchmark_RELEASE/dataset/cls or"):
        PascalVoc().read(download / "VOCdevkit", tmp_path / "out")
    assert len(PascalVoc(training="voc").read(download / "VOCdevkit", tmp_path / "out").cohort.cases) == 4
    (download / "VOCdevkit/VOC2012/Annotations/2007_000032.xml").unlink()
    with pytest.raises(
        DataNotFoundError, match=r"no Annotations/2007_000032.xml, found 2007_000033.xml, .*labels=mask"
    ):
        PascalVoc(training="voc", labels="objects").read(download, tmp_path / "out")


def test_missing_files_are_refused_and_photos_left_out_if_a_part_will_do(download: Path, tmp_path: Path) -> None:
    (download / "VOCdevkit/VOC2012/JPEGImages/2007_000033.jpg").unlink()
    with pytest.raises(
        DataNotFoundError, match=r"1 of 5 images are not there, first VOCdevkit/VOC2012/JPEGImages/2007"
    ):
        PascalVoc().read(download, tmp_path / "out")
    assert len(PascalVoc(partial=True).read(download, tmp_path / "out").cohort.cases) == 4
    (download / "benchmark_RELEASE/dataset/cls/2008_000008.mat").unlink()
    with pytest.raises(DataNotFoundError, match=r"no mask cls/2008_000008.mat, found 2008_000002.mat, 2008_0000"):
        PascalVoc(partial=True).read(download, tmp_path / "out")
    (download / "VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt").unlink()
    with pytest.raises(DataNotFoundError, match=r"no list Segmentation/val.txt, found train.txt, trainval.txt; unpack"):
        PascalVoc().read(download, tmp_path / "out")


def test_broken_masks_are_refused(download: Path, tmp_path: Path) -> None:
    cls = download / "benchmark_RELEASE/dataset/cls/2008_000008.mat"
    savemat(cls, {"GTinst": {"Segmentation": LABELS}})
    with pytest.raises(DataError, match=r"cls/2008_000008.mat is no mask of classes: 'GTcls'"):
        PascalVoc().read(download, tmp_path / "out")
    cls.write_bytes(b"half")
    with pytest.raises(DataError, match=r"cls/2008_000008.mat is no mask of classes"):
        PascalVoc().read(download, tmp_path / "out")
    mask = download / "VOCdevkit/VOC2012/SegmentationClass/2007_000032.png"
    save_palette(mask, LABELS + 20)
    with pytest.raises(DataError, match=r"2007_000032.png should hold 0 to 20 and 255, and holds 21"):
        PascalVoc().read(download, tmp_path / "out")
    Image.fromarray(np.zeros((2, 4, 3), np.uint8)).save(mask)
    with pytest.raises(DataError, match=r"a mask has a palette, this has mode RGB"):
        PascalVoc().read(download, tmp_path / "out")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotation>", "is no XML"),
        ("<a><object><name>do</name></object></a>", "unknown class 'do'; did you mean 'dog'"),
    ],
)
def test_broken_annotations_are_refused(download: Path, tmp_path: Path, text: str, message: str) -> None:
    (download / "VOCdevkit/VOC2012/Annotations/2007_000032.xml").write_text(text)
    with pytest.raises(DataError, match=message):
        PascalVoc(labels="objects").read(download, tmp_path / "out")
