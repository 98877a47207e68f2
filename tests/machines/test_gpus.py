import pytest

from sightline.machines.gpus import gpu_of, shared_gpus


@pytest.mark.parametrize(
    ("device", "count", "visible", "expected"),
    [
        ("auto", 3, None, ("0", "1", "2")),
        ("cuda", 2, "4, 6", ("4", "6")),
        ("cuda", 2, "GPU-aa,GPU-bb,none,7", ("GPU-aa", "GPU-bb")),
        ("cuda", 1, "4", ()),
        ("auto", 0, "", ()),
        ("cuda:1", 4, None, ()),
        ("cpu", 4, None, ()),
    ],
)
def test_gpus_are_shared_out_where_there_is_a_choice(
    device: str, count: int, visible: str | None, expected: tuple[str, ...]
) -> None:
    assert shared_gpus(device, count=count, visible=visible) == expected


def test_processes_take_gpus_in_turn() -> None:
    assert [gpu_of(number, ("4", "6")) for number in range(4)] == ["4", "6", "4", "6"]
    assert gpu_of(1, ()) == ""
