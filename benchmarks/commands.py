"""Commands: how many start per second, how late the last of 500 is, and what one costs the runner."""

from __future__ import annotations

import fcntl
import os
import queue
import struct
import time
from pathlib import Path

from benchmarks import daemons
from benchmarks.measure import (
    Row,
    Table,
    at_most,
    check,
    directory,
    figure,
    own_cpu,
    share_of_limit,
    times_rival,
)
from benchmarks.raw import shims, spawned
from runner.clock import SystemClock
from runner.core.run import AttemptKey, Outcome, Run, RunKey, StepRun
from runner.executors.base import Task
from runner.executors.local import LocalExecutor
from runner.service.memory import settle
from runner.spec import Command, JobKey, JobSpec, Step

_GET_FLAGS, _SET_FLAGS, _TOP_DIRECTORY = 0x80086601, 0x40086602, 0x00020000
"""Linux's FS_IOC_GETFLAGS and FS_IOC_SETFLAGS, and the flag that `chattr +T` sets."""


def run(quick: bool) -> Table:
    settle()
    # What is deleted while it goes on makes what comes after it slower: a file system without a journal looks for a
    # free inode past all those of the last minutes. So everything is deleted at the end, and where others deleted much
    # just before nothing is made: by the limit as by us.
    with directory() as where:
        _spread(where)
        return _run(quick, where)


def _spread(where: Path) -> None:
    """Have each directory that is made there lie in a part of the disk of its own, as ext4 does with those of its
    root. On another file system nothing happens."""
    found = os.open(where, os.O_RDONLY | os.O_DIRECTORY)
    try:
        flags = bytearray(struct.calcsize("l"))
        fcntl.ioctl(found, _GET_FLAGS, flags)
        (known,) = struct.unpack("l", flags)
        fcntl.ioctl(found, _SET_FLAGS, struct.pack("l", known | _TOP_DIRECTORY))
    except OSError:
        pass
    finally:
        os.close(found)


def _run(quick: bool, where: Path) -> Table:
    count = 300 if quick else 2000
    found: list[tuple[float, float, float]] = []
    raw: list[float] = []
    plain: list[float] = []
    for number in range(2 if quick else 5):
        raw.append(shims(_new(where, f"raw{number}"), count, 8))
        plain.append(spawned(count, 8))
        found.append(ours(_new(where, f"ours{number}"), count, at_once=8))
    burst = [ours(_new(where, f"burst{number}"), 500, at_once=500) for number in range(1 if quick else 5)]
    gate = "500 commands at once"
    late, cpu, beside = None, figure(2.3, "ms"), []
    if not quick:
        last, each = daemons.burst("cronstable", _new(where, "cronstable"), 500)
        late, cpu = figure(last, "s"), figure(each * 1e3, "ms")
        last, each = daemons.burst("yacron", _new(where, "yacron"), 500)
        beside = [
            ("500 at once, the last start, beside yacron", [last for _, last, _ in burst], "s", last),
            ("CPU per command, beside yacron", [cpu * 1e3 for _, _, cpu in found], "ms", each * 1e3),
        ]
    return Table(
        "Commands",
        f"`true` through the local executor, {count} of them, 8 at once, output captured, each behind its "
        "shim with marker, lock, pipes and exit code on disk; the limit is a posix_spawn loop that starts the same "
        "shims and does nothing else, neither reads nor records. The loop that starts a shell and `true` and no "
        "shim is the second row's limit. The garbage collector is set as `runner serve` sets it, for all, and "
        "each round is given a part of the disk of its own. "
        "The rival is cronstable 1.2.72 with durable state, 500 commands due at one minute; it takes minutes, so "
        "the quick form has the figure of an earlier run, and leaves out yacron 0.19.0, which keeps no state.",
        [
            Row(
                "commands, 8 at once",
                figure([rate for rate, _, _ in found], "per s"),
                limit=figure(raw, "per s"),
                goals=(share_of_limit(0.8),),
                gate=gate,
            ),
            Row(
                "the same beside a plain shell and `true`",
                figure([rate for rate, _, _ in found], "per s"),
                limit=figure(plain, "per s"),
            ),
            Row(
                "500 at once, the last start",
                figure([last for _, last, _ in burst], "s"),
                rival=late,
                goals=(at_most(0.5),),
                less_is_better=True,
                gate=gate,
            ),
            Row(
                "the runner's CPU per command",
                figure([cpu * 1e3 for _, _, cpu in found], "ms"),
                rival=cpu,
                goals=(times_rival(3),),
                less_is_better=True,
                gate=gate,
            ),
            *(
                Row(what, figure(mine, unit), rival=figure(theirs, unit), less_is_better=True)
                for what, mine, unit, theirs in beside
            ),
        ],
    )


def _new(where: Path, name: str) -> Path:
    # Which part of the disk it lies in follows from its name: not from one that the last bench has used, and cleared.
    path = where / f"{name}{where.name}"
    path.mkdir()
    return path


def ours(state: Path, count: int, *, at_once: int) -> tuple[float, float, float]:
    """Commands per second, seconds until the last had started, and our own CPU seconds per command."""
    executor = LocalExecutor(
        "default", state_dir=state, clock=SystemClock(), working_dir=state, environ=dict(os.environ)
    )
    places: queue.SimpleQueue[None] = queue.SimpleQueue()
    ended: list[Outcome] = []

    def done(key: AttemptKey, outcome: Outcome) -> None:
        ended.append(outcome)
        places.put(None)

    executor.open(done)
    tasks = [task(number) for number in range(count)]
    cpu, begun, wall = own_cpu(), time.perf_counter(), SystemClock().now()
    for number, one in enumerate(tasks):
        if number >= at_once:
            places.get()
        executor.start(one)
    for _ in range(min(at_once, count)):
        places.get()
    took, cpu = time.perf_counter() - begun, own_cpu() - cpu
    executor.close()
    bad = [outcome for outcome in ended if outcome.exit_code != 0]
    check(not bad and len(ended) == count, f"{len(bad)} of {len(ended)} commands ended badly")
    last = max(outcome.started_at or 0 for outcome in ended)
    return count / took, (last - wall) / 1e6, cpu / count


def task(number: int) -> Task:
    step = Step("main", Command(argv=("true",)))
    spec = JobSpec(f"job{number}", (step,), source="/bench/jobs.yaml")
    run_ = Run(RunKey(JobKey("default", "/bench/jobs.yaml", spec.id), 1_774_000_000_000_000), spec)
    return Task(run_, step, StepRun("main", attempt=1), {})
