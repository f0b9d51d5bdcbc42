"""A process that is killed while it writes leaves whole batches, and the next one leads and goes on."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runner.jobstores.base import Fence
from runner.testing.jobstore_values import NOON, SOURCE
from tests.jobstores.store_kinds import KINDS
from tests.jobstores.writing_program import batch

PATIENCE = 90.0
KILLS, SIZES = (10, [4, 120]) if os.environ.get("RUNNER_LONG") else (1, [120])
PROGRAM = Path(__file__).with_name("writing_program.py")
BETWEEN = 1_000
"""Numbers of batches that one writer may use."""


@pytest.fixture(scope="module", params=KINDS)
def shared(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    with KINDS[request.param].server() as url:
        yield request.param, url


def killed_writer(kind: str, url: str, size: int, first: int, after: int, part: float) -> int:
    """Kill a writer after so many batches and a part of the time that one takes; the last number it said."""
    command = [sys.executable, str(PROGRAM), kind, url, str(size), str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == f"{first}\n"
        began = time.monotonic()
        for _ in range(after):
            assert writer.stdout.readline()
        time.sleep(part * (time.monotonic() - began) / after)
        writer.kill()
        said = writer.stdout.read().split()
    return int(said[-1]) if said else first + after


def lead(store: Any, owner: str) -> Fence:
    deadline = time.monotonic() + PATIENCE
    while True:
        fence: Fence | None = store.hold(SOURCE, owner, NOON)
        if fence is not None:
            return fence
        assert time.monotonic() < deadline, "the lease of the one that was killed does not run out"
        time.sleep(0.1)


@pytest.mark.parametrize("size", SIZES)
def test_a_writer_that_is_killed_leaves_whole_batches(shared: tuple[str, str], size: int) -> None:
    kind, url = shared
    draw = random.Random(size)
    store = KINDS[kind].make(url)
    store.open()
    try:
        for kill in range(KILLS):
            first = (size * 10 + kill + 1) * BETWEEN
            last = killed_writer(kind, url, size, first, 3, draw.random())
            loaded = store.load(SOURCE)
            moments = {job.next_at for job in loaded.jobs}
            assert len(moments) == 1, "half a batch is there"
            (moment,) = moments
            assert moment in (NOON + last, NOON + last + 1), (moment - NOON, last)
            slots = [each.key.slot for each in loaded.runs if each.key.slot >= NOON + first]
            assert sorted(slots) == sorted(list(range(NOON + first, moment + 1)) * size)
            fence = lead(store, f"after {first}")
            store.write(batch(first + BETWEEN - 1, size), fence)
            store.release(fence)
    finally:
        store.close()
