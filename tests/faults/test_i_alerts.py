"""I. Alerts: targets that hang or fail, storms of failures, a runner killed between an end and its message."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import pytest
from sqlalchemy import create_engine, select

from runner.jobstores.sqlalchemy.tables import deliveries
from tests.faults import checker
from tests.faults.conftest import Stage
from tests.faults.figures import SEED, judge, record
from tests.faults.figures import size as how_many
from tests.faults.rig import MARK, Scene, dice, every_second
from tests.faults.test_f_processes import together
from tests.waiting import PATIENCE, wait_until


class Sink(ThreadingHTTPServer):
    """Hears messages as Apprise's json:// sends them; `answer` is what it says to them."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.messages: list[dict[str, str]] = []
        self.answer = 200
        self.url = f"json://127.0.0.1:{self.server_port}/hook"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def text(self) -> str:
        return "\n".join(f"{each['title']}\n{each['message']}" for each in self.messages)


class _Handler(BaseHTTPRequestHandler):
    server: Sink

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.messages.append(body)
        self.send_response(self.server.answer)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def sink() -> Iterator[Sink]:
    made = Sink()
    yield made
    made.shutdown()
    made.server_close()


class Deaf:
    """A target that takes the connection and never answers."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._listener.settimeout(PATIENCE)
        self._callers: list[socket.socket] = []
        self.url = f"json://127.0.0.1:{self._listener.getsockname()[1]}/"

    def kept_waiting(self, meanwhile: Callable[[], object]) -> bool:
        """Whether the next caller still waits for an answer once `meanwhile` is done."""
        caller, _ = self._listener.accept()
        self._callers.append(caller)
        meanwhile()
        caller.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while caller.recv(1 << 16):
                pass
            return False
        return True

    def close(self) -> None:
        for each in (self._listener, *self._callers):
            each.close()


@pytest.fixture
def deaf() -> Iterator[Deaf]:
    made = Deaf()
    yield made
    made.close()


def test_case_59_targets_that_hang_or_fail(stage: Stage, sink: Sink, deaf: Deaf) -> None:
    seconds = how_many(5, 600)
    sink.answer = 500
    scene = stage(
        f"channels:\n  deaf: ['{deaf.url}']\n  failing: ['{sink.url}']\n"
        + every_second(3, more="    notify: {on_success: [deaf, failing]}\n")
    )
    runner = scene.serve()
    runner.wait_lead()
    # Behind the target that hangs nothing would begin before it is given up.
    wait_until(lambda: deaf.kept_waiting(scene.wait_start), "a command begins while one is kept waiting")
    process = psutil.Process(runner.pid)
    most, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        most = max(most, sum("notify" in name for name in threads(process)))
        time.sleep(0.2)
    sink.answer = 200
    wait_until(lambda: len(sink.messages) > 1, "the failing one is tried again")
    assert runner.stop() == 0
    book = checker.read(scene)
    late = max((run.started_at - run.slot) / 1e6 for run in book.runs if run.started_at)
    assert most <= 2
    assert checker.check(book, over=False).good
    figures = {"runs late at most, s": late, "threads at most": most, "runs": len(book.runs)}
    record(
        "59",
        f"one target hangs, one fails, for {seconds} s",
        2,
        figures,
        "runs <= 0.1 s late, 1 thread per target",
    )
    judge("59", late)


def threads(process: psutil.Process) -> list[str]:
    """The names the system knows of the threads."""
    names = []
    for thread in process.threads():
        try:
            with open(f"/proc/{process.pid}/task/{thread.id}/comm") as file:
                names.append(file.read().strip())
        except OSError:
            continue
    return names


def test_case_59_killed_between_end_and_message(stage: Stage, sink: Sink) -> None:
    kills = how_many(3, 100)
    scene = stage(
        f"channels:\n  hook: ['{sink.url}']\n" + every_second(1, more="    notify: {on_success: hook}\n")
    )

    def told() -> Counter[str]:
        return Counter(re.findall(r"runner logs (\S+)", sink.text()))

    def untold() -> int:
        book = checker.read(scene)
        ended = {run.slot for run in book.runs if run.status == "succeeded"}
        heard = {checker.moment(id.split("@")[1]) for id in told()}
        return len(ended - heard)

    def all_told() -> bool:
        return untold() <= 2

    for wait in dice(SEED, kills, 0.0, 0.3):
        before = told()
        runner = scene.serve()
        runner.wait_lead()
        scene.wait_start()
        # One kill for each message: what an earlier one kept from being written down is so by now, told once more.
        wait_until(lambda: not before.keys() & unwritten(scene), "what was told before is on record")  # noqa: B023
        if untold() > 12:
            # A message names thirty and counts the others: here each one has to be named.
            wait_until(all_told, "every end was told")
        time.sleep(wait)
        runner.kill()
    runner = scene.serve()
    runner.wait_lead()
    scene.wait_start()
    wait_until(all_told, "every end was told")
    assert runner.stop() == 0
    book = checker.read(scene)
    ended = {run.slot for run in book.runs if run.status == "succeeded"}
    count = {checker.moment(id.split("@")[1]): n for id, n in told().items()}
    never = ended - count.keys()
    waiting = json.loads(scene.cli("db", "check", "--json").stdout)["rows"]["deliveries"]
    assert len(never) <= 2
    assert waiting >= len(never)
    assert max(count.values()) <= 2
    figures = {"ends": len(ended), "told twice": sum(n > 1 for n in count.values()), "never": 0,
               "still waiting in the store": len(never)}  # fmt: skip
    record("59 kills", "SIGKILL between an end and its message", kills, figures, "each >= 1, <= 2 times")


def unwritten(scene: Scene) -> set[str]:
    """The runs whose messages are still to be told, as far as the store knows."""
    return {run for text in waiting(scene) for run in re.findall(r"tick0@[^\s\"|]+", text)}


def waiting(scene: Scene) -> list[str]:
    """The messages that are still to be told, as the store has them."""
    engine = create_engine(scene.url)
    with engine.connect() as connection:
        found = connection.execute(
            select(deliveries.c.delivery).where(deliveries.c.state == "waiting")
        ).scalars()
        texts = [str(text) for text in found]
    engine.dispose()
    return texts


def test_case_60_a_storm(stage: Stage, sink: Sink) -> None:
    count = how_many(80, 500)
    first = f"channels:\n  hook: ['{sink.url}']\njobs:\n  quiet: {{schedule: every 1h, run: 'true'}}\n"
    scene = stage(first)

    def jobs(at: str) -> str:
        return "".join(
            f"  job{n}:\n    schedule: {{at: '{at}'}}\n    run: |\n      {MARK}; exit 1\n"
            "    notify: {on_failure: hook}\n"
            for n in range(count)
        )

    runner = together(scene, first, jobs, count)

    def told() -> set[str]:
        return set(re.findall(r"\bjob\d+\b", sink.text()))

    wait_until(lambda: scene.started() > 0, "the first has begun")
    began = time.monotonic()
    wait_until(lambda: scene.started() == count, "all have begun", 300)
    wait_until(
        lambda: len(sink.messages) > 1 and not checker.read(scene).live,
        "all failed, and that is told",
        300,
    )
    wait_until(lambda: not waiting(scene), "nothing is left to tell")
    took = time.monotonic() - began
    assert runner.stop() == 0
    most = 2 + int(took // 5) + 1
    assert len(sink.messages) <= most
    total = sum(int(n) for n in re.findall(r"(\d+) (?:alerts|failures|jobs|messages|news)", sink.text()))
    figures = {"messages": len(sink.messages), "jobs named or counted": max(total, len(told()))}
    record("60", "failures at once", count, figures, "one message per window and target, with the count")
