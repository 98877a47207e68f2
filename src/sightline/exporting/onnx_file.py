"""A program as an ONNX file, and an ONNX file as something that can be asked."""

import json
import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sightline.errors import ExportError
from sightline.exporting.agreement import Answers
from sightline.exporting.needs import need
from sightline.exporting.program import Program

OPSET = 18  # the one that torch's translation is written in
PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def save_onnx(program: Program, file: Path, *, outputs: Sequence[str], words: Mapping[str, Any]) -> None:
    """Translate a program to ONNX and write it, in one file.

    Args:
        program: of one argument.
        file: where to; weights of 2 GB and more do not fit into one.
        outputs: names of what it returns.
        words: kept in the file's metadata, by name; a text as it is, anything else as JSON.

    Raises:
        MissingExtraError: onnx or onnxscript is not installed.
        ExportError: an operation has no translation.
    """
    onnx, *_ = need(PACKAGES, "the format onnx")
    talk = logging.getLogger("torch.onnx")
    level = talk.level
    try:
        talk.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of onnxscript and torch about their own internals
            made = torch.onnx.export(
                program.exported,
                dynamo=True,
                opset_version=OPSET,
                input_names=["images"],
                output_names=list(outputs),
                verbose=False,
                external_data=False,
            )
            proto = made.model_proto  # type: ignore[union-attr]  # with dynamo it is a program
    except Exception as error:  # its own kinds, one a cause
        reason = (str(error.__cause__ or error).strip() or type(error).__name__).splitlines()[0]
        raise ExportError(f"this model cannot be translated to ONNX: {reason}") from error
    finally:
        talk.setLevel(level)
    for node in (*proto.graph.node, *(node for function in proto.functions for node in function.node)):
        del node.metadata_props[:]  # source files of this machine
    for key, value in words.items():
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, value if isinstance(value, str) else json.dumps(value)
    onnx.save(proto, str(file))


def ask_onnx(file: Path, *, threads: int | None = None) -> Answers:
    """Open an ONNX file by onnxruntime on the CPU; it answers with all its outputs.

    Args:
        file: of ONNX.
        threads: to use; None leaves it to onnxruntime.
    """
    (runtime,) = need(("onnxruntime",), "checking an ONNX file")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    if threads is not None:
        options.intra_op_num_threads = threads
    session = runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    (images,) = session.get_inputs()

    def ask(given: Tensor) -> tuple[Tensor, ...]:
        return tuple(map(torch.from_numpy, session.run(None, {images.name: given.detach().numpy()})))

    return ask
