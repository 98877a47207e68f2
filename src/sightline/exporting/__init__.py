"""Trained classifiers as ordinary files: weights with words, graphs for other runtimes, folders for other tools."""

from sightline.exporting.agreement import Agreement, check_agreement
from sightline.exporting.export import FORMATS, WITH_MAPS, Export, Exported
from sightline.exporting.hugging_face import Measured
from sightline.exporting.maps import Maps, trace_with_maps
from sightline.exporting.of_run import classifier_of, examples_of
from sightline.exporting.program import Program, trace

__all__ = [
    "FORMATS",
    "WITH_MAPS",
    "Agreement",
    "Export",
    "Exported",
    "Maps",
    "Measured",
    "Program",
    "check_agreement",
    "classifier_of",
    "examples_of",
    "trace",
    "trace_with_maps",
]
