"""A program ends while a function is at work: it is waited for, as under APScheduler, but for what was given up."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import atexit, os, sys, threading, time

late = []
atexit.register(lambda: [each.shutdown() for each in late])  # what is registered first comes last

from pathlib import Path
from runner.schedulers.background import BackgroundScheduler

HERE = Path(sys.argv[1])

def until(name):
    deadline = time.monotonic() + 90
    while not (HERE / name).exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)

def work():
    (HERE / "begun").touch()
    until("over")  # the last line of the program wrote it
    (HERE / "done").touch()

def hangs():
    (HERE / "begun").touch()
    threading.Event().wait()

if __name__ == "__main__":
    case = sys.argv[2]
    kind = "processpool" if case == "process" else "threadpool"
    scheduler = BackgroundScheduler(executors={"default": {"type": kind, "max_workers": 2}})
    scheduler.start()
    if case.startswith("given up"):
        tries = 0
        while not (HERE / "begun").exists():  # one whose thread comes too late is given up before it begins
            tries += 1
            scheduler.add_job(hangs, timeout=0.1 if case == "given up" else 1, id="hangs")
            while sum(run.ended_at is not None for run in scheduler.history("hangs")) < tries:
                if case == "given up then" and (HERE / "begun").exists():
                    break
                time.sleep(0.01)
    else:
        scheduler.add_job(work)
    until("begun")
    if case == "late shutdown":
        late.append(scheduler)
        for _ in range(5):
            scheduler.add_job(work)
    if case == "shutdown":
        scheduler.shutdown(wait=False)
    if case == "fork" and os.fork() == 0:
        sys.exit()
    if case == "fork":
        os.wait()
    (HERE / "over").touch()
"""


@pytest.mark.parametrize(
    "case", ["no shutdown", "shutdown", "late shutdown", "process", "fork", "given up", "given up then"]
)
def test_what_is_under_way_ends_first(tmp_path: Path, case: str) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, program, tmp_path, case], capture_output=True, text=True, timeout=150
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "done").exists() == (not case.startswith("given up"))


BESIDE_A_LOOP = """
import asyncio, sys, threading
from pathlib import Path
from runner.schedulers.LOOP import KINDScheduler

begun, over = threading.Event(), threading.Event()

def work():
    begun.set()
    assert over.wait(90)
    Path(sys.argv[1], "done").touch()

async def program():
    scheduler = KINDScheduler()
    scheduler.start()
    scheduler.add_job(work)
    while not begun.is_set():
        await asyncio.sleep(0.01)
    if sys.argv[2] == "shutdown":
        scheduler.shutdown(wait=False)

asyncio.run(program())
over.set()
"""


@pytest.mark.parametrize("case", ["no shutdown", "shutdown"])
@pytest.mark.parametrize("kind", ["AsyncIO", "Tornado"])
def test_so_does_what_is_under_way_beside_a_loop(tmp_path: Path, kind: str, case: str) -> None:
    program = tmp_path / "program.py"
    program.write_text(BESIDE_A_LOOP.replace("LOOP", kind.lower()).replace("KIND", kind))
    done = subprocess.run(
        [sys.executable, program, tmp_path, case], capture_output=True, text=True, timeout=150
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "done").exists()


IN_LINE = """
import sys, time
from pathlib import Path
from runner.schedulers.background import BackgroundScheduler

HERE, CASE = Path(sys.argv[1]), sys.argv[2]

def until(is_so):
    deadline = time.monotonic() + 90
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)

def work(name):
    (HERE / f"{name} begun").touch()
    if name == "0":
        until((HERE / "over").exists)

def ends():
    return [run.status for name in "012" for run in scheduler.history(name) if run.ended_at]

if __name__ == "__main__":
    scheduler = BackgroundScheduler(
        jobstores={"default": {"type": "sqlalchemy", "url": f"sqlite:///{HERE}/jobs.db"}},
        executors={"default": {"type": "threadpool", "max_workers": 1}},
    )
    scheduler.start()
    if CASE == "first":
        for name in "012":
            scheduler.add_job(work, args=[name], id=name)
        until((HERE / "0 begun").exists)
        (HERE / "over").touch()
    else:
        until(lambda: len(ends()) == 3)
        print(*ends())
        scheduler.shutdown()
"""


def test_what_waits_in_line_begins_when_the_program_is_started_again(tmp_path: Path) -> None:
    """It neither begins as the place is free, and is cut off, nor is lost; and what ended is on record."""
    program = tmp_path / "program.py"
    program.write_text(IN_LINE)
    for case, said in (("first", ""), ("second", "succeeded succeeded succeeded\n")):
        done = subprocess.run(
            [sys.executable, program, tmp_path, case], capture_output=True, text=True, timeout=150
        )
        assert (done.returncode, done.stdout) == (0, said), done.stderr
