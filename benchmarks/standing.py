"""Standing still: memory, processor time and wake-ups of a daemon whose jobs are not due; how fast things begin."""

from __future__ import annotations

import compileall
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import runner
from benchmarks.measure import Row, Table, at_most, check, directory, figure, share_of_limit

RUNNER = str(Path(sys.executable).with_name("runner"))
BARE = """
import click

@click.command()
@click.version_option("1.0")
def main(): ...

main()
"""


def run(quick: bool) -> Table:
    compileall.compile_dir(Path(runner.__file__).parent, quiet=1)  # As pip does when it installs.
    seconds = 6 if quick else 60
    with directory() as where:
        begun = first_fires(where / "first", 2 if quick else 9)
        rss, cpu, wakeups = idle(where / "idle", 1_000, seconds)
        ours, bare = versions(where, 5 if quick else 15)
    rows = [
        Row(
            "memory of `runner serve`, 1,000 jobs, everything on (RSS)",
            figure(rss, "MB"),
            goals=(at_most(60),),
            less_is_better=True,
        ),
        Row(f"processor time of {seconds} s idle", figure(cpu, "ms"), less_is_better=True),
        Row(
            f"wake-ups in {seconds} s idle, all threads, one due for each poll of the file's hash",
            figure(wakeups, ""),
            goals=(at_most(seconds / 10 * 4 + 2),),
            less_is_better=True,
        ),
        Row("from exec to the first start", figure(begun, "s"), goals=(at_most(0.7),), less_is_better=True),
        Row(
            "`runner --version`, processor time",
            figure(ours, "ms"),
            limit=figure(bare, "ms"),
            goals=(share_of_limit(1 / 1.5),),
            less_is_better=True,
        ),
    ]
    return Table(
        "Standing still",
        "A daemon with 1,000 jobs of a file that are not due: its resident memory, and what it uses while nothing "
        "happens (voluntary context switches of all its threads; the file's hash is looked at every 10 s). The first "
        "start: a daemon that is begun again with a job overdue, from exec until the run's record says it started. The "
        "limit of `--version` is a click program that prints a version.",
        rows,
    )


# ── the daemon ──────────────────────────────────────────────────────────────────────────────


@contextmanager
def serving(where: Path, text: str) -> Iterator[subprocess.Popen[bytes]]:
    where.mkdir(exist_ok=True)
    (where / "jobs.yaml").write_text(text)
    environ = {**os.environ, "RUNNER_STATE_DIR": str(where / "state")}
    with (where / "said.txt").open("w") as said_to:
        daemon = subprocess.Popen(
            [RUNNER, "serve", "-f", str(where / "jobs.yaml")],
            env=environ,
            stdout=said_to,
            stderr=subprocess.STDOUT,
        )
    try:
        yield daemon
    finally:
        daemon.send_signal(signal.SIGTERM)
        try:
            code = daemon.wait(30)
        except subprocess.TimeoutExpired:
            daemon.kill()
            code = daemon.wait()
        said = (where / "said.txt").read_text()
    check(code == 0, f"the daemon ended with {code}: {said[-500:]}")


def idle(where: Path, jobs: int, seconds: int) -> tuple[float, float, float]:
    """Megabytes, milliseconds of processor time and wake-ups of the whole daemon."""
    text = "jobs:\n" + "".join(
        f"  job{number}:\n    schedule: 0 0 1 1 *\n    run: 'true'\n" for number in range(jobs)
    )
    with serving(where, text) as daemon:
        _until(lambda: known(where) == jobs, "the daemon never knew its jobs")
        time.sleep(2)
        cpu, switches = cpu_of_process(daemon.pid), switches_of(daemon.pid)
        time.sleep(seconds)
        cpu, switches = cpu_of_process(daemon.pid) - cpu, switches_of(daemon.pid) - switches
        return rss_of(daemon.pid), cpu * 1000, float(switches)


def first_fires(where: Path, rounds: int) -> list[float]:
    """Seconds from exec to the start of what was overdue."""
    text = "jobs:\n  often:\n    schedule: '* * * * * *'\n    run: 'true'\n"
    with serving(where, text):
        _until(lambda: len(starts(where)) > 0, "the daemon started nothing")
    found: list[float] = []
    for _ in range(rounds):
        time.sleep(1.2)
        before = time.time()
        with serving(where, text):
            _until(lambda: any(at > before for at in starts(where)), "the daemon started nothing")  # noqa: B023
        found.append(min(at for at in starts(where) if at > before) - before)
    return found


def known(where: Path) -> int:
    return len(_ask(where, "SELECT 1 FROM runner_jobs"))


def starts(where: Path) -> list[float]:
    asked = "SELECT started_at FROM runner_runs WHERE started_at IS NOT NULL"
    return [row[0] / 1e6 for row in _ask(where, asked)]


def _ask(where: Path, question: str) -> Sequence[tuple[int]]:
    file = where / "state" / "runner.db"
    if not file.exists():
        return []
    with closing(sqlite3.connect(file)) as connection:
        try:
            return connection.execute(question).fetchall()
        except sqlite3.OperationalError:
            return []


def _until(true: object, otherwise: str) -> None:
    assert callable(true)
    patience = time.monotonic() + 30
    while not true():
        check(time.monotonic() < patience, otherwise)
        time.sleep(0.02)


def rss_of(pid: int) -> float:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) / 1024


def cpu_of_process(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def switches_of(pid: int) -> int:
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "status").read_text().split("\nvoluntary_ctxt_switches:")[1].split()[0])
    return total


# ── beginning ───────────────────────────────────────────────────────────────────────────────


def versions(where: Path, rounds: int) -> tuple[list[float], list[float]]:
    """Milliseconds of processor time of `runner --version` and of a bare click program, in turn."""
    bare = where / "bare.py"
    bare.write_text(BARE)
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(rounds + 1):
        ours.append(_cpu([RUNNER, "--version"]))
        theirs.append(_cpu([sys.executable, str(bare), "--version"]))
    return ours[1:], theirs[1:]


def _cpu(argv: list[str]) -> float:
    child = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    check(child.returncode == 0, f"{argv[0]} --version ended with {child.returncode}")
    return (usage.ru_utime + usage.ru_stime) * 1000
