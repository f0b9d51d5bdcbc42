"""A. Crash of a program that embeds the library: case 10."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path

from runner.core.run import Status
from runner.history import History
from runner.jobstores.sqlalchemy import SQLAlchemyJobStore
from tests.faults.figures import SEED, record, size
from tests.faults.rig import dice
from tests.waiting import PATIENCE, wait_until


def start(directory: Path, store: str) -> subprocess.Popen[str]:
    program = Path(__file__).with_name("embedded.py")
    process = subprocess.Popen(
        [sys.executable, str(program)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=directory,
        env={**os.environ, "STORE": store, "STARTS": str(directory / "starts"), "PYTHONPATH": os.getcwd()},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    return process


def test_case_10_embedded_program(tmp_path: Path) -> None:
    kills = size(4, 200)
    url = f"sqlite:///{tmp_path / 'jobs.db'}"
    starts = tmp_path / "starts"
    starts.touch()
    for wait in dice(SEED, kills, 0.0, 0.7):
        process = start(tmp_path, url)
        before = starts.stat().st_size
        wait_until(partial(lambda b: starts.stat().st_size > b, before), "a function is called")
        time.sleep(wait)
        process.kill()
        process.wait(PATIENCE)
    process = start(tmp_path, url)
    before = starts.stat().st_size
    wait_until(lambda: starts.stat().st_size > before, "it goes on")
    process.communicate("", PATIENCE)
    assert process.returncode == 0
    store = SQLAlchemyJobStore(url)
    store.open()
    try:
        runs = History(store.engine).runs(limit=1_000_000)
        slots: dict[str, Counter[int]] = {}
        for run in runs:
            slots.setdefault(run.key.job.id, Counter())[run.key.slot // 1_000_000] += 1
        for each in History(store.engine).occurrences(limit=1_000_000):
            last = each.last or each.slot
            slots.setdefault(each.job.id, Counter()).update(
                range(each.slot // 1_000_000, last // 1_000_000 + 1)
            )
    finally:
        store.close()
    begun = Counter(line.split()[1] for line in starts.read_text().splitlines() if line.startswith("begin"))
    planned = lost = doubled = unrecorded = 0
    for job, rows in slots.items():
        whole = range(min(rows), max(rows) + 1)
        planned += len(whole)
        lost += sum(not rows[slot] for slot in whole)
        doubled += sum(count > 1 for count in rows.values())
        started = sum(run.key.job.id == job and run.status is not Status.PENDING for run in runs)
        unrecorded += max(0, begun[job] - started)
    figures = {
        "slots": planned,
        "lost": lost,
        "rows doubled": doubled,
        "unrecorded calls": unrecorded,
        "interrupted": sum(run.status is Status.INTERRUPTED for run in runs),
    }
    assert (lost, doubled, unrecorded) == (0, 0, 0), figures
    assert set(slots) == {"tick0", "tick1", "tick2"}
    record(
        "10", "SIGKILL of a program that embeds the library", kills, figures, "0 lost, no unrecorded repeat"
    )
