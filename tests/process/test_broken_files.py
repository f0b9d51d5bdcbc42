"""Thirty kinds of broken file, one after the other, under a running service: each is told with its place, and the jobs
that ran before go on."""

from __future__ import annotations

from pathlib import Path

from tests.config.mistaken import DIRECTORY, read
from tests.process.conftest import Desk

KINDS = 30
GOOD = """\
jobs:
  tick:
    schedule: "* * * * * *"
    run: echo tock
"""


def test_thirty_kinds_of_broken_file_change_nothing(desk: Desk, tmp_path: Path) -> None:
    mistakes = [
        each for path in sorted(DIRECTORY.glob("*.txt")) for each in read(path) if "jobs.yaml:" in each.said
    ]
    chosen = mistakes[:: len(mistakes) // KINDS][:KINDS]
    assert len({each.text for each in chosen}) == KINDS
    desk.write(GOOD)
    served = desk.serve()
    served.wait_for("tick succeeded")
    for mistake in chosen:
        desk.write(mistake.text)
        first = mistake.said.splitlines()
        served.wait_for(first[0])
        served.wait_for(first[1].strip().replace("--> ", f"--> {tmp_path}/"))
        served.wait_for("the last good configuration keeps running")
    served.wait_for("tick succeeded")
    desk.write(GOOD.replace("tock", "tack"))
    served.wait_for("1 changed (tick)")
    served.wait_for("tick succeeded")
    assert served.stop() == 0
    runs = desk.history("-n", "1000")
    assert {run["status"] for run in runs} == {"succeeded"}
    slots = sorted(str(run["scheduled_at"]) for run in runs)
    assert len(set(slots)) == len(slots)
