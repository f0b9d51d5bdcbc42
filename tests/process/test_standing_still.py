"""A runner that is frozen while its commands go on: what ended meanwhile is read before anything is decided."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from datetime import datetime

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
    due = (time.time() // THREE + 1) * THREE
    (desk.directory / "go").touch()
    done = desk.directory / "done"
    until(done.exists, "the end of the command")
    ended = done.stat().st_mtime
    # Well past the next time that is due, and the end.
    time.sleep(max(0.0, due - time.time(), ended - time.time()) + 1.0)
    thawed = time.time()
    served.process.send_signal(signal.SIGCONT)
    served.wait_for("tick succeeded")
    served.wait_for("tick started")
    served.wait_for("tick succeeded")
    found = json.loads(desk.runner("history", "--all", "--json").stdout)["runs"]
    assert [each for each in found if each["status"] not in ("succeeded", "running", "merged")] == [], found
    first = min((each for each in found if each["status"] == "succeeded"), key=lambda each: str(each["id"]))
    assert datetime.fromisoformat(first["ended_at"]).timestamp() < thawed - 0.5, (first, ended)
