"""Models that were exported and can be asked, but not looked into: programs of torch.export, and ONNX."""

import importlib
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from sightline.errors import DataError, DataNotFoundError, MissingExtraError

Answer = Callable[[Tensor], Tensor]


def exported_program(path: Path) -> Answer:
    """Open a program that `torch.export.save` wrote, which can be asked and not looked into.

    torch may unpickle what is in it, and a pickle can run anything: open only files of people you trust.

    Its operations are fixed below the level at which explanations intercept them. If it takes a fixed number of images,
    it is given that many.

    Raises:
        DataNotFoundError: there is no such file.
        DataError: it is no exported program of one argument.
    """
    _check_file(path)
    try:
        program = torch.export.load(path)
    except Exception as error:  # a dozen kinds for a file that is not its own
        raise DataError(f"{path} is not a program of torch.export ({type(error).__name__})") from error
    inputs = program.graph_signature.user_inputs
    if len(inputs) != 1:
        raise DataError(f"{path} takes {len(inputs)} arguments; export a model that takes images alone")
    (images,) = (node for node in program.graph.nodes if node.name == inputs[0])
    size = images.meta["val"].shape[0]
    return _in_batches(program.module(), size if isinstance(size, int) else None)


def onnx_model(path: Path) -> Answer:
    """Open an ONNX file by onnxruntime on the CPU; it can be asked and not looked into.

    Its first output is taken. If it takes a fixed number of images, it is given that many.

    Raises:
        DataNotFoundError: there is no such file.
        MissingExtraError: onnxruntime is not installed.
        DataError: onnxruntime cannot use it, or it takes more than images.
    """
    _check_file(path)
    try:
        runtime = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise MissingExtraError(f"{path} needs onnxruntime; install sightline[onnx]") from error
    try:
        session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    except Exception as error:  # its own kinds, one a cause
        raise DataError(f"{path} cannot be used by onnxruntime ({' '.join(str(error).split())})") from error
    if len(session.get_inputs()) != 1:
        raise DataError(f"{path} takes {len(session.get_inputs())} arguments; export a model that takes images alone")
    (images,) = session.get_inputs()
    size = images.shape[0] if isinstance(images.shape[0], int) else None

    def ask(given: Tensor) -> Tensor:
        (answer, *_) = session.run(None, {images.name: given.detach().cpu().float().numpy()})
        return torch.from_numpy(answer)

    return _in_batches(ask, size)


class Asked(nn.Module):
    """A function as a module that can be asked, kept out of the reach of `train` and `eval`."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self._held = (answer,)  # in a tuple: an exported program is a module, and has no eval()

    def forward(self, images: Tensor) -> Tensor:
        """Ask it."""
        return self._held[0](images)


def _in_batches(answer: Answer, size: int | None) -> Answer:
    """Ask `size` images at a time, the last ones filled up; all at once where `size` is None."""
    if size is None:
        return answer

    def ask(images: Tensor) -> Tensor:
        missing = -len(images) % size
        filled = torch.cat([images, images[-1:].expand(missing, *images.shape[1:])])
        return torch.cat([answer(part) for part in torch.split(filled, size)])[: len(images)]

    return ask


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise DataNotFoundError(f"{path}: no such file")
