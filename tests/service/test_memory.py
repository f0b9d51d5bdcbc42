"""What a daemon that stands still holds in memory: nothing that only a command, a message or another system needs."""

from __future__ import annotations

import gc
import platform
import subprocess
import sys
import weakref

import pytest

from runner.service import memory

NOT_NEEDED = ("alembic", "apprise", "html.entities", "http.client", "requests", "rich", "ruamel.yaml")
ELSEWHERE = ("psutil",)
"""Needed where there is no /proc."""

SERVING = """
import sys
from runner.cli import serve_
from runner import config
from runner.jobstores.urls import store_of
from runner.service import first, serve
print(*sorted(sys.modules))
"""

FREED = """
import os, sys
from runner.service import memory

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

# Each second one stays: the others' room is free, and no block at the end can be cut off.
kept = [bytes(9_000) for _ in range(4_000)][::2]
before = resident()
memory.give_back()
print(before - resident())
"""


def said_by(program: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60
    ).stdout


def test_what_it_does_not_need_is_not_loaded() -> None:
    loaded = set(said_by(SERVING).split())
    assert "runner.service.serve" in loaded
    unneeded = NOT_NEEDED + (ELSEWHERE if sys.platform == "linux" else ())
    assert loaded.intersection(unneeded) == set()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only the C library of GNU can be asked to")
def test_what_is_free_is_given_back() -> None:
    # Blocks of 9,000 bytes: most of the free ones hold a whole page.
    assert int(said_by(FREED)) > 4_000_000


def test_what_a_reload_leaves_in_cycles_is_freed() -> None:
    """So few are made that the collector of the service would come for it after hours."""

    class Left:
        pass

    gc.disable()
    try:
        left = Left()
        vars(left)["itself"] = left
        there = weakref.ref(left)
        del left
        assert there() is not None
        memory.give_back()
        assert there() is None
    finally:
        gc.enable()
