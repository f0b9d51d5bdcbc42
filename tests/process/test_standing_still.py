"""A runner that is frozen while its commands go on: what ended meanwhile is read before anything is decided."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from datetime import datetime

import psutil

from tests.process.conftest import Desk

Until = Callable[..., None]

JOBS = """\
jobs:
  tick:
    schedule: "*/3 * * * * *"
    run: touch begun; while [ ! -e go ]; do sleep 0.05; done; [ -e done ] || touch done
"""
THREE = 3.0


def test_a_command_that_ended_while_the_runner_was_frozen_is_in_nobodys_way(desk: Desk, until: Until) -> None:
    desk.write(JOBS)
    served = desk.serve()
    # "started" is said before its process is there.
    until((desk.directory / "begun").exists, "the command")
    served.process.send_signal(signal.SIGSTOP)
    until(lambda: psutil.Process(served.process.pid).status() == psutil.STATUS_STOPPED, "it is frozen")
    frozen = time.time()
    (desk.directory / "go").touch()
    until(desk.marked, "the end of the command is marked")
    ended = time.time()
    due = (ended // THREE + 1) * THREE
    # Well past the next time that is due, and the end.
    until(lambda: time.time() > due + 1.0, "the next time is due")
    thawed = time.time()
    served.process.send_signal(signal.SIGCONT)
    served.wait_for("tick succeeded")
    served.wait_for("tick started")
    served.wait_for("tick succeeded")
    found = json.loads(desk.runner("history", "--all", "--json").stdout)["runs"]
    # Of a time that came before it was frozen the command was in the way indeed.
    since = [each for each in found if moment(each["scheduled_at"]) > frozen]
    assert [each for each in since if each["status"] not in ("succeeded", "running", "merged")] == [], found
    first = min((each for each in found if each["status"] == "succeeded"), key=lambda each: str(each["id"]))
    assert moment(first["ended_at"]) <= ended < thawed - 0.5, (first, ended)


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
