"""A program without `if __name__ == "__main__":` and with a process pool: nothing of it runs twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import threading
from runner.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED
from runner.schedulers.background import BackgroundScheduler

def work():
    return 1

ended = threading.Event()

def heard(event):
    print("ended:", event.retval, type(event.exception).__name__ if event.exception else None, flush=True)
    ended.set()

scheduler = BackgroundScheduler(executors={"default": {"type": "processpool", "max_workers": 1}})
scheduler.add_listener(heard, EVENT_JOB_ERROR | EVENT_JOB_EXECUTED)
GUARD
    scheduler.start()
    print("started", flush=True)
    scheduler.add_job(work)
    assert ended.wait(90)
    scheduler.shutdown()
"""


def played(tmp_path: Path, guard: str) -> tuple[list[str], str]:
    file = tmp_path / "program.py"
    file.write_text(PROGRAM.replace("GUARD", guard))
    done = subprocess.run([sys.executable, file], capture_output=True, text=True, timeout=150, check=True)
    return done.stdout.splitlines(), done.stderr


def test_with_a_guard_the_function_runs(tmp_path: Path) -> None:
    out, _ = played(tmp_path, 'if __name__ == "__main__":')
    assert out == ["started", "ended: 1 None"]


def test_without_one_its_scheduler_starts_once_and_the_reason_is_said(tmp_path: Path) -> None:
    out, err = played(tmp_path, "if True:")
    assert out[0] == "started"
    assert [line.split()[0] for line in out[1:]] == ["ended:"]
    assert "None None" not in out[1]
    assert 'put what starts it below `if __name__ == "__main__":`' in err
