"""Processes that read what strangers send: one that hangs, dies or grows is ended, and the server lives on.

A decoder of images is the place where a hostile file does its harm. So files are read in processes of their own, each
with a limit on its memory, and a clock that ends it. They hear the name of a file that the server gave it, and answer
with JSON and the bytes of pixels; nothing is pickled on the way back.
"""

import contextlib
import json
import multiprocessing
import os
import queue
import signal
import sys
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sightline import errors
from sightline.answering import ImageReader, Ready
from sightline.errors import DataError, SightlineError, TimeLimitError
from sightline.serving.content import check_size, unpacked
from sightline.serving.limits import Limits

_START_S = 300.0  # for a process to begin
_HEADER_BYTES = 1 << 20
_SOCKET_NAME = 107 - len("/pymp-12345678/listener-12345678")  # the longest folder of a socket that has a name


def read_within(reader: ImageReader, file: Path, limits: Limits) -> Ready:
    """Read a file whose size is not trusted.

    Raises:
        DataError: it is too large, or as `ImageReader`.
    """
    name = file.name
    file = unpacked(file, most=8 * limits.max_pixels + _HEADER_BYTES, name=name)
    check_size(file, most=limits.max_pixels, name=name)
    return reader(file)


class ReaderPool:
    """Processes that read files.

    Args:
        reader: what they do.
        limits: how large a file may be, and how many processes there are.
    """

    def __init__(self, reader: ImageReader, limits: Limits) -> None:
        self._reader, self._limits = reader, limits
        method = _start_method(tempfile.gettempdir())
        self._context: Any = multiprocessing.get_context(method)
        if method == "forkserver":
            self._context.set_forkserver_preload([__name__])
        self._idle: queue.SimpleQueue[_Child | None] = queue.SimpleQueue()
        self.threads = ThreadPoolExecutor(limits.readers, "reader")
        for child in [self._begin() for _ in range(limits.readers)]:
            child.await_start()
            self._idle.put(child)

    def read(self, file: Path, until: float) -> Ready:
        """Read a file in one of the processes; as many threads as there are processes may call this at once.

        Args:
            file: named by the server.
            until: when to give up, by `time.monotonic`.

        Raises:
            TimeLimitError: the time is up.
            SightlineError: the file cannot be used.
        """
        if time.monotonic() >= until:
            raise TimeLimitError(f"{file.name}: no time is left to read it")
        child = self._idle.get()
        try:
            if child is None:
                child = self._begin()
                child.await_start()
            return child.read(file, until)
        except (TimeLimitError, EOFError, OSError) as error:
            if child is not None:
                child.end()
                child = None
            if isinstance(error, TimeLimitError):
                raise
            raise DataError(f"{file.name}: reading it brought the decoder down; it is likely to be damaged") from None
        finally:
            self._idle.put(child)

    def close(self) -> None:
        """End the processes."""
        self.threads.shutdown(wait=True, cancel_futures=True)
        with contextlib.suppress(queue.Empty):
            while True:
                if child := self._idle.get_nowait():
                    child.end()

    def _begin(self) -> "_Child":
        return _Child(self._context, self._reader, self._limits)


def _start_method(folder: str) -> str:
    """Fork from a server, which is quick, where there is such a thing and its socket can have a name in a folder."""
    can = "forkserver" in multiprocessing.get_all_start_methods() and len(os.fsencode(folder)) <= _SOCKET_NAME
    return "forkserver" if can else "spawn"


class _Child:
    def __init__(self, context: Any, reader: ImageReader, limits: Limits) -> None:  # noqa: ANN401 - of multiprocessing
        self._line, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, reader, limits), daemon=True)
        self._process.start()
        theirs.close()

    def await_start(self) -> None:
        """Wait until the process can read."""
        if not self._line.poll(_START_S):
            raise TimeLimitError(f"a process that reads images did not begin within {_START_S:g} s")
        self._line.recv_bytes()

    def read(self, file: Path, until: float) -> Ready:
        """Ask for a file."""
        began = time.monotonic()
        self._line.send_bytes(str(file).encode())
        if not self._line.poll(max(until - began, 0)):
            raise TimeLimitError(f"{file.name}: took longer than {max(until - began, 0):.1f} s to read")
        told = json.loads(self._line.recv_bytes())
        if "error" in told:
            kind = getattr(errors, told["error"], DataError)
            raise kind(told["words"])
        pixels = np.frombuffer(bytearray(self._line.recv_bytes()), np.float32).reshape(told["shape"])
        return Ready(file.name, torch.from_numpy(pixels), tuple(told["warnings"]))

    def end(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.join()
        self._line.close()


def _work(line: Connection, reader: ImageReader, limits: Limits) -> None:
    """What a process does: read files until nobody asks any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which finishes what it has begun
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    warnings.simplefilter("ignore")  # of decoders, about files of strangers
    torch.set_num_threads(1)
    limit_memory(limits.reader_bytes)
    line.send_bytes(b"ready")
    with contextlib.suppress(EOFError, OSError):
        while True:
            _answer(line, Path(line.recv_bytes().decode()), reader, limits)


def _answer(line: Connection, file: Path, reader: ImageReader, limits: Limits) -> None:
    try:
        ready = read_within(reader, file, limits)
    except SightlineError as error:
        told = {"error": type(error).__name__, "words": str(error)}
    except MemoryError:
        told = {"error": "DataError", "words": f"{file.name}: reading it takes more memory than an image may"}
    except Exception as error:  # a decoder may raise anything
        told = {"error": "DataError", "words": f"{file.name}: unreadable ({type(error).__name__})"}
    else:
        line.send_bytes(json.dumps({"shape": list(ready.image.shape), "warnings": list(ready.warnings)}).encode())
        line.send_bytes(np.ascontiguousarray(ready.image.numpy(), np.float32).data.cast("B"))
        return
    line.send_bytes(json.dumps(told).encode())


def limit_memory(more: int) -> None:
    """Let this process take so many bytes more than it has; on Linux only."""
    if sys.platform != "linux":
        return
    import resource

    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines())
    most = int(fields["VmData"].split()[0]) * 1024 + more
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
