"""`runner doctor` beside a real service: what it makes of one at work, of an edit it refused, and of one that was killed."""

# ruff: noqa: E501 - whole texts

from __future__ import annotations

import re
import signal
from pathlib import Path

from runner.service.health import Health
from tests.cli.examined import examined
from tests.cli.verb_place import Place
from tests.process.conftest import Desk
from tests.waiting import wait_until

FILE = """\
channels: {ops: {urls: ["ping://127.0.0.1:1/"]}}
defaults: {timeout: 1h, timezone: UTC}
secrets: {token: {env: SERVICE_TOKEN}}
jobs:
  bad: {run: exit 1, notify: {on_failure: ops}}
  long: {run: "until [ -e over ]; do sleep 0.05; done"}
"""


def said_of(place: Place, *about: str, code: int) -> str:
    """With what is another in each run left out."""
    text = re.sub(r"process \d+", "process N", examined(place, *about, code=code))
    text = re.sub(r"(?:\d+m )?\d+[ms] ago|\bnow\b", "AGO", text)
    return re.sub(r"(?:today|yesterday) [\d:]+|@\S+Z", "", text)


def states(directory: Path) -> dict[str, object]:
    """Whether the file is good, as the runner itself last wrote."""
    health = Health.read(directory / "state-1")
    return dict(health.status["config"]) if health is not None else {}


def test_one_at_work_one_with_a_broken_file_and_one_that_was_killed(desk: Desk, tmp_path: Path) -> None:
    desk.write(FILE)
    place = Place(tmp_path)
    place.environ["RUNNER_STATE_DIR"] = str(tmp_path / "state-1")
    environ = {"SERVICE_TOKEN": "hidden-token", "RUNNER_STATE_DIR": str(tmp_path / "state-1")}
    served = desk.serve(environ=environ)
    try:
        served.wait_for("nothing is scheduled")
        place.call("trigger", "long")
        served.wait_for("long started")
        place.call("trigger", "bad")
        served.wait_for("could not tell ops")
        assert said_of(place, "jobs file", "runner", "runs", "alerts", "secrets", code=1) == (
            "ok jobs file: DIR/jobs.yaml is good: 2 jobs, 0 scheduled\n"
            "ok runner: process N leads since ; its loop turned AGO\n"
            "ok runs: 1 run under way, 0 waiting\n"
            "problem alerts: 1 message to ops, the first made AGO, could not be delivered: the watcher did not answer: ConnectionError\n"
            "  help: mend the channel's address or its server; it is tried again for a day, then given up\n"
            "note alerts: nobody hears when these fail: long\n"
            "  help: write `notify: {on_failure: NAME}`\n"
            "ok secrets: 1 secret: there"
        )
        assert "hidden-token" not in place.call("doctor", code=1).stdout

        elsewhere = Place(tmp_path)
        elsewhere.environ["RUNNER_STATE_DIR"] = str(tmp_path / "state-2")
        assert said_of(elsewhere, "runner", code=0) == (
            "note runner: process N serves this file with another state directory, DIR/state-1\n"
            "  help: look at that one: RUNNER_STATE_DIR=DIR/state-1 runner doctor -f DIR/jobs.yaml"
        )
        (tmp_path / "link").symlink_to(tmp_path)
        elsewhere.environ["RUNNER_FILE"] = str(tmp_path / "link" / "jobs.yaml")
        assert said_of(elsewhere, "runner", code=1) == (
            "problem runner: process N serves this very file by another path, with another state\n"
            "  help: look at that one: runner doctor -f DIR/jobs.yaml"
        )

        desk.write(FILE.replace("exit 1", "exit 1, rum: 2"))
        served.wait_for("the last good configuration keeps running")
        wait_until(lambda: not states(tmp_path)["ok"], "the runner says that it refused the file")
        assert said_of(place, "jobs file", code=1) == (
            "problem jobs file: DIR/jobs.yaml is broken, 1 mistake, refused AGO: the last good one goes on\n"
            "error[unknown-key]: no key is called `rum` here\n"
            "  --> DIR/jobs.yaml:5:22\n"
            "  |\n"
            "5 |   bad: {run: exit 1, rum: 2, notify: {on_failure: ops}}\n"
            "  |                      ^^^\n"
            "  = help: did you mean `run`?\n"
            "\n"
            "1 problem in DIR/jobs.yaml\n"
            "  help: mend it; runner validate says whether it is good"
        )

        served.stop(signal.SIGKILL)
        assert said_of(place, "runner", "runs", code=1) == (
            "problem runner: process N is no more; last seen AGO\n"
            "  help: it did not end by itself; start it again: runner serve -f DIR/jobs.yaml\n"
            "problem runs: 1 run on record as under way, and no runner follows them: long+1\n"
            "  help: a start of runner serve takes over what still runs, and records how the others ended"
        )
    finally:
        (tmp_path / "over").touch()
    # The end of what still ran is kept for the next runner: as was said, it takes that over.
    desk.write(FILE)
    desk.serve(environ=environ).wait_for("long succeeded")
