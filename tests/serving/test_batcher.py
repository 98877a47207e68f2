import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightline.serving.batcher import Batcher


async def asked(questions: Sequence[int], most: int, window_s: float = 0.0) -> tuple[list[int], list[int]]:
    """Answers to questions that come at once, and how many went together."""
    groups: list[int] = []
    with ThreadPoolExecutor(1) as model:
        batcher: Batcher[int, int] = Batcher(
            lambda some: [each * each for each in some], model, most=most, window_s=window_s, seen=groups.append
        )
        batcher.start()
        answers = await asyncio.gather(*map(batcher, questions))
        await batcher.stop()
    return answers, groups


@given(questions=st.lists(st.integers(-9, 9), max_size=20), most=st.integers(1, 8))
def test_everyone_gets_the_own_answer(questions: list[int], most: int) -> None:
    answers, groups = asyncio.run(asked(questions, most))
    assert answers == [question * question for question in questions]
    assert sum(groups) == len(questions)
    assert max(groups, default=0) <= most


def test_those_that_come_at_once_go_together() -> None:
    _, groups = asyncio.run(asked(range(10), 4, 0.05))
    assert groups == [4, 4, 2]


def test_who_comes_within_the_window_goes_along() -> None:
    async def main() -> list[int]:
        groups: list[int] = []
        with ThreadPoolExecutor(1) as model:
            batcher: Batcher[int, int] = Batcher(list, model, most=8, window_s=5.0, seen=groups.append)
            batcher.start()
            first = asyncio.create_task(batcher(0))
            await asyncio.sleep(0.02)
            await asyncio.gather(first, *map(batcher, range(7)))
            await batcher.stop()
        return groups

    assert asyncio.run(main()) == [8], "and a full one does not wait"


def test_a_failure_is_everyones_and_the_next_is_answered() -> None:
    async def main() -> None:
        failing = True

        def ask(some: Sequence[int]) -> Sequence[int]:
            if failing:
                raise ValueError("broken")
            return some

        with ThreadPoolExecutor(1) as model:
            batcher: Batcher[int, int] = Batcher(ask, model, most=2, window_s=0.05)
            batcher.start()
            told = await asyncio.gather(batcher(1), batcher(2), return_exceptions=True)
            assert [str(error) for error in told] == ["broken", "broken"]
            failing = False
            assert await batcher(3) == 3
            await batcher.stop()

    asyncio.run(main())


def test_who_went_away_is_not_answered() -> None:
    async def main() -> list[int]:
        seen: list[int] = []
        free = threading.Event()

        def ask(some: Sequence[int]) -> Sequence[int]:
            free.wait(30)
            seen.extend(some)
            return some

        with ThreadPoolExecutor(1) as model:
            batcher: Batcher[int, int] = Batcher(ask, model, most=1, window_s=0)
            batcher.start()
            first, second, third = (asyncio.create_task(batcher(number)) for number in range(3))
            await asyncio.sleep(0.05)
            second.cancel()
            free.set()
            assert (await first, await third) == (0, 2)
            with pytest.raises(asyncio.CancelledError):
                await second
            await batcher.stop()
        return seen

    assert asyncio.run(main()) == [0, 2]


def test_what_waits_when_it_stops_is_cancelled() -> None:
    async def main() -> None:
        with ThreadPoolExecutor(1) as model:
            batcher: Batcher[int, int] = Batcher(list, model, most=1, window_s=0)
            waiting = asyncio.create_task(batcher(1))  # it was not started
            await asyncio.sleep(0)
            await batcher.stop()
            with pytest.raises(asyncio.CancelledError):
                await waiting

    asyncio.run(main())
