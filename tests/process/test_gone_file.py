"""A runner whose file was deleted goes on, and is asked about as before; live lines tell times in the jobs' zones."""

from __future__ import annotations

from tests.process.conftest import Desk

ZONED = """\
defaults: {timezone: Asia/Kathmandu}
jobs:
  slow: {schedule: "* * * * * *", run: sleep 30, stop_grace_period: 0s}
"""


def test_a_file_that_is_gone_is_no_end_of_asking(desk: Desk) -> None:
    desk.write('jobs:\n  tick: {schedule: "* * * * * *", run: "true"}\n')
    served = desk.serve()
    served.wait_for("tick succeeded")
    (desk.directory / "jobs.yaml").unlink()
    served.wait_for("the last good configuration keeps running")
    assert "the last good one goes on" in desk.runner("status").stdout
    listed = desk.runner("list")
    assert "tick" in listed.stdout
    assert "jobs.yaml is gone; this is the last good schedule" in listed.stderr
    assert "tick" in desk.runner("history").stdout
    desk.runner("pause", "tick")
    desk.runner("resume", "tick")
    assert desk.runner("validate", check=False).returncode == 3
    served.stop()
    gone = desk.runner("status", check=False)
    assert gone.returncode == 3
    assert "there is no jobs file" in gone.stderr


def test_one_zone_for_all_times_of_a_job(desk: Desk) -> None:
    desk.write(ZONED)
    served = desk.serve("--on-shutdown", "stop", "--grace", "0s")
    started = served.wait_for("slow started (planned ")
    skipped = served.wait_for("skipped (overlap)")
    served.stop()
    planned = started.partition("planned ")[2].partition(")")[0].partition(",")[0]
    told = skipped.partition("slow: ")[2].partition(" skipped")[0].rpartition("from ")[2]
    # Kathmandu is 5:45 ahead: the minutes tell its times from those of UTC.
    assert told.split(":")[1] in (planned.split(":")[1], f"{(int(planned.split(':')[1]) + 1) % 60:02}")
