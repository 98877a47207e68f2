"""From a request to an answer: files are received, read, and put to the model."""

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request

from sightline.answering import Answerer, Explained, Prediction, Ready
from sightline.attribution.methods import Method
from sightline.serving.batcher import Batcher
from sightline.serving.limits import Limits
from sightline.serving.metrics import Metrics
from sightline.serving.questions import chosen, read_options
from sightline.serving.readers import ReaderPool
from sightline.serving.uploads import Upload, receive_files

_GRACE_S = 1.0  # what gives up by itself does so first, and can say why
Answer = TypeVar("Answer")


class Service:
    """A run that answers requests.

    Args:
        answerer: the run.
        limits: of a request.
        methods: of explanation that are offered.
        metrics: told of passes and maps.
    """

    def __init__(self, answerer: Answerer, *, limits: Limits, methods: Mapping[str, Method], metrics: Metrics) -> None:
        self.answerer, self.limits, self.methods, self.metrics = answerer, limits, methods, metrics
        self.ready = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Begin to answer, and end when what was begun is done."""
        self._model = ThreadPoolExecutor(1, "model")
        self._readers = await asyncio.to_thread(ReaderPool, self.answerer.reader, self.limits)
        self._batcher: Batcher[Ready, Prediction] = Batcher(
            self.answerer.classify,
            self._model,
            most=self.limits.batch,
            window_s=self.limits.window_s,
            seen=self.metrics.batches.add,
        )
        self._batcher.start()
        try:
            with TemporaryDirectory(prefix="sightline-serve-", ignore_cleanup_errors=True) as folder:
                self._folder = folder
                self.ready = True
                yield
        finally:
            self.ready = False
            await self._batcher.stop()
            await asyncio.to_thread(self._readers.close)
            self._model.shutdown(cancel_futures=True)

    async def predict(self, request: Request) -> list[tuple[Upload, Prediction]]:
        """Answer for the images of a request, in their order."""

        async def answer(upload: Upload) -> Prediction:
            return await self._batcher(await self._read(upload.file, request))

        async with self._files(request) as uploads:
            tasks = [asyncio.create_task(answer(upload)) for upload in uploads]
            try:
                answers = await asyncio.gather(*tasks)
            finally:
                for task in tasks:  # of a request that was given up
                    task.cancel()
        return list(zip(uploads, answers, strict=True))

    async def explain(self, request: Request, name: str, target: str, options: str) -> tuple[Upload, Explained]:
        """Explain the image of a request."""
        method = chosen(name, self.methods)
        wanted = read_options(options, method)
        async with self._files(request) as uploads:
            if len(uploads) > 1:
                raise HTTPException(422, f"one image is explained in a request, got {len(uploads)}")
            ready = await self._read(uploads[0].file, request)
            draw = functools.partial(
                self.answerer.explain, ready, name, None if target == "predicted" else target, wanted
            )
            drawn = await self._in_model(lambda: draw(within_s=max(_left(request), 0)))
        self.metrics.maps[name] += 1
        return uploads[0], drawn

    @asynccontextmanager
    async def _files(self, request: Request) -> AsyncIterator[list[Upload]]:
        """The files of a request, which are gone afterwards."""
        with TemporaryDirectory(dir=self._folder, ignore_cleanup_errors=True) as folder:
            uploads = await receive_files(request, Path(folder), self.limits)
            async with asyncio.timeout(max(_left(request), 0) + _GRACE_S):
                yield uploads

    async def _read(self, file: Path, request: Request) -> Ready:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers.threads, self._readers.read, file, request.state.until)

    async def _in_model(self, ask: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._model, ask)


def _left(request: Request) -> float:
    """Seconds that a request has left."""
    until: float = request.state.until
    return until - time.monotonic()
