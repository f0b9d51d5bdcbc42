"""How often the disk is waited for: syncs per run and per tick, counted from outside with strace."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time

from benchmarks.lateness import Timed
from benchmarks.measure import Row, Table, at_most, check, directory, figure
from benchmarks.turning import check_records, house, jobs, sqlite
from runner.clock import SystemClock

GATE = "durable dispatch"


def run(quick: bool) -> Table:
    if shutil.which("strace") is None:
        return Table("Syncs", "Not counted: strace is not installed here.", [])
    seconds = 4 if quick else 20
    counts = {count: counted(count, seconds) for count in (1, 1_000)}
    rows = [
        Row(
            f"syncs per run, {count:,} jobs due each second",
            figure(syncs / (count * seconds), ""),
            goals=(at_most(0.05),) if count > 1 else (at_most(2),),
            less_is_better=True,
            gate=GATE if count > 1 else None,
        )
        for count, syncs in counts.items()
    ] + [
        Row(
            f"syncs per tick, {count:,} jobs due each second, batches of ends included",
            figure(syncs / seconds, ""),
            less_is_better=True,
        )
        for count, syncs in counts.items()
    ]
    return Table(
        "Syncs",
        f"fsync and fdatasync, counted with strace in a process that dispatches for {seconds} seconds by the real "
        "clock on SQLite; each run is on record afterwards. At most two for a tick and one for each batch of ends: a "
        "run that is alone has a tick and a batch of its own.",
        rows,
    )


def counted(count: int, seconds: int) -> int:
    with directory() as where:
        trace = where / "trace"
        program = [sys.executable, "-m", "benchmarks.syncs", str(count), str(seconds)]
        asked = subprocess.run(
            ["strace", "-f", "-ttt", "-e", "trace=fsync,fdatasync", "-o", str(trace), *program],
            capture_output=True,
            text=True,
            check=False,
        )
        check(
            asked.returncode == 0,
            f"strace or what it watched ended with {asked.returncode}: {asked.stderr[-300:]}",
        )
        begin, end = map(float, asked.stdout.split())
        moments = [
            float(line.split()[1])
            for line in trace.read_text().splitlines()
            if "sync(" in line and "resumed" not in line
        ]
    return sum(begin <= moment <= end for moment in moments)


def work(count: int, seconds: int) -> tuple[float, float]:
    """From the first tick to the last end, as moments of the wall clock."""
    with directory() as where:
        executor = Timed()
        made = house(sqlite(where), executor, SystemClock())
        made.add(jobs(count, "every 1s"))
        thread = threading.Thread(target=made.engine.run)
        thread.start()
        time.sleep(1 - time.time() % 1 + 0.9)
        begin, before = time.time(), executor.started
        time.sleep(seconds)
        end = time.time()
        check(executor.started - before == count * seconds, "not every run was started in time")
        made.stop(thread)
        made.close()
        check_records(where, executor.started)
    return begin, end


if __name__ == "__main__":
    print(*work(int(sys.argv[1]), int(sys.argv[2])))
