"""cronstable and yacron, doing what the table of commands measures. Not a table itself.

They start jobs on full minutes only, so a measurement takes up to a minute and a half.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.measure import check
from benchmarks.standing import cpu_of_process

HEADS = {"cronstable": "state:\n  path: {where}/state\n", "yacron": ""}
"""What stands before the jobs: cronstable can keep its state on disk, yacron keeps none."""


def burst(name: str, where: Path, count: int) -> tuple[float, float]:
    """(seconds from the minute to the last start, seconds of the daemon's own processor time per command)."""
    marks = where / "marks"
    marks.mkdir()
    jobs = "".join(
        f"  - name: job{number}\n    command: touch {marks}/{number}\n    schedule: '* * * * *'\n"
        "    captureStdout: true\n    captureStderr: true\n"
        for number in range(count)
    )
    (where / "jobs.yaml").write_text(f"{HEADS[name].format(where=where)}jobs:\n{jobs}")
    # Begun well before the minute, so that reading the file is over.
    time.sleep((45 - time.time() % 60) % 60)
    with (where / "said").open("w") as said:
        daemon = subprocess.Popen(
            [str(Path(sys.executable).with_name(name)), "-c", str(where / "jobs.yaml")],
            stdout=said,
            stderr=said,
        )
    try:
        minute = (time.time() // 60 + 1) * 60
        time.sleep(max(0.0, minute - time.time() - 0.5))
        cpu = cpu_of_process(daemon.pid)
        while len(os.listdir(marks)) < count and time.time() < minute + 40:
            time.sleep(0.1)
        last = max((path.stat().st_mtime for path in marks.iterdir()), default=0.0)
        time.sleep(5)  # what it writes after the runs
        cpu = cpu_of_process(daemon.pid) - cpu
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(60)
    check(len(os.listdir(marks)) == count, f"{name} started {len(os.listdir(marks))} of {count} commands")
    return last - minute, cpu / count
