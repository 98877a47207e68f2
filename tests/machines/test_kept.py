import threading
import time

from sightline.machines import Kept


def test_a_thing_is_opened_once_and_let_go_of_for_another() -> None:
    kept: Kept[list[str]] = Kept()
    opened = []

    def opening(name: str) -> list[str]:
        opened.append(name)
        return [name]

    for name in ("a", "a", "b", "a"):
        with kept.of(name, lambda name=name: opening(name)) as thing:  # type: ignore[misc]
            assert thing == [name]
    assert opened == ["a", "b", "a"]


def test_one_thread_at_a_time_has_it() -> None:
    kept: Kept[list[int]] = Kept()
    most = []

    def use() -> None:
        with kept.of("a", list) as users:
            users.append(1)
            time.sleep(0.01)
            most.append(len(users))
            users.pop()

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 4
