import pytest

from sightline.errors import SettingsError
from sightline.training import find_place, joined
from sightline.training.joining import Place, first_host

SLURM = {
    "SLURM_PROCID": "9",
    "SLURM_STEP_NUM_TASKS": "16",
    "SLURM_LOCALID": "1",
    "SLURM_STEP_NODELIST": "gpu[07-08]",
    "SLURM_JOB_ID": "1234567",
}


def test_nobody_says_anything() -> None:
    assert find_place({}) == Place()
    with joined(Place()) as processes:
        assert (processes.rank, processes.count, processes.several, processes.first) == (0, 1, False, True)


def test_torchrun_says_where() -> None:
    told = {"RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "TORCHELASTIC_RESTART_COUNT": "2"}
    assert find_place(told) == Place(5, 8, 1, restarts=2)


def test_srun_says_where() -> None:
    assert find_place(SLURM) == Place(9, 16, 1, "gpu07:34567")
    assert find_place(SLURM | {"MASTER_ADDR": "big", "MASTER_PORT": "29500"}).address == "big:29500"


def test_a_batch_script_of_slurm_is_alone() -> None:
    assert find_place({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"}) == Place()


@pytest.mark.parametrize(
    ("told", "says"),
    [
        ({"RANK": "1"}, "but not WORLD_SIZE"),
        ({"WORLD_SIZE": "2", "LOCAL_RANK": "0"}, "but not RANK"),
        ({"RANK": "one", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}, "RANK must be a number, got 'one'"),
        (SLURM | {"SLURM_STEP_NODELIST": ""}, "set MASTER_ADDR to the first of them"),
    ],
)
def test_what_is_said_in_part_is_refused(told: dict[str, str], says: str) -> None:
    with pytest.raises(SettingsError, match=says):
        find_place(told)


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("gpu[07-09,12],big1", "gpu07"),
        ("gpu[3,5]", "gpu3"),
        ("node1,node2", "node1"),
        ("node1", "node1"),
        ("rack[1-2]-ib,other", "rack1-ib"),
    ],
)
def test_the_first_host_of_a_list(nodes: str, first: str) -> None:
    assert first_host(nodes) == first
