"""From the words of `sightline explain` to maps in a folder."""

import hashlib
import json
import logging
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from torch import nn

from sightline.attribution.explainer import Explainer, find_layer
from sightline.attribution.methods import options_of
from sightline.cli.dicom_maps import DicomMaps
from sightline.cli.drawing import Drawing, Some, draw_over
from sightline.cli.method_words import aim_of
from sightline.cli.stopping import UsageError
from sightline.cli.talk import Advance
from sightline.cli.working import machines_of
from sightline.comparing import Condition, choose_cases
from sightline.data import Case, Cohort, read_cohort
from sightline.errors import DataNotFoundError, LostWorkError, SightlineError
from sightline.evaluation.explain_cases import images_at_once
from sightline.evaluation.given_images import given_images
from sightline.evaluation.given_volumes import as_series
from sightline.machines import Machines
from sightline.reporting.map_folder import MapFolder, Record, folder_names
from sightline.shards import Shard, read_shard, shard_of
from sightline.stores import fetched
from sightline.training import TrainSettings, load_trained, open_run

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Work:
    """Which images are explained by which methods, and where the maps go.

    Attributes:
        title: of the run and its images.
        model: of the run.
        images: the cases.
        drawing: how they are explained, and where the maps go.
        names: folder of each case.
        asked: by folder and method, what its `maps.json` is to say that was asked.
        machines: where the maps are drawn; None for in this process.
    """

    title: str
    model: nn.Module
    images: Cohort
    drawing: Drawing
    names: Mapping[str, str]
    asked: Mapping[str, Mapping[str, Record]]
    machines: Machines | None = None

    @property
    def folder(self) -> MapFolder:
        """Where the maps go."""
        return self.drawing.folder

    @classmethod
    def prepare(cls, arguments: Namespace, methods: Mapping[str, Explainer]) -> "Work":
        """Open the run, find the images, and say what is asked of each method.

        Raises:
            SightlineError: run, images, class or layer cannot be found.
        """
        settings, run = open_run(arguments.run)
        cohort = read_cohort(settings.data.cohort)
        aim = aim_of(arguments.target, cohort)
        condition = Condition(arguments.split or "test", arguments.bias or "on")
        out = arguments.out or run.path / "maps" / ("images" if arguments.images else str(condition))
        maps_at_once = arguments.batch_size or settings.data.batch_size
        batch_size = images_at_once(maps_at_once, aim, cohort.num_classes)
        shard = read_shard(arguments.shard) if arguments.shard else None
        settings = replace(settings, data=replace(settings.data, batch_size=batch_size))
        if arguments.images:
            _no_cohort_options(arguments, settings)
            everything = images = given_images(arguments.images, cohort, leave_out=out)
            if settings.data.volume is not None:
                everything = images = as_series(images)
        else:
            everything = cohort.split(condition.split)
            images = replace(everything, cases=_chosen_cases(everything, arguments))
        if shard is not None:
            images = replace(images, cases=_share(images.cases, batch_size, shard))
        machines = machines_of(arguments, settings.device)
        here = settings if machines is None else replace(settings, device="cpu")  # where nothing is drawn
        model = load_trained(here, run, num_classes=cohort.num_classes)
        for explainer in methods.values():
            for layer in _layers(explainer):
                find_layer(model, layer)
        names = folder_names([case.id for case in everything.cases])
        weights_sha256 = _sha256(run.weights)
        common = {
            "target": aim if isinstance(aim, str) else f"class {cohort.classes[aim]}",
            "bias": None if arguments.images else condition.bias,
            "weights_sha256": weights_sha256,
        }
        dicom = None
        if arguments.dicom:
            options = {name: options_of(explainer) for name, explainer in methods.items()}
            dicom = DicomMaps.prepare(settings, weights_sha256, images, common["bias"], options, aim)
        drawing = Drawing(
            settings,
            run,
            weights_sha256,
            None if arguments.images else condition,
            methods,
            aim,
            maps_at_once,
            MapFolder(out, cohort.classes, raw=arguments.maps or "", again=arguments.again, dicom=dicom),
            "all" in arguments.method,
        )
        return cls(
            f"{settings.name} on {'images' if arguments.images else condition}",
            model,
            images,
            drawing,
            names,
            {names[case.id]: _asked(case, methods, common) for case in images.cases},
            machines,
        )

    def draw(self, advance: Advance) -> None:
        """Draw the maps that are not there yet.

        Args:
            advance: shown how many are done.

        Raises:
            SightlineError: a method cannot explain the model, or there are maps that were drawn with other settings.
        """
        missing = self.folder.missing(self.asked)
        total, done = sum(map(len, missing.values())), 0
        kept = len(missing) * len(self.drawing.methods) - total
        _log.info("%d maps to draw into %s%s", total, self.folder.path, f", {kept} are there already" if kept else "")
        groups = list(self._groups(missing))
        if not groups:
            return
        advance(done, total)

        def tell(words: str) -> None:
            advance(done, total, words)

        if self.machines is None:
            cases = tuple(case for group in groups for case in group.images.cases)
            everything = Some.of(replace(self.images, cases=cases), self.names, self.asked, missing)
            for case, method in self.drawing.draw(self.model, everything, tell=tell, unfit=_leave_out):
                done += 1
                advance(done, total, f"{method} of {case}")
            return
        told: set[str] = set()
        for some, left in draw_over(self.machines, self.drawing, groups):
            for method in left.keys() - told:
                _leave_out(method, left[method])
            told |= left.keys()
            done += some.count
            advance(done, total)
        if there_not := sum(len(methods - told) for methods in self.folder.missing(self.asked).values()):
            what = f"{there_not} maps were drawn and are not in {self.folder.path}; do all machines see the same files?"
            raise LostWorkError(what)

    def _groups(self, missing: Mapping[str, set[str]]) -> Iterator[Some]:
        """Yield the batches in which a map is missing, all cases of each, as the last digits depend on all."""
        size = self.drawing.settings.data.batch_size
        for start in range(0, len(self.images.cases), size):
            batch = self.images.cases[start : start + size]
            if any(missing[self.names[case.id]] for case in batch):
                yield Some.of(replace(self.images, cases=batch), self.names, self.asked, missing)

    def records(self) -> list[Record]:
        """What the `maps.json` of each case says about the methods asked for, with the name of its folder."""
        found = []
        for case in self.images.cases:
            record = self.folder.record(self.names[case.id])
            maps = {method: record["maps"][method] for method in self.drawing.methods if method in record["maps"]}
            found.append({"folder": self.names[case.id], **record, "maps": maps})
        return found


def _chosen_cases(split: Cohort, arguments: Namespace) -> tuple[Case, ...]:
    number = 12 if arguments.number is None else arguments.number
    if number < 1:
        raise UsageError(f"--number must be at least 1, got {number}")
    return choose_cases(split, number=number, names=tuple(dict.fromkeys(arguments.cases)))


def _share(cases: Sequence[Case], batch_size: int, shard: Shard) -> tuple[Case, ...]:
    """Whole batches, as the last digits of a map depend on them."""
    starts = shard_of(range(0, len(cases), batch_size), shard)
    return tuple(case for start in starts for case in cases[start : start + batch_size])


def _no_cohort_options(arguments: Namespace, settings: TrainSettings) -> None:
    for name in ("split", "bias", "number", "cases"):
        if getattr(arguments, name):
            raise UsageError(f"--{name} chooses from the run's cohort; leave it out where images are given")
    if arguments.target == "label":
        raise UsageError("--target label: images that are given have no label; name a class")
    if settings.data.erase_background:
        raise UsageError(
            "this run sees images without their background, for which it needs masks; put them in a cohort"
        )


def _asked(case: Case, methods: Mapping[str, Explainer], common: Record) -> dict[str, Record]:
    """What is asked of each method, as JSON gives it back."""
    image = case.variants.get(common["bias"] or "", case.image)
    if not fetched(image).exists():
        raise DataNotFoundError(f"{case.id}: no such image file {image.name}")
    common = {**common, "image_sha256": _sha256(image)}
    asked: dict[str, Record] = {
        name: {"method": name, "explainer": type(explainer).__name__, "options": options_of(explainer), **common}
        for name, explainer in methods.items()
    }
    given: dict[str, Record] = json.loads(json.dumps(asked))
    return given


def _sha256(path: Path) -> str:
    """Return the checksum of a file, or of the names and checksums of all files in a folder, such as of a series."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        listed = "".join(f"{file.relative_to(path).as_posix()} {_sha256(file)}\n" for file in files)
        return hashlib.sha256(listed.encode()).hexdigest()
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _layers(explainer: Explainer) -> tuple[str, ...]:
    """Layers of the model that an explainer, or one inside of it, asks for."""
    found: list[str] = []
    for item in fields(explainer):  # type: ignore[arg-type]  # every explainer is a dataclass
        value = getattr(explainer, item.name)
        if isinstance(value, Explainer):
            found += _layers(value)
        elif item.name in ("layer", "layers") and value:
            found += [value] if isinstance(value, str) else value
    return tuple(found)


def _leave_out(method: str, error: SightlineError | str) -> None:
    _log.warning("%s is left out: %s", method, error)
