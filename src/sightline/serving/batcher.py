"""One queue to the model: images that come at nearly the same time go through it together."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class Batcher(Generic[Question, Answer]):
    """Collects questions for a few milliseconds and asks them all at once.

    Args:
        ask: answers some questions, in their order; called in a thread of `model`.
        model: the one thread that may use the model.
        most: questions at once.
        window_s: how long the first one waits for others, s.
        seen: told how many went together.
    """

    def __init__(
        self,
        ask: Callable[[Sequence[Question]], Sequence[Answer]],
        model: ThreadPoolExecutor,
        *,
        most: int,
        window_s: float,
        seen: Callable[[int], None] = lambda count: None,
    ) -> None:
        self._ask, self._model, self._most, self._window_s, self._seen = ask, model, most, window_s, seen
        self._waiting: asyncio.Queue[tuple[Question, asyncio.Future[Answer]]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, question: Question) -> Answer:
        """Ask one question; who stops waiting is left out."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((question, answer))
        return await answer

    def start(self) -> None:
        """Begin to answer, in the running loop."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop; what still waits is cancelled."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        while not self._waiting.empty():
            self._waiting.get_nowait()[1].cancel()

    async def _run(self) -> None:
        while True:
            group = [pair for pair in await self._collect() if not pair[1].done()]
            if not group:
                continue
            self._seen(len(group))
            questions = [question for question, _ in group]
            try:
                answers = await asyncio.get_running_loop().run_in_executor(self._model, self._ask, questions)
            except Exception as error:  # each of them is told
                for _, waiting in group:
                    if not waiting.done():
                        waiting.set_exception(error)
            else:
                for (_, waiting), answer in zip(group, answers, strict=True):
                    if not waiting.done():
                        waiting.set_result(answer)

    async def _collect(self) -> list[tuple[Question, "asyncio.Future[Answer]"]]:
        group = [await self._waiting.get()]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._window_s):
                while len(group) < self._most:
                    group.append(await self._waiting.get())
        while len(group) < self._most and not self._waiting.empty():
            group.append(self._waiting.get_nowait())
        return group
