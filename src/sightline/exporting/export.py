"""Write a classifier in the formats that are asked for, each in a folder of its own, checked before it is kept."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sightline.attribution.methods import options_of
from sightline.errors import SettingsError
from sightline.exporting.agreement import Agreement, check_agreement
from sightline.exporting.hugging_face import Measured, write_hub_folder
from sightline.exporting.maps import Maps, trace_with_maps
from sightline.exporting.monai_bundle import ask_bundle, write_bundle
from sightline.exporting.needs import need
from sightline.exporting.onnx_file import OPSET, PACKAGES, ask_onnx, save_onnx
from sightline.exporting.place import check_place, new_folder, sizes
from sightline.exporting.program import Program, save_program, trace
from sightline.models import Classifier, open_classifier, save_classifier
from sightline.runs import write_json

FORMATS = ("safetensors", "torch", "onnx", "monai", "huggingface")
WITH_MAPS = ("torch", "onnx")


@dataclass(frozen=True)
class Exported:
    """A folder that was written.

    Attributes:
        format: one of `FORMATS`.
        folder: where it is.
        files: bytes of each file, by its path in the folder.
        agreement: how far its answers are from the model's.
        batch: number of images that it takes at a time; None for any number.
    """

    format: str
    folder: Path
    files: dict[str, int]
    agreement: Agreement
    batch: int | None = None


@dataclass(frozen=True, eq=False)
class Export:
    """What is to be written, and what is told with it.

    Attributes:
        classifier: to write.
        maps: to return beside the logits, in formats of `WITH_MAPS`; None for none.
        examples: images to compare answers by, beside random ones, `(N, C, *S)`.
        card: text of a model card, Markdown.
        scores: measured, for the card's front matter.
        licence: of the weights.
    """

    classifier: Classifier
    maps: Maps | None = None
    examples: Tensor | None = None
    card: str = ""
    scores: tuple[Measured, ...] = ()
    licence: str = "unknown"
    again: bool = field(default=False, kw_only=True)

    def write(
        self, formats: Sequence[str], out: Path, *, progress: Callable[[str], None] | None = None
    ) -> tuple[Exported, ...]:
        """Write folders into `out`, each named as its format, and its method where it returns maps.

        Nothing is begun unless all folders can be written; a folder is there whole or not at all.

        Args:
            formats: of `FORMATS`.
            out: where the folders go.
            progress: told the format that is begun.

        Raises:
            SettingsError: a format is unknown, or returns no maps.
            MissingExtraError: what a format needs is not installed.
            ExportError: a folder is there already, a format cannot hold the model, or a file answers otherwise.
        """
        for form in formats:
            self._check(form, out)
        written = []
        for form in dict.fromkeys(formats):
            if progress is not None:
                progress(form)
            target = self.folder(form, out)
            with new_folder(target, again=self.again) as folder:
                agreement, batch = _WRITERS[form](self, folder)
                files = sizes(folder)
            written.append(Exported(form, target, files, agreement, batch))
        return tuple(written)

    def folder(self, form: str, out: Path) -> Path:
        """Return the folder of a format."""
        return out / (form if self.maps is None else f"{form}-{self.maps.method}")

    @cached_property
    def program(self) -> Program:
        """The graph, traced once for all formats that hold one."""
        classifier = self.classifier
        if self.maps is None:
            return trace(classifier.model, classifier.shape, name=classifier.name)
        return trace_with_maps(classifier, self.maps)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what a graph returns."""
        return ("logits",) if self.maps is None else ("logits", "maps")

    def words(self) -> dict[str, Any]:
        """What is said beside a graph."""
        words = {**self.classifier.words(), "input_name": "images", "outputs": list(self.outputs)}
        words["batch"] = "any" if self.program.batch is None else self.program.batch
        if self.maps is not None:
            classes, target = self.classifier.classes, self.maps.target
            words["maps"] = {
                "method": self.maps.method,
                "options": options_of(self.maps.explainer),
                "of": "the predicted class" if target is None else classes[target],
                "shape": ["N", 1, *self.classifier.shape[1:]],
            }
        return words

    def answers(self, images: Tensor) -> tuple[Tensor, ...]:
        """What the model itself answers, by its engine of explanations where maps are asked for."""
        model = self.classifier.model
        return (model(images),) if self.maps is None else self.maps(model, images)

    def agree(self, found: Callable[[Tensor], tuple[Tensor, ...]], *, batch: int | None = None) -> Agreement:
        """Compare a file with the model; see `check_agreement`."""
        return check_agreement(self.answers, found, self.classifier.shape, examples=self.examples, batch=batch)

    def _check(self, form: str, out: Path) -> None:
        if form not in FORMATS:
            raise SettingsError(f"unknown format {form!r}; the formats are {', '.join(FORMATS)}, or all")
        if self.maps is not None and form not in WITH_MAPS:
            raise SettingsError(f"{form} holds no maps; those that do are {' and '.join(WITH_MAPS)}")
        if form == "onnx":
            need(PACKAGES, "the format onnx")
        check_place(self.folder(form, out), again=self.again)


def _safetensors(export: Export, folder: Path) -> tuple[Agreement, None]:
    save_classifier(export.classifier, folder)
    return export.agree(_plain(open_classifier(folder, trusted=True))), None


def _torch(export: Export, folder: Path) -> tuple[Agreement, int | None]:
    words = export.words()
    save_program(export.program, folder / "model.pt2", words={"model.json": json.dumps(words)})
    write_json(folder / "model.json", words)
    program = torch.export.load(folder / "model.pt2").module()

    def ask(images: Tensor) -> tuple[Tensor, ...]:
        answer = program(images)
        return answer if isinstance(answer, tuple) else (answer,)

    return export.agree(ask, batch=export.program.batch), export.program.batch


def _onnx(export: Export, folder: Path) -> tuple[Agreement, int | None]:
    words = {**export.words(), "opset": OPSET}
    save_onnx(export.program, folder / "model.onnx", outputs=export.outputs, words=words)
    write_json(folder / "model.json", words)
    return export.agree(ask_onnx(folder / "model.onnx"), batch=export.program.batch), export.program.batch


def _monai(export: Export, folder: Path) -> tuple[Agreement, None]:
    write_bundle(export.classifier, folder, card=export.card, licence=export.licence)
    return export.agree(ask_bundle(folder, export.classifier)), None


def _huggingface(export: Export, folder: Path) -> tuple[Agreement, None]:
    write_hub_folder(
        export.classifier, folder, card=export.card, scores=export.scores, licence=export.licence
    )  # fmt: skip
    return export.agree(_plain(open_classifier(folder, trusted=True))), None


def _plain(classifier: Classifier) -> Callable[[Tensor], tuple[Tensor, ...]]:
    return lambda images: (classifier.model(images),)


_WRITERS: dict[str, Callable[[Export, Path], tuple[Agreement, int | None]]] = {
    "safetensors": _safetensors,
    "torch": _torch,
    "onnx": _onnx,
    "monai": _monai,
    "huggingface": _huggingface,
}
