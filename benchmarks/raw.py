"""The machine's limits, with nothing of ours: what the tables stand beside. Not a table itself."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

NOON = 1_800_014_400_000_000


def committed(where: Path, jobs: int, group: int) -> float:
    """Seconds for so many runs in groups: job moved on and run written, then the run's end; two commits a group."""
    connection = sqlite3.connect(where / "bare.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(
        "CREATE TABLE jobs (source TEXT, id TEXT, next_at INTEGER, passed INTEGER, spec TEXT, PRIMARY KEY (source, id))"
    )
    connection.execute(
        "CREATE TABLE runs (source TEXT, job TEXT, slot INTEGER, nonce TEXT, digest TEXT, status TEXT, steps TEXT, "
        "created_at INTEGER, started_at INTEGER, ended_at INTEGER, PRIMARY KEY (source, job, slot, nonce))"
    )
    connection.execute("CREATE INDEX live ON runs (source, ended_at)")
    connection.execute("CREATE INDEX recent ON runs (ended_at)")
    connection.executemany(
        "INSERT INTO jobs VALUES (?, ?, ?, ?, ?)", [("s", f"job{n}", 0, 0, "x" * 200) for n in range(jobs)]
    )
    steps = '[{"~":"StepRun","step":"call","status":"running","attempt":1,"started_at":1800014400000000}]'
    done = steps.replace("running", "succeeded")[:-2] + ',"ended_at":1800014400000001}]'
    numbers = [range(at, min(at + group, jobs)) for at in range(0, jobs, group)]
    moves = [[(1, 0, "s", f"job{n}") for n in each] for each in numbers]
    starts = [
        [("s", f"job{n}", NOON, "", "d" * 32, "running", steps, NOON, NOON, None) for n in each]
        for each in numbers
    ]
    ends = [[("succeeded", done, NOON + 1, "s", f"job{n}", NOON, "") for n in each] for each in numbers]
    began = time.perf_counter()
    for move, start, end in zip(moves, starts, ends, strict=True):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("UPDATE jobs SET next_at = ?, passed = ? WHERE source = ? AND id = ?", move)
        connection.executemany("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", start)
        connection.execute("COMMIT")
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            "UPDATE runs SET status = ?, steps = ?, ended_at = ? "
            "WHERE source = ? AND job = ? AND slot = ? AND nonce = ?",
            end,
        )
        connection.execute("COMMIT")
    took = time.perf_counter() - began
    connection.close()
    return took
