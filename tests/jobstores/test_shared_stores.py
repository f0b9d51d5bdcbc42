"""Two programs on one store of each kind: one leads, and when it is killed the other takes over; nothing runs twice.
What one asks the other hears at once, where the server tells."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.jobstores.store_kinds import KINDS

PATIENCE = 90.0
TAKEOVER = 5.0
"""Seconds from a leader's death to the first run of the next one, as docs/stores.md promises."""
TRIES = 4
PROGRAM = Path(__file__).with_name("shared_program.py")
ASKING = Path(__file__).with_name("asking_program.py")


APART = [kind for kind in KINDS if kind != "mongodb-nx"]
"""Servers that keep the transactions of two programs apart. nx-27017 does not (test_mongodb_store.py shows it): what
one program has not committed the other reads, and commits with its own."""


@pytest.fixture(scope="module", params=APART)
def shared(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    with KINDS[request.param].server() as url:
        yield request.param, url


def until(what: Callable[[], bool], patience: float = PATIENCE) -> None:
    deadline = time.monotonic() + patience
    while not what():
        assert time.monotonic() < deadline, "it never happens"
        time.sleep(0.05)


def test_the_other_takes_over_from_a_killed_leader_and_nothing_runs_twice(
    shared: tuple[str, str], tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    kind, url = shared
    marks = tmp_path / "marks"
    marks.touch()
    programs: list[subprocess.Popen[str]] = []

    def runs() -> list[tuple[int, str]]:
        whole = [line.split() for line in marks.read_text().splitlines(keepends=True) if line.endswith("\n")]
        return [(int(pid), slot) for pid, slot in whole]

    def ran_by(program: subprocess.Popen[str]) -> bool:
        return runs()[-1][0] == program.pid

    def more_than(count: int) -> bool:
        return len(runs()) > count

    def started() -> subprocess.Popen[str]:
        command = [sys.executable, str(PROGRAM), kind, url, str(marks)]
        program = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        programs.append(program)
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        return program

    try:
        leader = started()
        until(lambda: len(runs()) >= 1)
        other = started()  # Its add_job is made by the leader: it stands by.
        seen = len(runs())
        until(lambda: len(runs()) >= seen + 2)
        assert {pid for pid, _ in runs()} == {leader.pid}
        took = list[float]()
        while not took or took[-1] > TAKEOVER:
            # A machine that stands still for a while does not do so each time.
            assert len(took) < TRIES, f"{took} s"
            leader.kill()
            leader.wait()
            killed = time.monotonic()
            until(partial(ran_by, other))
            took.append(time.monotonic() - killed)
            seen = len(runs())
            until(partial(more_than, seen + 1))
            if took[-1] > TAKEOVER:
                leader, other = other, started()
        record_property("takeover", round(took[-1], 2))
        slots = [slot for _, slot in runs()]
        assert len(slots) == len(set(slots)), f"a time ran twice: {slots}"
        print(f"{kind}: taken over after {took[-1]:.1f} s")
    finally:
        for program in programs:
            program.kill()
            program.communicate()


def test_what_another_process_asks_is_heard(shared: tuple[str, str]) -> None:
    kind, url = shared
    source, heard = "/srv/heard.yaml", threading.Event()
    store = KINDS[kind].make(url)
    store.open()
    other = subprocess.Popen(
        [sys.executable, str(ASKING), kind, url, source],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    )

    def ask() -> str:
        assert other.stdin is not None
        assert other.stdout is not None
        other.stdin.write("\n")
        return other.stdout.readline().strip()

    try:
        tells = store.listen(source, heard.set)
        assert tells is (kind != "mariadb"), "MariaDB tells nobody; docs/stores.md says so"
        if tells:
            until(lambda: bool(ask()) and heard.wait(0.2))  # the first may come before it listens
            while heard.wait(0.3):
                heard.clear()
        asked = ask()
        assert not tells or heard.wait(PATIENCE), "nobody told of the request"
        assert asked in {each.id for each in store.asked(source)}
    finally:
        other.communicate("", timeout=PATIENCE)
        store.close()
