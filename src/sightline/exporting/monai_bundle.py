"""A bundle as MONAI's tools read it: a state dict, what it is, and how to run it.

Reference:
    The MONAI Bundle Specification, https://docs.monai.io/en/stable/mb_specification.html.
"""

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sightline import __version__
from sightline.errors import ExportError
from sightline.exporting.agreement import Answers
from sightline.models import Classifier
from sightline.models.classifier_folder import build_network, checksum, plain_architecture
from sightline.runs import atomic_path, write_json, write_text

MONAI = "1.3.0"  # the layout is that of bundles from then on
_SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
_USE = "Research on how classifiers decide. Not a medical device, not for diagnosis, treatment or other clinical use."
_NO_LICENCE = "No licence was given for these weights. Ask those who trained them before you use or pass them on.\n"

# What the specification asks for, and the kind of each
_REQUIRED: dict[str, type | tuple[type, ...]] = {
    "version": str,
    "monai_version": str,
    "pytorch_version": str,
    "numpy_version": str,
    "required_packages_version": dict,
    "optional_packages_version": dict,
    "task": str,
    "description": str,
    "authors": str,
    "copyright": str,
    "network_data_format": dict,
}
_TENSOR: dict[str, type | tuple[type, ...]] = {
    "type": str,
    "format": str,
    "num_channels": int,
    "spatial_shape": list,
    "dtype": str,
    "value_range": list,
    "is_patch_data": bool,
    "channel_def": dict,
}


def write_bundle(classifier: Classifier, folder: Path, *, card: str = "", licence: str = "unknown") -> None:
    """Write a bundle.

    Args:
        classifier: to write.
        folder: where to.
        card: text for its reader, Markdown.
        licence: of the weights.

    Raises:
        ExportError: the metadata would not be what the specification asks for.
    """
    metadata = bundle_metadata(classifier)
    check_metadata(metadata)
    (folder / "models").mkdir(parents=True)
    with atomic_path(folder / "models" / "model.pt") as temporary:
        torch.save({name: value.clone() for name, value in classifier.model.state_dict().items()}, temporary)
    metadata["weights"] = checksum(folder / "models" / "model.pt")
    write_json(folder / "configs" / "metadata.json", metadata)
    write_json(folder / "configs" / "inference.json", inference_config(classifier))
    words = _NO_LICENCE if licence == "unknown" else f"Licence of these weights: {licence}\n"
    write_text(folder / "LICENSE", words)
    write_text(folder / "docs" / "README.md", (card or f"# {classifier.name}\n").rstrip() + "\n" + _how(classifier))


def ask_bundle(folder: Path, classifier: Classifier) -> Answers:
    """Open the state dict of a bundle in the network that its `inference.json` tells of."""
    told = inference_config(classifier)["network_def"]
    network = build_network(told["architecture"], num_classes=told["num_classes"], left_out=told["left_out"])
    state = torch.load(folder / "models" / "model.pt", map_location="cpu", weights_only=True)
    network.load_state_dict(state)
    network.eval()
    return lambda images: (network(images),)


def bundle_metadata(classifier: Classifier) -> dict[str, Any]:
    """Return what `metadata.json` says."""
    channels, *spatial = classifier.shape
    names = dict(enumerate(classifier.classes))
    return {
        "schema": _SCHEMA,
        "version": "0.1.0",
        "changelog": {"0.1.0": "exported by Sightline"},
        "monai_version": _installed("monai") or MONAI,
        "pytorch_version": torch.__version__.split("+")[0],
        "numpy_version": np.__version__,
        "required_packages_version": {"sightline": __version__},
        "optional_packages_version": {},
        "name": classifier.name,
        "task": f"Classification of {'images' if len(spatial) == 2 else 'volumes'}, {classifier.task}",
        "description": f"{classifier.architecture.name}, trained by Sightline to tell {', '.join(classifier.classes)}",
        "authors": "unknown",
        "copyright": "unknown",
        "intended_use": _USE,
        "network_data_format": {
            "inputs": {
                "image": {
                    "type": "image",
                    "format": "magnitude",
                    "modality": "n/a",
                    "num_channels": channels,
                    "spatial_shape": spatial,
                    "dtype": "float32",
                    "value_range": [0, 1],
                    "is_patch_data": False,
                    "channel_def": {str(index): name for index, name in enumerate(classifier.channels or ["image"])},
                }
            },
            "outputs": {
                "pred": {
                    "type": "probabilities",
                    "format": "classes",
                    "num_channels": len(names),
                    "spatial_shape": [1, len(names)],
                    "dtype": "float32",
                    "value_range": [],  # logits
                    "is_patch_data": False,
                    "channel_def": {str(index): name for index, name in names.items()},
                }
            },
        },
        "sightline": classifier.words(),
    }


def check_metadata(metadata: Mapping[str, Any]) -> None:
    """Check that metadata have every field that the specification asks for, of its kind, for every tensor.

    Raises:
        ExportError: a field is missing, or of another kind.
    """
    _check_fields(metadata, _REQUIRED, "metadata.json")
    formats = metadata["network_data_format"]
    for side in ("inputs", "outputs"):
        if not isinstance(formats.get(side), Mapping) or not formats[side]:
            raise ExportError(f"network_data_format of metadata.json must name {side}")
        for name, tensor in formats[side].items():
            _check_fields(tensor, _TENSOR, f"{side}.{name} of metadata.json")
            if len(tensor["channel_def"]) != tensor["num_channels"]:
                raise ExportError(f"channel_def of {side}.{name} must name {tensor['num_channels']} channels")


def inference_config(classifier: Classifier) -> dict[str, Any]:
    """Return what `inference.json` says: the parts that MONAI's `python -m monai.bundle run` puts together."""
    plain = dict(classifier.preprocessing)
    of, value_range = plain.pop("of", "images"), plain.pop("value_range", None)
    several = classifier.task == "multilabel"
    return {
        "imports": ["$import glob", "$import os"],
        "bundle_root": ".",
        "dataset_dir": "$@bundle_root + '/images'",
        "output_dir": "$@bundle_root + '/output'",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "datalist": "$[{'image': file} for file in sorted(glob.glob(os.path.join(@dataset_dir, '*')))]",
        "network_def": {
            "_target_": "sightline.models.classifier_folder.build_network",
            "architecture": plain_architecture(classifier.architecture),
            "num_classes": len(classifier.classes),
            "left_out": list(classifier.left_out),
        },
        "network": "$@network_def.to(@device)",
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {
                    "_target_": "sightline.exporting.bundle_input.PrepareImaged",
                    "keys": "image",
                    "preprocessing": plain,
                    "of": of,
                    "value_range": value_range,
                }
            ],
        },
        "dataset": {"_target_": "Dataset", "data": "@datalist", "transform": "@preprocessing"},
        "dataloader": {"_target_": "DataLoader", "dataset": "@dataset", "batch_size": 1, "shuffle": False},
        "inferer": {"_target_": "SimpleInferer"},
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "Activationsd", "keys": "pred", "sigmoid": several, "softmax": not several},
                {"_target_": "SaveClassificationd", "keys": "pred", "saver": None, "output_dir": "@output_dir"},
            ],
        },
        "handlers": [
            {
                "_target_": "CheckpointLoader",
                "load_path": "$@bundle_root + '/models/model.pt'",
                "load_dict": {"model": "@network"},
            }
        ],
        "evaluator": {
            "_target_": "SupervisedEvaluator",
            "device": "@device",
            "val_data_loader": "@dataloader",
            "network": "@network",
            "inferer": "@inferer",
            "postprocessing": "@postprocessing",
            "val_handlers": "@handlers",
        },
        "run": ["$@evaluator.run()"],
    }


def _check_fields(given: Any, wanted: Mapping[str, type | tuple[type, ...]], where: str) -> None:  # noqa: ANN401
    for name, kind in wanted.items():
        if not isinstance(given, Mapping) or name not in given:
            raise ExportError(f"{where} lacks {name}")
        if not isinstance(given[name], kind):
            raise ExportError(f"{name} in {where} must be {kind}, got {type(given[name]).__name__}")


def _how(classifier: Classifier) -> str:
    gaze = any(name.startswith("gaze") for name in classifier.channels)
    limits = "\nThis network reads gaze, which `inference.json` does not prepare: give it prepared tensors.\n"
    return f"""
## How to run it

    pip install sightline monai[ignite]
    python -m monai.bundle run --config_file configs/inference.json --dataset_dir images

`configs/metadata.json` has the fields that the bundle specification asks for. This bundle was checked for those fields
and for the answers of its weights, with torch {torch.__version__} on {platform.system()}. It was not run by MONAI.
{limits if gaze else ""}"""


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
