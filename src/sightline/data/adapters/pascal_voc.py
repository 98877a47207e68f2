"""PASCAL VOC 2012 and the Semantic Boundaries Dataset (SBD): photos with the outline of every object."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from sightline.data.adapters.adapter import Adapted, Adapter, Progress
from sightline.data.adapters.layout import find, found_in, keep_present
from sightline.data.adapters.selection import Selection
from sightline.data.cohort import Case, Cohort, did_you_mean
from sightline.data.images import Array
from sightline.errors import DataError, DataNotFoundError
from sightline.runs import atomic_path

CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog"),
    *("horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)  # 1 to 20 in the masks
_IGNORE = 255
_TRAINING = Literal["voc", "noval", "augmented"]
_PLACES = ("benchmark_RELEASE/dataset", "dataset", "SBD", "sbd", "SBD/dataset", "SBD/benchmark_RELEASE/dataset")


@dataclass(frozen=True)
class PascalVoc(Adapter):
    """PASCAL VOC 2012, for training with SBD beside it; a multi-label cohort of its 20 classes with a mask for each.

    The split `val` are the 1,449 photos that VOC publishes for it, and `train` is an option. Pixels between objects
    that belong to none (255 in the masks of VOC) are 127 in the masks written here, which counts as not allowed.

    Draelos and Carin train on 7,087 photos. That is 1,464 of VOC and 5,623 of SBD, lists in which some photos are
    twice; here they come once, with the mask of VOC.

    Args:
        training: `voc` are the 1,464 photos of VOC; `noval` adds those of SBD's `train_noval.txt`, which leaves out all
            photos that VOC validates on; `augmented` adds all of SBD but the 1,449, usually called trainaug.
        labels: the classes of a photo are those in its mask, or those of its objects (`Annotations`), where a class of
            which there are only objects marked as difficult is unknown.

    Reference:
        Everingham et al. 2010, doi:10.1007/s11263-009-0275-4; Hariharan et al. 2011, doi:10.1109/ICCV.2011.6126343;
        the photos: Draelos and Carin, arXiv:2011.08891, 4.
    """

    name: ClassVar[str] = "pascal_voc"
    title: ClassVar[str] = "PASCAL VOC 2012"
    home: ClassVar[str] = "host.robots.ox.ac.uk/pascal/VOC/voc2012 and home.bharathh.info/pubs/codes/SBD"
    layout: ClassVar[str] = (
        "VOC2012/{JPEGImages,SegmentationClass,Annotations}, VOC2012/ImageSets/Segmentation/{train,val}.txt\n"
        "benchmark_RELEASE/dataset/{img,cls}, train.txt, val.txt; not with training=voc\n"
        "train_noval.txt in the folder, or beside train.txt; with training=noval"
    )

    training: _TRAINING = "noval"
    labels: Literal["mask", "objects"] = "mask"

    def read(self, root: Path, out: Path, *, progress: Progress = iter) -> Adapted:
        """Make the cohort; see `Adapter.read`."""
        lists = "ImageSets/Segmentation"
        voc = find(root, f"VOC2012/{lists}/train.txt", f"{lists}/train.txt", title=self.title).parents[2]
        own = {split: _names(voc / lists / f"{split}.txt", self.title) for split in ("train", "val")}
        sbd = None if self.training == "voc" else self._sbd(root)
        more = [] if sbd is None else self._more(root, sbd)
        added = [name for name in dict.fromkeys(more) if name not in set(own["train"]) | set(own["val"])]
        origin = f"train.txt ({len(own['train']):,}) and val.txt ({len(own['val']):,}) of VOC"
        if sbd is not None:
            origin += f", {len(more):,} of SBD, {len(more) - len(added):,} of which VOC has or twice"
        cases = [
            Case(name, voc / "JPEGImages" / f"{name}.jpg", (), name, self.title, split)
            for split in ("train", "val")
            for name in own[split]
        ]
        for name in added:
            image = voc / "JPEGImages" / f"{name}.jpg"
            if sbd is not None and not image.is_file():
                image = sbd / "img" / f"{name}.jpg"
            cases.append(Case(name, image, (), name, self.title, "train"))
        chosen = Selection(cases, (), origin)  # no labels yet
        keep_present(chosen, root, title=self.title, partial=self.partial)
        complete = tuple(self._complete(case, voc, sbd, out) for case in progress(chosen.cases))
        census = (*chosen.census, *Selection(complete, CLASSES, f"classes read ({self.labels})").census)
        return Adapted(Cohort(out.absolute(), "multilabel", CLASSES, complete), census, chosen.left_out)

    def _sbd(self, root: Path) -> Path:
        return find(root, *(f"{place}/cls" for place in _PLACES), title="SBD").parent

    def _more(self, root: Path, sbd: Path) -> list[str]:
        if self.training == "augmented":
            return _names(sbd / "train.txt", "SBD") + _names(sbd / "val.txt", "SBD")
        beside = sbd / "train_noval.txt"
        found = beside if beside.is_file() else find(root, "train_noval.txt", title="SBD")
        return _names(found, "SBD")

    def _complete(self, case: Case, voc: Path, sbd: Path | None, out: Path) -> Case:
        """Add labels and masks."""
        labels = self._labels(case.id, voc, sbd)
        present = [name for value, name in enumerate(CLASSES, start=1) if (labels == value).any()]
        masks = {}
        for name in present:
            pixels = np.where(labels == _IGNORE, np.uint8(127), np.uint8(0))
            pixels[labels == CLASSES.index(name) + 1] = 255
            masks[name] = out.absolute() / "masks" / name / f"{case.id}.png"
            with atomic_path(masks[name]) as temporary:
                Image.fromarray(pixels).save(temporary, format="PNG")
        label = tuple(float(name in present) for name in CLASSES)
        if self.labels == "objects":
            label = self._objects(voc / "Annotations" / f"{case.id}.xml")
        return replace(case, label=label, class_masks=masks)

    def _labels(self, name: str, voc: Path, sbd: Path | None) -> Array:
        """Return the number of the class of each pixel, 0 for none and 255 for unknown."""
        own = voc / "SegmentationClass" / f"{name}.png"
        file = own if own.is_file() or sbd is None else sbd / "cls" / f"{name}.mat"
        if not file.is_file():
            raise DataNotFoundError(
                f"{self.title}: no mask {file.parent.name}/{file.name}, {found_in(file.parent)}; unpack the whole "
                "download"
            )
        try:
            labels = _palette(file) if file == own else _matlab(file)
        except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
            raise DataError(f"{self.title}: {file.parent.name}/{file.name} is no mask of classes: {error}") from None
        unknown = set(np.unique(labels).tolist()) - {0, *range(1, len(CLASSES) + 1), _IGNORE}
        if unknown:
            raise DataError(f"{self.title}: {file.name} should hold 0 to 20 and 255, and holds {min(unknown)}")
        return labels

    def _objects(self, file: Path) -> tuple[float, ...]:
        try:
            objects = ElementTree.parse(file).getroot().iterfind("object")
        except FileNotFoundError:
            raise DataNotFoundError(
                f"{self.title}: no {file.parent.name}/{file.name}, {found_in(file.parent)}; unpack the whole download, "
                "or say labels=mask"
            ) from None
        except (ElementTree.ParseError, ValueError, LookupError) as error:  # the latter of its character set
            raise DataError(f"{self.title}: {file.parent.name}/{file.name} is no XML: {error}") from None
        values: dict[str, float] = {}
        for each in objects:
            name, difficult = each.findtext("name", ""), each.findtext("difficult", "0").strip() == "1"
            if name not in CLASSES:
                raise DataError(f"{self.title}: {file.name}: unknown class {name!r}{did_you_mean(name, CLASSES)}")
            values[name] = 1.0 if values.get(name) == 1.0 or not difficult else float("nan")
        return tuple(values.get(name, 0.0) for name in CLASSES)


def _names(path: Path, title: str) -> list[str]:
    if not path.is_file():
        raise DataNotFoundError(
            f"{title}: no list {path.parent.name}/{path.name}, {found_in(path.parent)}; unpack the whole download"
        )
    return path.read_text(encoding="utf-8").split()


def _palette(path: Path) -> Array:
    with Image.open(path) as image:
        if image.mode not in ("P", "L"):
            raise ValueError(f"a mask has a palette, this has mode {image.mode}")
        labels: Array = np.asarray(image)
    return labels


def _matlab(path: Path) -> Array:
    from scipy.io.matlab import MatReadError, loadmat  # slow to load

    try:
        content: Mapping[str, Mapping[str, Array]] = loadmat(path, simplify_cells=True)
    except (MatReadError, NotImplementedError, zlib.error) as error:
        raise ValueError(error) from None
    labels: Array = np.asarray(content["GTcls"]["Segmentation"], np.uint8)
    return labels
