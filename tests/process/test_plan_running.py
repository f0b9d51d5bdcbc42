"""`runner plan` against a runner at work: jobs, times, live runs, and what stands beside the jobs."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from tests.process.conftest import Desk

HOUR = (datetime.now(UTC).hour + 12) % 23
"""Half a day away: of a time between the old one and the new one the week ahead has one more of the new."""
OLD = """\
channels: {ops: "mailto://me:hidden@127.0.0.1:1"}
groups: {db: 2}
defaults: {timezone: UTC, timeout: 1m}
jobs:
  nightly: {schedule: "0 HOUR * * *", run: echo}
  weekly: {schedule: "0 HOUR * * mon", run: sleep 60, stop_grace_period: 0s}
  a: {run: echo}
  b: {run: echo}
  c: {run: echo}
  d: {run: echo}
"""
NEW = """\
channels: {ops: "mailto://me:other@127.0.0.1:1"}
groups: {db: 3}
defaults: {timezone: UTC, timeout: 1m}
jobs:
  nightly: {schedule: "0 LATER * * *", run: echo}
  weekly: {schedule: "0 HOUR * * tue", run: sleep 60, stop_grace_period: 0s}
"""


def at(text: str) -> str:
    return text.replace("HOUR", str(HOUR)).replace("LATER", str(HOUR + 1))


def test_against_what_is_running(desk: Desk) -> None:
    desk.write(at(OLD))
    served = desk.serve("--on-shutdown", "stop", "--grace", "0s")
    served.wait_for("next: nightly")
    run = desk.runner("trigger", "weekly").stdout.strip()
    served.wait_for("weekly started")
    desk.runner("pause", "nightly")
    desk.write(at(NEW))
    # So many jobs are gone that the edit is held back: what is running is the old file.
    served.wait_for("the last good configuration keeps running")
    document = json.loads(desk.runner("plan", "--against", "running", "--json").stdout)
    said = desk.runner("plan").stdout
    served.stop()
    edits = {edit["job"]: edit for edit in document["edits"]}
    assert {id: edit["what"] for id, edit in edits.items()} == {
        "nightly": "changed",
        "weekly": "changed",
        **dict.fromkeys("abcd", "removed"),
    }
    assert [pair["to"][11:16] for pair in edits["nightly"]["moved"]] == [f"{HOUR + 1:02}:00"] * 7
    assert edits["nightly"]["paused"]
    assert edits["weekly"]["live"] == [run]
    assert [(at[11:16]) for side in ("gone", "come") for at in edits["weekly"][side]] == [f"{HOUR:02}:00"] * 2
    assert document["beside"] == [
        {"key": "channels.ops", "old": "as it was", "new": "another one"},
        {"key": "groups.db", "old": "2", "new": "3"},
    ]
    assert "it is paused, and stays so: nothing of it runs until it is resumed" in said
    assert f"{run} is live: it goes on with the definition it began with" in said
    assert "~ beside the jobs\n    channels.ops: as it was -> another one\n    groups.db: 2 -> 3\n" in said
    alone = desk.runner("plan", "--against", "running", "--json")
    assert json.loads(alone.stdout)["beside"] is None
    assert "no runner answers: only its jobs could be compared" in desk.runner("plan").stdout
