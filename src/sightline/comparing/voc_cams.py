r"""HiResCAM and Grad-CAM of one classifier against the outlines of objects, by the number of labels in an image.

Both maps are rectified, brought to the size of the image, stretched to [0, 1], and cut at the threshold of the class
that is best on other images, one for each map: $\mathrm{IoU} = |P \cap T| / |P \cup T|$.

Reference:
    Draelos and Carin, arXiv:2011.08891v2, section 13 and figure 10.
"""

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sightline.comparing.conditions import Condition
from sightline.comparing.grad_cam_study import study_layer
from sightline.comparing.map_overlaps import MAPS, Overlaps, cut_at_best, measure_maps
from sightline.comparing.protocol import condition_batches
from sightline.comparing.voc_cams_settings import VocCamsSettings
from sightline.data import Case, Cohort, ImageCache, batches, read_cohort
from sightline.errors import DataError
from sightline.evaluation import Evaluation, evaluate
from sightline.metrics.averages import Array, mean_defined
from sightline.metrics.intervals import Interval
from sightline.metrics.paired import DifferenceTest, paired_t_test, wilcoxon_signed_rank
from sightline.metrics.patient_means import patient_means
from sightline.models import build_model, load_weights
from sightline.plain import to_plain
from sightline.runs import RunFolder, write_json, write_text
from sightline.training import TrainSettings, load_trained, train

MAP_TITLES = {"hirescam": "HiResCAM", "grad-cam": "Grad-CAM"}
NUMBERS = ("all", "1", "2", "3 or more")


@dataclass(frozen=True)
class MapOverlap:
    """How the two maps fit the outlines in some images.

    Attributes:
        images: that have a pair of image and class.
        maps: mean IoU over the pairs of each map, with its interval by drawing images.
        difference: HiResCAM less Grad-CAM, of the same pairs, likewise.
        t_test: of the means of images, paired.
        wilcoxon: signed ranks of the means of images.
    """

    images: int
    maps: Mapping[str, Interval]
    difference: Interval
    t_test: DifferenceTest
    wilcoxon: DifferenceTest

    def as_dict(self) -> dict[str, Any]:
        """Fields by name, for JSON."""
        return {
            "images": self.images,
            "iou": {name: interval.as_dict() for name, interval in self.maps.items()},
            "difference": self.difference.as_dict(),
            "t_test": self.t_test.as_dict(),
            "wilcoxon": self.wilcoxon.as_dict(),
        }


@dataclass(frozen=True, eq=False)
class VocCams:
    """What came out of a study.

    Attributes:
        settings: what was asked for.
        classes: names of the K classes.
        patients: by case.
        evaluation: answers of the classifier to the whole split.
        thresholds: of each map, `(K,)`; NaN for a class that no image to choose by has.
        overlaps: at these thresholds.
    """

    settings: VocCamsSettings
    classes: tuple[str, ...]
    patients: Mapping[str, str]
    evaluation: Evaluation
    thresholds: Mapping[str, Array]
    overlaps: Overlaps

    def rows(self, number: str) -> NDArray[np.bool_]:
        """Say which pairs are of images with so many labels, one of `NUMBERS`, `(P,)`."""
        counts = self.overlaps.numbers
        chosen: NDArray[np.bool_] = counts > 0
        if number != "all":
            chosen = counts == int(number) if number.isdigit() else counts > 2
        return chosen

    def by_number(self) -> dict[str, MapOverlap]:
        """How the maps fit in images with so many labels; a number that no pair has is left out."""
        return {number: self._overlap(self.rows(number)) for number in NUMBERS if self.rows(number).any()}

    def as_dict(self) -> dict[str, Any]:
        """Everything but the single pairs, as `study.json` holds it."""
        return {
            "settings": to_plain(self.settings),
            "classifier": {name: interval.as_dict() for name, interval in self.evaluation.metrics.items()},
            "thresholds": {
                name: dict(zip(self.classes, cuts.tolist(), strict=True)) for name, cuts in self.thresholds.items()
            },
            "labels_in_image": {number: found.as_dict() for number, found in self.by_number().items()},
        }

    def as_csv(self) -> str:
        """One line a pair."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["case", "class", "labels_in_image", *MAPS])
        pairs = self.overlaps
        for row, case in enumerate(pairs.cases):
            values = [float(pairs.values[name][row]) for name in MAPS]
            told = ["" if value != value else value for value in values]
            writer.writerow([case, self.classes[pairs.labels[row]], int(pairs.numbers[row]), *told])
        return text.getvalue()

    def write(self, folder: Path) -> None:
        """Write `study.csv` and `study.json`, each atomically."""
        write_text(folder / "study.csv", self.as_csv())
        write_json(folder / "study.json", self.as_dict())

    def _overlap(self, rows: NDArray[np.bool_]) -> MapOverlap:
        one, other = (self.overlaps.values[name][rows] for name in MAPS)
        images = np.array(self.overlaps.cases)[rows]
        people = [self.patients[case] for case in images]
        settings = self.settings.resampling
        *means, difference = patient_means(np.stack([one, other, one - other], 1), people, resampling=settings)
        names = np.unique(images)
        first, second = ([float(mean_defined(each[images == name])) for name in names] for each in (one, other))
        return MapOverlap(
            len(names),
            dict(zip(MAPS, means, strict=True)),
            difference,
            paired_t_test(first, second, level=settings.level),
            wilcoxon_signed_rank(first, second, level=settings.level),
        )


def run_voc_cams(
    settings: VocCamsSettings,
    folder: Path,
    *,
    trainer: Callable[[TrainSettings, Path], RunFolder] | None = None,
    progress: Callable[[str], Callable[[int, int | None], None]] | None = None,
) -> VocCams:
    """Train the classifier into the folder `classifier`, and compare its two maps with the outlines.

    A finished run that is there is read, one that was interrupted goes on.

    Args:
        settings: of the study.
        folder: holds the run, `study.json` and `study.csv`.
        trainer: trains into a run folder, or continues there; `train` by default.
        progress: asked for a function of batches done and batches in all, once a split.

    Raises:
        DataError: the cohort has one label an image, or a split has no outlines.
        RunError: the folder holds a run with other settings.
    """
    cohort = read_cohort(settings.data.cohort)
    if cohort.task != "multilabel":
        raise DataError(f"the study is of several labels an image, a multilabel cohort, got a {cohort.task} one")
    outlined = {name: with_outlines(cohort, name) for name in (settings.calibration, settings.split)}
    some = outlined[settings.calibration].cases
    step = -(-len(some) // settings.calibration_images)
    outlined[settings.calibration] = replace(cohort, cases=some[::step])
    model = _classifier(settings, folder, trainer or _train, cohort.num_classes)
    cache = ImageCache(settings.data.cache_mib, settings.data.cache_dir)
    patients = {case.id: case.patient for case in cohort.cases}
    evaluation = evaluate(
        model,
        condition_batches(settings.data, cohort, Condition(settings.split), cache=cache),
        task=cohort.task,
        classes=cohort.classes,
        patients=patients,
        progress=progress(f"answers on {settings.split}") if progress else None,
    )
    prepared, layer = replace(settings.data.preprocessing, regions="class_mask"), settings.layer or study_layer(model)
    found = {}
    for name, part in outlined.items():
        images = batches(part, prepared, batch_size=settings.data.batch_size, seed=None, cache=cache)
        found[name] = measure_maps(model, images, layer, progress=progress(f"maps on {name}") if progress else None)
    thresholds, overlaps = cut_at_best(found[settings.calibration], found[settings.split], cohort.num_classes)
    study = VocCams(settings, cohort.classes, patients, evaluation, thresholds, overlaps)
    study.write(folder)
    return study


def with_outlines(cohort: Cohort, split: str) -> Cohort:
    """Return the images of a split that have a class with a mask of its own.

    Raises:
        DataError: there is none.
    """

    def outlined(case: Case) -> bool:
        present = case.label if isinstance(case.label, tuple) else ()
        pairs = zip(cohort.classes, present, strict=False)
        return any(value == 1 and name in case.class_masks for name, value in pairs)

    cases = tuple(filter(outlined, cohort.split(split).cases))
    if not cases:
        raise DataError(f"no image of split {split} has a mask of its own for a class in it, columns mask:<class>")
    return replace(cohort, cases=cases)


def _classifier(
    settings: VocCamsSettings, folder: Path, trainer: Callable[[TrainSettings, Path], RunFolder], num_classes: int
) -> nn.Module:
    training = settings.training()
    if settings.trained is None:
        return load_trained(training, trainer(training, folder / "classifier"), num_classes=num_classes)
    model = build_model(replace(settings.model, weights=None), num_classes=num_classes, seed=settings.seed)
    if load_weights(model, settings.trained).kept:
        raise DataError(f"the weights {settings.trained} are not of {num_classes} classes; train with this cohort")
    device = settings.device if settings.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    return model.to(device).eval()


def _train(settings: TrainSettings, folder: Path) -> RunFolder:
    return train(settings, folder, resume=(folder / "config.yaml").is_file())
