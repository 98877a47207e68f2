"""The maps of some cases, drawn in this process or in others: what `sightline explain` divides its work into."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from uuid import uuid4

from torch import nn

from sightline.attribution.explainer import Explainer
from sightline.attribution.methods import methods
from sightline.cli.dicom_maps import DicomMaps
from sightline.cli.working import lost_work
from sightline.comparing import Condition, condition_batches
from sightline.data import Case, Cohort, chosen_batches
from sightline.data.readers.checksums import sha256_of
from sightline.errors import RunError, SightlineError
from sightline.evaluation.explain_cases import Aim, explain_cases
from sightline.evaluation.given_images import given_batches, spatial_axes
from sightline.machines import Kept, Machines, absolute
from sightline.reporting.map_folder import MapFolder, Record
from sightline.runs import RunFolder
from sightline.training import TrainSettings, load_trained
from sightline.types import Batch

_OPENED: Kept[nn.Module] = Kept()  # in this process


@dataclass(frozen=True)
class Some:
    """Cases whose maps are drawn together.

    Attributes:
        images: the cases, whole batches.
        names: folder of each case.
        asked: by folder and method, what its `maps.json` is to say that was asked.
        missing: methods whose maps are to be drawn, by folder.
    """

    images: Cohort
    names: Mapping[str, str]
    asked: Mapping[str, Mapping[str, Record]]
    missing: Mapping[str, Collection[str]]

    @classmethod
    def of(
        cls,
        images: Cohort,
        names: Mapping[str, str],
        asked: Mapping[str, Mapping[str, Record]],
        missing: Mapping[str, Collection[str]],
    ) -> "Some":
        """Take what is about the cases out of what is about more."""
        own = {case.id: names[case.id] for case in images.cases}
        folders = list(own.values())
        return cls(images, own, {name: asked[name] for name in folders}, {name: missing[name] for name in folders})

    @property
    def count(self) -> int:
        """Number of maps to draw."""
        return sum(map(len, self.missing.values()))


@dataclass(frozen=True)
class Drawing:
    """How maps are drawn, and where they go.

    Attributes:
        settings: of the run; its batch size is that of the images.
        run: its folder.
        weights_sha256: checksum of its weights.
        condition: of its cohort; None where images are given.
        methods: explainers by name.
        aim: what is explained.
        maps_at_once: most maps to hold.
        folder: where they go.
        optional: leave out methods that cannot explain the model.
    """

    settings: TrainSettings
    run: RunFolder
    weights_sha256: str
    condition: Condition | None
    methods: Mapping[str, Explainer]
    aim: Aim
    maps_at_once: int
    folder: MapFolder
    optional: bool

    def open(self) -> nn.Module:
        """Open the model, and see that this process finds what the command found.

        Raises:
            RunError: it does not.
        """
        if not self.folder.path.is_dir() or sha256_of(self.run.weights) != self.weights_sha256:
            raise RunError(
                f"a process that draws sees no {self.folder.path}, or other weights in {self.run.path} than the "
                "command; do all machines see the same files?"
            )
        return load_trained(self.settings, self.run, num_classes=len(self.folder.classes))

    def draw(
        self,
        model: nn.Module,
        some: Some,
        *,
        tell: Callable[[str], None] = lambda words: None,
        unfit: Callable[[str, SightlineError], None],
    ) -> Iterator[tuple[str, str]]:
        """Draw what is missing of some cases; yield case and method of each map that was written.

        Raises:
            SightlineError: a method cannot explain the model.
        """
        cases = {case.id: case for case in some.images.cases}
        pieces = explain_cases(
            model,
            self._batches(model, some.images),
            {name: _telling(name, explainer, tell) for name, explainer in self.methods.items()},
            aim=self.aim,
            task=some.images.task,
            num_classes=some.images.num_classes,
            maps_at_once=self.maps_at_once,
            wanted=lambda case, method: method in some.missing[some.names[case]],
            unfit=unfit if self.optional else None,
        )
        for (case, method), of_one in groupby(pieces, key=lambda piece: (piece.case, piece.method)):
            name = some.names[case]
            self.folder.write(name, of_one, some.asked[name][method], _about(cases[case], some.images))
            yield case, method

    def _batches(self, model: nn.Module, images: Cohort) -> Iterable[Batch]:
        data = self.settings.data
        if self.condition is not None:
            return condition_batches(data, images, self.condition)
        if data.volume is not None:
            return chosen_batches(data, images)
        axes = spatial_axes(model)
        return given_batches(images, data.preprocessing, axes=axes, batch_size=data.batch_size, workers=data.workers)

    def of_cases(self, images: Cohort) -> "Drawing":
        """Leave out what is about other cases."""
        dicom = self.folder.dicom
        if not isinstance(dicom, DicomMaps):
            return self
        dicom = replace(dicom, images={case.id: dicom.images[case.id] for case in images.cases})
        return replace(self, folder=replace(self.folder, dicom=dicom))


@dataclass(frozen=True)
class Unit:
    """Some cases, and all that a process needs to draw their maps.

    Attributes:
        command: drawn anew by each command, so that nothing is kept beyond it.
        drawing: how.
        some: the cases.
    """

    command: str
    drawing: Drawing
    some: Some


def draw_unit(unit: Unit) -> dict[str, str]:
    """Draw the maps of a unit; return which methods were left out, and why.

    The model is opened with the first unit of a command that a process gets.
    """
    left: dict[str, str] = {}

    def leave_out(method: str, error: SightlineError) -> None:
        left[method] = str(error)

    with _OPENED.of(unit.command, unit.drawing.open) as model:
        for _ in unit.drawing.draw(model, unit.some, unfit=leave_out):
            pass
    return left


def draw_over(machines: Machines, drawing: Drawing, groups: Iterable[Some]) -> Iterator[tuple[Some, dict[str, str]]]:
    """Draw the maps of groups of cases; yield each group that is done, and which methods were left out, and why.

    Raises:
        LostWorkError: a group ended every process that took it up; the others are drawn.
        SightlineError: a method cannot explain the model, or a process sees other files.
    """
    command, elsewhere, lost = uuid4().hex, absolute(drawing), []
    drawing.folder.path.mkdir(parents=True, exist_ok=True)
    units = [Unit(command, elsewhere.of_cases(some.images), absolute(some)) for some in groups]
    for unit, left in machines.do(draw_unit, units):
        if left is None:
            lost.append([case.id for case in unit.some.images.cases])
        else:
            yield unit.some, left
    if lost:
        raise lost_work(lost, drawing.folder.path)


def _about(case: Case, cohort: Cohort) -> Record:
    """What is known about a case."""
    if isinstance(case.label, int):
        label = cohort.classes[case.label] if case.label >= 0 else None
    else:
        present = [name for name, value in zip(cohort.classes, case.label, strict=True) if value == 1]
        label = ", ".join(present) or ("none" if all(value == 0 for value in case.label) else None)
    return {"case": case.id, "image": cohort.name(case.image), "label": label}


def _telling(name: str, explainer: Explainer, tell: Callable[[str], None]) -> Explainer:
    """The same explainer; where it can, it says how far it is."""
    if not methods()[name].has("progress"):
        return explainer
    told: Explainer = replace(explainer, progress=lambda done, total: tell(f"{name}: {done} of {total}"))  # type: ignore[type-var]
    return told
