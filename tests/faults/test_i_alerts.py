"""I. Alerts: targets that hang or fail, storms of failures, a runner killed between an end and its message."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import pytest
from sqlalchemy import create_engine, func, select

from runner.jobstores.sqlalchemy.tables import deliveries
from tests.faults import checker
from tests.faults.conftest import Stage
from tests.faults.figures import SEED, judge, record
from tests.faults.figures import size as how_many
from tests.faults.rig import MARK, Scene, dice, every_second
from tests.waiting import wait_until


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


@pytest.fixture
def deaf() -> Iterator[str]:
    """A target that takes the connection and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(512)
        yield f"json://127.0.0.1:{listener.getsockname()[1]}/"


def test_case_59_targets_that_hang_or_fail(stage: Stage, sink: Sink, deaf: str) -> None:
    seconds = how_many(5, 600)
    sink.answer = 500
    scene = stage(
        f"channels:\n  deaf: ['{deaf}']\n  failing: ['{sink.url}']\n"
        + every_second(3, more="    notify: {on_success: [deaf, failing]}\n")
    )
    runner = scene.serve()
    runner.wait_lead()
    scene.wait_start()
    process = psutil.Process(runner.pid)
    most, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        most = max(most, sum("notify" in name for name in threads(process)))
        time.sleep(0.2)
    sink.answer = 200
    wait_until(lambda: len(sink.messages) > 1, "the failing one is tried again")
    assert runner.stop(60) == 0
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
    # Behind the target that hangs they would be 10 s late, and more each time.
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
        runner = scene.serve()
        runner.wait_lead()
        scene.wait_start()
        if untold() > 12:
            # A message names thirty and counts the others: here each one has to be named.
            wait_until(all_told, "every end was told", 60)
        time.sleep(wait)
        runner.kill()
    runner = scene.serve()
    runner.wait_lead()
    scene.wait_start()
    wait_until(all_told, "every end was told", 60)
    assert runner.stop(60) == 0
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


def waiting(scene: Scene) -> int:
    """How many messages are still to be told."""
    engine = create_engine(scene.url)
    with engine.connect() as connection:
        found = connection.execute(
            select(func.count()).select_from(deliveries).where(deliveries.c.state == "waiting")
        ).scalar_one()
    engine.dispose()
    return int(found)


def test_case_60_a_storm(stage: Stage, sink: Sink) -> None:
    count = how_many(80, 500)
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 8 + count / 50))
    scene = stage(
        f"channels:\n  hook: ['{sink.url}']\njobs:\n"
        + "".join(
            f"  job{n}:\n    schedule: {{at: '{at}'}}\n    run: |\n      {MARK}; exit 1\n"
            "    notify: {on_failure: hook}\n"
            for n in range(count)
        )
    )
    runner = scene.serve()
    runner.wait_lead()

    def told() -> set[str]:
        return set(re.findall(r"\bjob\d+\b", sink.text()))

    wait_until(lambda: scene.started() == count, "all have begun", 120)
    began = time.monotonic()
    wait_until(
        lambda: len(sink.messages) > 1 and not checker.read(scene).live,
        "all failed, and that is told",
        60,
    )
    wait_until(lambda: not waiting(scene), "nothing is left to tell", 60)
    took = time.monotonic() - began
    assert runner.stop(60) == 0
    most = 2 + int(took // 5) + 1
    assert len(sink.messages) <= most
    total = sum(int(n) for n in re.findall(r"(\d+) (?:alerts|failures|jobs|messages|news)", sink.text()))
    figures = {"messages": len(sink.messages), "jobs named or counted": max(total, len(told()))}
    record("60", "failures at once", count, figures, "one message per window and target, with the count")
