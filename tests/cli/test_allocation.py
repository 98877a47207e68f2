"""Large blocks are kept once they were needed, in the process of a command."""

import platform
import subprocess
import sys

import pytest

from sightline.cli.allocation import keep_freed_memory

FAULTS = """
import ctypes, resource, sys
from sightline.cli.allocation import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
for _ in range(4):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    block = libc.malloc(64 << 20)
    ctypes.memset(block, 1, 64 << 20)
    libc.free(block)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""

on_glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the process does not run on glibc")


def page_faults(word: str) -> int:
    """Of the last of four blocks of 64 MiB, one after the other, in a process of its own."""
    done = subprocess.run([sys.executable, "-c", FAULTS, word], capture_output=True, text=True, check=True)
    return int(done.stdout)


@on_glibc
def test_a_freed_block_serves_the_next() -> None:
    assert page_faults("kept") < page_faults("as it is") / 10


def test_elsewhere_nothing_is_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert not keep_freed_memory()
